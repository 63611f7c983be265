"""Ways to log in, and clients with several servers, against services of this process that really stop and start."""

import asyncio
import json
import unittest
from pathlib import Path

import happn

VECTORS = Path(__file__).parents[3] / "tests" / "vectors"
POINT = json.loads((VECTORS / "keys.json").read_text())["vectors"][0]
CURVE = {"privateKey": POINT["privateKey_base64"], "publicKey": POINT["publicKey_base64"]}
RSA = json.loads((VECTORS / "rsa-digest-13.json").read_text())["keyPair"]
PLAIN = {"port": 0, "host": "127.0.0.1", "utils": {"logLevel": "error"}}
SECURED = {**PLAIN, "secure": True, "adminUser": {"password": "secret"}}


class Logins(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.service = await happn.Service(SECURED).start()

    async def asyncTearDown(self):
        await self.service.close()

    async def test_by_key(self):
        for name, pair, other in (("c", CURVE, RSA), ("r", RSA, CURVE)):
            await self.service.security.upsert_user({"username": name, "publicKey": pair["publicKey"], "permissions": {"/k/*": {"actions": ["set"]}}})
            async with happn.connect(port=self.service.port, username=name, privateKey=pair["privateKey"]) as client:
                self.assertEqual(client.session["user"]["username"], name)
                await client.set("/k/1", 1)
            async with self.service.client(username=name, keyPair=pair) as client:
                await client.set("/k/2", 1)
            with self.assertRaisesRegex(happn.AccessDenied, "Invalid credentials"):
                await happn.connect(port=self.service.port, username=name, keyPair=other).open()

    async def test_by_cookie(self):
        async with happn.connect(port=self.service.port, username="_ADMIN", password="secret") as admin:
            cookie = f"a=b; happn_token={admin.session['token']}"
            async with happn.connect(port=self.service.port, cookie=cookie) as client:
                self.assertEqual(client.session["user"]["username"], "_ADMIN")

    async def test_what_is_wrong_is_said(self):
        for options, kind, message in (
            ({}, happn.AccessDenied, "this server wants a login"),
            ({"usernam": "x"}, happn.InvalidArgument, "there is no option usernam"),
            ({"privateKey": "x"}, happn.InvalidArgument, "needs the option username"),
            ({"username": "u", "privateKey": "x"}, happn.InvalidArgument, "privateKey must be 32 bytes"),
            ({"cookie": "a=b"}, happn.InvalidArgument, "no cookie of the name happn_token"),
            ({"pool": [5]}, happn.InvalidArgument, "pool must be a list of servers"),
        ):
            with self.assertRaisesRegex(kind, message):
                await happn.connect(port=self.service.port, **options).open()


class Pools(unittest.IsolatedAsyncioTestCase):
    async def test_servers_come_and_go(self):
        one, two = await happn.Service(PLAIN).start(), await happn.Service(PLAIN).start()
        news: asyncio.Queue[dict] = asyncio.Queue()
        pool = [{"port": 1}, {"port": one.port}, f"ws://127.0.0.1:{two.port}"]
        async with happn.connect(pool=pool, poolType=0, reconnect=True, reconnectMin=20) as client:
            client.on_connection = news.put_nowait
            await client.set("/here", 1)
            async with one.client() as there:
                self.assertIsNotNone(await there.get("/here"))
            await one.close()
            while (await news.get())["state"] != "back":
                pass
            await client.set("/here", 2)
            async with two.client() as there:
                self.assertIsNotNone(await there.get("/here"))
        await two.close()

    async def test_nobody_is_there(self):
        with self.assertRaisesRegex(happn.ConnectError, "no server of the pool answered; the last: could not connect"):
            await happn.connect(pool=[{"port": 1}, {"port": 2}], reconnectMin=1, poolReconnectAttempts=3).open()


if __name__ == "__main__":
    unittest.main()
