"""Layers in Python: what they may decide, and what becomes of messages when they do not."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import happn

CONFIG = {"deferListen": True, "utils": {"logLevel": "error"}}


class Layers(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.told = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: self.told.append(context["exception"]))

    @contextlib.asynccontextmanager
    async def serving(self, function, **options):
        service = happn.Service(CONFIG)
        service.layer(function, **options)
        async with service, service.client() as client:
            yield service, client

    async def test_change_refuse_and_reply(self):
        service = happn.Service(CONFIG)
        seen = []

        @service.layer(actions="set", path=["/a/*", "/b"])
        def look(message):
            seen.append((message.action, message.path, message.username, len(message.session_id) > 10, message.data))
            if message.path == "/a/no":
                raise happn.Refused("that is his", name="NotYours", code=403)
            if message.path == "/a/instead":
                return happn.reply({"instead": True})
            if message.path == "/a/add":
                message.data["added"] = "grün"
            if message.path == "/b":
                message.data = {"replaced": 1}
                return message

        async with service, service.client() as client:
            self.assertEqual(await client.set("/a/add", {"n": 1}), {"n": 1, "added": "grün"})
            self.assertEqual(await client.get("/a/add"), {"n": 1, "added": "grün"})
            self.assertEqual(await client.set("/b", {"n": 1}), {"replaced": 1})
            self.assertEqual(await client.set("/a/instead", {"n": 1}), {"instead": True})
            self.assertIsNone(await client.get("/a/instead"))
            with self.assertRaises(happn.AccessDenied) as caught:
                await client.set("/a/no", {"n": 1})
            self.assertEqual((str(caught.exception), caught.exception.name, caught.exception.code), ("that is his", "NotYours", 403))
            await client.set("/c", {"n": 1})
        self.assertEqual([path for _, path, *_ in seen], ["/a/add", "/b", "/a/instead", "/a/no"])
        self.assertEqual(seen[0][:4], ("set", "/a/add", "", True))
        self.assertEqual(self.told, [])

    async def test_who_asks(self):
        seen = []
        config = {**CONFIG, "secure": True, "services": {"security": {"config": {"adminUser": {"password": "secret"}, "pbkdf2Iterations": 1}}}}
        service = happn.Service(config)
        service.layer(lambda message: seen.append((message.action, message.username)), actions=["set", "get"])
        async with service, service.client(username="_ADMIN", password="secret") as client:
            await client.set("/a", 1)
            await client.get("/a")
        self.assertEqual(seen, [("set", "_ADMIN"), ("get", "_ADMIN")])

    def test_who_only_looks_changes_nothing(self):
        meta = {"action": "set", "path": "/a", "options": None, "session": {"id": "1", "username": ""}}
        for change, changed in [(lambda data: None, None), (lambda data: data.pop("n"), "{}"), (lambda data: data.update(n=True), '{"n":true}')]:
            message = happn.Message(meta, '{ "n": 1.0e0 }')
            self.assertIsNone(message._changed())
            change(message.data)
            self.assertEqual(message._changed(), changed)

    async def test_mistakes_refuse_and_are_told_here_only(self):
        def look(message):
            if message.path == "/raise":
                raise KeyError("a secret")
            if message.path == "/return":
                return 7
            if message.path == "/data":
                message.data = object()
            if message.path == "/reply":
                return happn.reply(float("nan"))
            return later(message) if message.path == "/later" else None

        async def later(message):
            raise KeyError("a secret")

        async with self.serving(look, actions="set") as (service, client):
            for path in ["/raise", "/return", "/data", "/reply", "/later"]:
                with self.assertRaises(happn.Refused) as caught:
                    await client.set(path, 1)
                self.assertEqual((str(caught.exception), caught.exception.name), ("a layer of the server failed", "LayerError"))
            await client.set("/good", 1)
        self.assertEqual([type(error) for error in self.told], [KeyError, TypeError, TypeError, ValueError, KeyError])
        self.assertIsNotNone(self.told[0].__traceback__)

    async def test_a_layer_that_cancels_itself_refuses(self):
        async def give_up(message):
            raise asyncio.CancelledError

        async with self.serving(give_up, actions="set") as (service, client):
            with self.assertRaisesRegex(happn.Refused, "a layer of the server failed"):
                await client.set("/a", 1)
        self.assertEqual(self.told, [])

    async def test_a_layer_that_waits_holds_up_nobody_else(self):
        arrived, let = asyncio.Event(), asyncio.Event()

        async def wait(message):
            if message.path == "/slow":
                arrived.set()
                await let.wait()
                message.data = {"waited": True}

        async with self.serving(wait, actions="set") as (service, client), service.client() as other:
            slow = asyncio.ensure_future(client.set("/slow", 1))
            await arrived.wait()
            await other.set("/fast", 1)  # through the same layer
            await service.client().open()
            self.assertFalse(slow.done())
            let.set()
            self.assertEqual(await slow, {"waited": True})

    async def test_a_layer_that_takes_too_long(self):
        waiting = []

        def wait(message):
            waiting.append(asyncio.get_running_loop().create_future())
            return waiting[-1]

        service = happn.Service(CONFIG)
        service.layer(wait, actions="set", path="/strict", timeout=1)
        service.layer(wait, actions="set", path="/lax", timeout=1, on_timeout="next")
        async with service, service.client() as client:
            with self.assertRaisesRegex(happn.RequestTimeout, "did not answer in time"):
                await client.set("/strict", 1)
            self.assertTrue(waiting[0].cancelled())
            self.assertEqual(await client.set("/lax", {"n": 1}), {"n": 1})
            self.assertTrue(waiting[1].cancelled())
        self.assertEqual(self.told, [])

    async def test_a_late_answer_does_nothing(self):
        class Stubborn(asyncio.Future):
            def cancel(self, msg=None):
                return False

        waiting = []

        def wait(message):
            waiting.append(Stubborn())
            return waiting[-1]

        async with self.serving(wait, actions="set", timeout=1) as (service, client):
            with self.assertRaises(happn.RequestTimeout):
                await client.set("/a", 1)
            waiting[0].set_result(happn.reply("too late"))
            self.assertIsNone(await client.get("/a"))
        self.assertEqual(self.told, [])

    async def test_too_many_wait(self):
        arrived, let = asyncio.Event(), asyncio.Event()

        async def wait(message):
            arrived.set()
            await let.wait()

        async with self.serving(wait, actions="set", max_pending=1) as (service, client), service.client() as other:
            first = asyncio.ensure_future(client.set("/a", 1))
            await arrived.wait()
            with self.assertRaises(happn.Busy):
                await other.set("/a", 2)
            let.set()
            await first
            await other.set("/a", 2)

    async def test_order_with_a_script(self):
        def letter(what):
            def add(message):
                message.data["order"] += what

            return add

        config = {**CONFIG, "services": {"protocol": {"config": {"inboundLayers": ["b.lua"]}}}}
        before = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "b.lua").write_text("return { actions = { 'set' }, inbound = function(msg) msg.data.order = msg.data.order .. 'b' end }")
            os.chdir(folder)
            try:
                service = happn.Service(config)
                service.layer(letter("a"), actions="set")
                async with service, service.client() as client:
                    await service.add_layer(letter("c"), actions="set")
                    await service.add_layer(letter("d"), actions="set")
                    self.assertEqual(await client.set("/order", {"order": "-"}), {"order": "-abcd"})
                    with self.assertRaisesRegex(happn.InvalidArgument, "add_layer"):
                        service.layer(letter("e"))
            finally:
                os.chdir(before)

    async def test_options_that_make_no_sense(self):
        for options, words in [({"actions": "sett"}, 'no action "sett"'), ({"timeout": 0}, "deadline"), ({"on_timeout": "drop"}, "onDeadline"), ({"path": []}, "path")]:
            service = happn.Service(CONFIG)
            service.layer(lambda message: None, **options)
            with self.assertRaisesRegex(happn.InvalidArgument, words):
                await service.start()
        async with happn.Service(CONFIG) as service:
            with self.assertRaisesRegex(happn.InvalidArgument, "deadline"):
                await service.add_layer(lambda message: None, timeout=0)
            with self.assertRaises(TypeError):
                await service.add_layer(lambda message: None, action="set")

    async def test_a_service_that_closes_while_messages_wait(self):
        arrived, cancelled = asyncio.Event(), asyncio.Event()

        async def wait(message):
            arrived.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        config = {**CONFIG, "deferListen": False, "port": 0, "host": "127.0.0.1"}
        service = happn.Service(config)
        service.layer(wait, actions="set")
        await service.start()
        async with happn.connect(port=service.port) as client:
            waiting = asyncio.ensure_future(client.set("/a", 1))
            await arrived.wait()
            await service.close()
            await cancelled.wait()
            with self.assertRaises(happn.Closed):
                await waiting
        self.assertEqual(self.told, [])


class Life(unittest.TestCase):
    def test_leaving_while_messages_wait(self):
        text = """
            import asyncio, sys, happn
            async def main():
                arrived = asyncio.Event()
                async def wait(message):
                    arrived.set()
                    await asyncio.Event().wait()
                global service, client
                service = happn.Service({"deferListen": True, "utils": {"logLevel": "error"}})
                service.layer(wait, actions="set")
                await service.start()
                client = await service.client().open()
                waiting = asyncio.ensure_future(client.set("/a", 1))
                await arrived.wait()
                waiting.cancel()
                print("left")
                if len(sys.argv) > 1:
                    sys.exit(3)
            asyncio.run(main())
        """
        for arguments, code in [([], 0), (["exit"], 3)]:
            done = subprocess.run([sys.executable, "-c", textwrap.dedent(text), *arguments], capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stdout.strip(), done.stderr), (code, "left", ""))


if __name__ == "__main__":
    unittest.main()
