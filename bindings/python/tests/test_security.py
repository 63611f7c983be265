"""Administration and logins from Python, against a secured service in this process."""

import asyncio
import re
import unittest
from pathlib import Path

import happn

CONFIG = {"port": 0, "host": "127.0.0.1", "secure": True, "utils": {"logLevel": "error"},
          "services": {"security": {"config": {"adminUser": {"password": "secret"}, "pbkdf2Iterations": 10}}}}


class Secured(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.service = await happn.Service(CONFIG).start()

    async def asyncTearDown(self):
        await self.service.close()

    def connect(self, **options):
        return happn.connect(port=self.service.port, **options)

    def admin(self):
        return self.connect(username="_ADMIN", password="secret")


class Administration(Secured):
    async def test_users_and_groups_from_afar(self):
        async with self.admin() as admin:
            security = admin.security
            user = await security.upsert_user({"username": "ann", "password": "hers", "custom_data": {"n": 1}})
            self.assertEqual(user["username"], "ann")
            self.assertNotIn("password", user)
            group = await security.upsert_group({"name": "line", "permissions": {"/line/*": {"actions": ["get", "set"]}}})
            await security.link_group(group, user)
            self.assertEqual(await security.list_user_names_by_group("line"), ["ann"])
            self.assertTrue(await security.user_belongs_to_groups("ann", ["line"]))
            self.assertIn("line", (await security.get_user("ann"))["groups"])
            self.assertEqual([one["username"] for one in await security.list_users("ann")], ["ann"])
            self.assertEqual(await security.list_users("ann", count=True), {"value": 1})
            async with self.connect(username="ann", password="hers") as ann:
                await ann.set("/line/1", {"n": 1})
                with self.assertRaises(happn.AccessDenied):
                    await ann.set("/other", 1)
                await security.upsert_permission("/other", "set", user="ann")
                await ann.set("/other", 1)
                await security.upsert_permission("/line/1", "set", group="line", authorized=False)
                with self.assertRaises(happn.AccessDenied):
                    await ann.set("/line/1", {"n": 2})
                with self.assertRaisesRegex(happn.AccessDenied, "only members of the group _ADMIN"):
                    await ann.security.list_users()
            await security.unlink_group("line", "ann")
            self.assertEqual(await security.list_user_names_by_group("line"), [])
            await security.delete_user("ann")
            self.assertIsNone(await security.get_user("ann"))
            await security.delete_group(group)
            self.assertIsNone(await security.get_group("line"))

    async def test_the_host_needs_no_login(self):
        await self.service.security.upsert_user({"username": "bob", "password": "his", "permissions": {"/b/*": {"actions": ["set"]}}})
        async with self.service.client(username="bob", password="his") as bob:
            self.assertEqual(bob.session["user"]["username"], "bob")
            await bob.set("/b/1", 1)
            with self.assertRaises(happn.AccessDenied):
                await bob.set("/c", 1)
            self.assertEqual([one["username"] for one in await self.service.security.list_active_sessions()], ["bob"])
        async with self.service.client() as host:
            await host.set("/c", 1)
            await host.security.reset_password("bob", "new")
        with self.assertRaises(happn.AccessDenied):
            await self.service.client(username="bob", password="his").open()

    async def test_what_is_wrong_is_said(self):
        async with self.admin() as admin:
            with self.assertRaisesRegex(happn.NotFound, "group does not exist"):
                await admin.security.link_group("none", "_ADMIN")
            with self.assertRaisesRegex(happn.InvalidArgument, "no password or publicKey"):
                await admin.security.upsert_user({"username": "x"})
            await admin.security.upsert_user({"username": "x", "password": "p"})
            with self.assertRaisesRegex(happn.Conflict, "already exists"):
                await admin.security.upsert_user({"username": "x", "password": "p"}, overwrite=False)
            with self.assertRaisesRegex(happn.Unsupported, "there is no verb fly"):
                await admin.security.call("fly")
        async with happn.Service({"port": 0}) as plain, plain.client() as client:
            with self.assertRaisesRegex(happn.Unsupported, "not secured"):
                await client.security.list_users()
            with self.assertRaises(happn.Unsupported):
                await plain.security.list_users()

    async def test_tokens_and_sessions(self):
        await self.service.security.upsert_user({"username": "t", "password": "p"})
        async with self.admin() as admin:
            first = await self.connect(username="t", password="p").open()
            token = first.session["token"]
            second = await self.connect(token=token).open()
            ends = []
            for client in (first, second):
                ends.append(asyncio.get_running_loop().create_future())
                client.on_end = ends[-1].set_result
            await admin.security.revoke_token(token, "lost")
            await asyncio.gather(*ends)
            with self.assertRaises(happn.AccessDenied):
                await self.connect(token=token).open()
            self.assertEqual([one["reason"] for one in await admin.security.list_revoked_tokens()], ["lost"])
            await admin.security.restore_token(token)
            async with self.connect(token=token) as third:
                gone = asyncio.get_running_loop().create_future()
                third.on_end = gone.set_result
                await admin.security.disconnect_session(third.session["id"], "enough")
                self.assertEqual(await gone, "enough")
            await first.close()
            await second.close()

    async def test_one_s_own_login(self):
        await self.service.security.upsert_user({"username": "o", "password": "old"})
        async with self.connect(username="o", password="old") as own:
            with self.assertRaisesRegex(happn.HappnError, "Invalid old password"):
                await own.change_password("wrong", "new")
            await own.change_password("old", "new")
        async with self.connect(username="o", password="new") as own:
            token = own.session["token"]
            ended = asyncio.get_running_loop().create_future()
            own.on_end = ended.set_result
            await own.revoke_token()
            await ended
        with self.assertRaises(happn.AccessDenied):
            await self.connect(token=token).open()

    async def test_every_verb_has_its_function(self):
        documented = Path(__file__).parents[3].joinpath("docs", "security.md").read_text()
        verbs = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", documented.split("<!-- verbs")[1].split("##")[0], re.M)
        self.assertGreater(len(verbs), 25)
        for verb in verbs:
            self.assertTrue(hasattr(happn.Security, re.sub(r"([A-Z])", r"_\1", verb).lower()), verb)


if __name__ == "__main__":
    unittest.main()
