"""The Python layer against a service in this process. Run by ctest, or with PYTHONPATH=<build>/bindings/python."""

import asyncio
import gc
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest
import weakref
from pathlib import Path

import happn
from happn import errors


class Verbs(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.service = await happn.Service({"port": 0}).start()
        self.client = await self.service.client().open()

    async def asyncTearDown(self):
        await self.client.close()
        await self.service.close()

    async def test_set_get_remove(self):
        self.assertEqual(await self.client.set("/a", {"x": 1, "text": "grün"}), {"x": 1, "text": "grün"})
        self.assertEqual(await self.client.set("/a", {"y": 2}, merge=True), {"x": 1, "text": "grün", "y": 2})
        self.assertEqual(await self.client.get("/a"), {"x": 1, "text": "grün", "y": 2})
        self.assertIsNone(await self.client.get("/nothing"))
        await self.client.set("/b", [1, 2])
        self.assertEqual(sorted(await self.client.get_paths("/*")), ["/a", "/b"])
        self.assertEqual(await self.client.get_paths("/a"), ["/a"])
        self.assertEqual(await self.client.get_paths("/nothing"), [])
        self.assertEqual([item["_meta"]["path"] for item in await self.client.get("/*")], ["/a", "/b"])
        _, meta = await self.client.get_with_meta("/a")
        self.assertIn("created", meta)
        self.assertEqual(await self.client.remove("/*"), 2)

    async def test_searches_and_counters(self):
        for n in range(5):
            await self.client.set(f"/s/{n}", {"n": n})
        found = await self.client.get("/s/*", criteria={"n": {"$gt": 1}}, options={"sort": {"n": -1}, "limit": 2})
        self.assertEqual([item["n"] for item in found], [4, 3])
        self.assertEqual(await self.client.count("/s/*", criteria={"n": {"$lt": 3}}), 3)
        self.assertEqual(await self.client.remove("/s/*", criteria={"n": {"$in": [0, 1]}}), 2)
        self.assertEqual(await self.client.increment("/c", "hits", 2), 2)
        self.assertEqual(await self.client.increment("/c", "hits"), 3)
        path = await self.client.set_sibling("/sib", {"a": 1})
        self.assertTrue(path.startswith("/sib/"))
        await self.client.publish("/sib/none", {"a": 1})
        self.assertIsNone(await self.client.get("/sib/none"))
        with self.assertRaisesRegex(happn.HappnError, "unknown operator"):
            await self.client.get("/s/*", criteria={"n": {"$foo": 1}})

    async def test_events_by_iterating(self):
        async def read():
            seen = []
            async for event in subscription:
                seen.append((event.action, event.path, event.data))
                if len(seen) == 2:
                    return seen

        subscription = await self.client.on("/e/*")
        reader = asyncio.ensure_future(read())
        await self.client.set("/e/1", {"n": 1})
        await self.client.remove("/e/1")
        self.assertEqual(await reader, [("set", "/e/1", {"n": 1}), ("remove", "/e/1", {"removed": 1})])

    async def test_events_by_callback(self):
        seen = []

        async def later(event):
            await asyncio.sleep(0)
            seen.append(event.data)

        plain = await self.client.on("/c", lambda event: seen.append(event.path))
        awaited = await self.client.on("/c", later, event_type="set")
        await self.client.set("/c", {"n": 1})
        await asyncio.sleep(0.01)
        self.assertCountEqual(seen, ["/c", {"n": 1}])
        await plain.off()
        await awaited.off()
        await self.client.set("/c", {"n": 2})
        self.assertEqual(len(seen), 2)

    async def test_iterating_ends_with_the_count(self):
        subscription = await self.client.on("/n/*", count=2)
        held = len(self.client._hub.handlers)
        for n in range(3):
            await self.client.set(f"/n/{n}", {"n": n})
        self.assertEqual([event.data["n"] async for event in subscription], [0, 1])
        self.assertEqual(len(self.client._hub.handlers), held - 1)
        await subscription.off()
        early = self.client.on("/n/*", count=1)
        await self.client.set("/n/4", {"n": 4})
        await early.off()

    async def test_events_that_nobody_reads_are_bounded(self):
        subscription = await self.client.on("/b", max_waiting=3)
        with self.assertWarnsRegex(ResourceWarning, "3 events of /b wait"):
            for n in range(5):
                await self.client.set("/b", {"n": n})
        self.assertEqual(subscription.dropped, 2)
        seen = []
        async for event in subscription:
            seen.append(event.data["n"])
            if len(seen) == 3:
                await self.client.set("/b", {"n": 5})
            if len(seen) == 4:
                break
        self.assertEqual(seen, [0, 1, 2, 5])

    async def test_a_path_does_not_end_at_a_nul(self):
        for call in (self.client.set("/z\0b", 1), self.client.get("/z\0b"), self.client.remove("/z\0b")):
            with self.assertRaisesRegex(happn.BadPath, "NUL"):
                await call
        with self.assertRaisesRegex(happn.BadPath, "NUL"):
            self.client.on("/z\0b")
        self.assertEqual(await self.client.get_paths("/z*"), [])
        self.assertEqual(await self.client.set("/z", "a\0b"), {"value": "a\0b"})

    async def test_closing_goes_on_when_a_handler_fails(self):
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
        service = await happn.Service({"port": 0}).start()
        client = await service.client().open()

        def told(error, report):
            raise RuntimeError("the program's own")

        waits = asyncio.ensure_future(client.set("/r", 1, consistency=3, on_published=told))
        await asyncio.sleep(0)  # asked, not answered
        await service.close()
        self.assertEqual([str(failure) for failure in failures], ["the program's own"])
        with self.assertRaises(happn.Closed):
            await waits
        with self.assertRaises(ConnectionError):
            await happn.connect(port=service.port).open()

    async def test_initial_values(self):
        await self.client.set("/i/1", {"n": 1})
        subscription = await self.client.on("/i/*", initialCallback=True)
        self.assertEqual(subscription.initial[0]["n"], 1)

    async def test_errors(self):
        with self.assertRaisesRegex(happn.BadPath, r"path cannot contain the \* wildcard"):
            await self.client.set("/a/*", 1)
        with self.assertRaisesRegex(happn.BadPath, "Bad path"):
            await self.client.on("/grün")
        with self.assertRaises(ValueError):
            await self.client.set("/a", float("nan"))
        with self.assertRaisesRegex(happn.HappnError, "targetClients must be an array"):
            await self.client.set("/a", 1, targetClients=5)
        with self.assertRaises(happn.Refused) as caught:
            await self.client.on("*/b")
        self.assertIn("subscribe failed", str(caught.exception))
        with self.assertRaises(ConnectionError) as caught:
            async with happn.connect("ws://127.0.0.1:1"):
                pass
        self.assertIn("127.0.0.1:1", str(caught.exception))

    async def test_pipelined(self):
        await asyncio.gather(*(self.client.set(f"/p/{i}", {"n": i}) for i in range(1000)))
        self.assertEqual(len(await self.client.get_paths("/p/*")), 1000)

    async def test_a_failing_handler_does_not_stop_the_others(self):
        failures, seen = [], []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
        await self.client.on("/f", lambda event: 1 / 0)
        await self.client.on("/f", lambda event: seen.append(1))
        await self.client.set("/f", 1)
        await asyncio.sleep(0.01)
        self.assertEqual(seen, [1])
        self.assertIsInstance(failures[0], ZeroDivisionError)

    async def test_the_service_ends_first(self):
        reasons = []
        self.client.on_end = reasons.append
        subscription = await self.client.on("/a")
        await self.service.close()
        self.assertEqual([event async for event in subscription], [])
        with self.assertRaises(happn.Closed):
            await self.client.get("/a")

    async def test_reports_of_publications(self):
        def report():
            told = asyncio.get_running_loop().create_future()
            return told, lambda error, result: told.set_result((error, result))

        await self.client.on("/r", lambda event: None)
        told, on_published = report()
        await self.client.set("/r", {"n": 1}, consistency=3, on_published=on_published)
        self.assertEqual(await told, (None, {"successful": 1, "failed": 0, "skipped": 0, "queued": 1, "acknowledged": 1}))
        told, on_published = report()
        self.assertEqual(await self.client.remove("/r", consistency=1, on_published=on_published), 1)
        self.assertEqual((await told)[1]["successful"], 1)
        with self.assertRaises(happn.BadPath):
            await self.client.set("/r/*", 1, consistency=1, on_published=lambda error, result: self.fail("nothing is published"))
        with self.assertRaises(happn.HappnError):
            await self.client.set("/r", 1, on_published=lambda error, result: self.fail("level 2 has no report"))

    async def test_a_lost_connection_is_made_again(self):
        first = await happn.Service({"port": 0}).start()
        news: asyncio.Queue[dict] = asyncio.Queue()
        events: asyncio.Queue[int] = asyncio.Queue()
        client = await happn.connect(port=first.port, reconnect=True, reconnectMin=20).open()
        client.on_connection = news.put_nowait
        ended = asyncio.get_running_loop().create_future()
        client.on_end = ended.set_result
        await client.on("/e/*", lambda event: events.put_nowait(event.data["n"]))
        await first.close()
        lost = await news.get()
        self.assertEqual((lost["state"], lost["attempt"], lost["wait"]), ("lost", 1, 20))
        with self.assertRaises(happn.Closed):
            await client.get("/a")
        async with happn.Service({"port": first.port}) as second:
            while (await news.get())["state"] != "back":
                pass
            await client.set("/e/1", {"n": 7})
            self.assertEqual(await events.get(), 7)
            await second.close(reconnect=False)
        self.assertIn("disconnect", await ended)
        await client.close()

    async def test_what_changed_while_away_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            config = {"services": {"data": {"config": {"filename": str(Path(folder, "documents.db"))}}}}
            first = await happn.Service({"port": 0, **config}).start()
            news: asyncio.Queue[dict] = asyncio.Queue()
            told, lists = [], []
            client = await happn.connect(port=first.port, reconnect=True, reconnectMin=20).open()
            client.on_connection = lambda what: (told.append(what["state"]), news.put_nowait(what))
            await client.set("/v/1", {"n": 1})
            await client.on("/v/*", lambda event: told.append((event.path, event.data["n"])), initialEmit=True)
            whole = await client.on("/v/*", lambda event: None, initialCallback=True)
            whole.on_values = lists.append
            given_up = await client.on("/v/*", lambda event: told.append("an event of one that was taken off"))
            others = [await client.on(path, lambda event: told.append("another one")) for path in ("/v/2", "/v/3")]
            await first.close()
            await news.get()
            await given_up.off()
            await client.off_path("/v/?")  # only * is any text
            await client.off_path("/v/2*")
            await others[1].off()
            async with happn.Service({"port": 0, **config}) as elsewhere, elsewhere.client() as other:
                await other.remove("/v/1")
                await other.set("/v/2", {"n": 2})
            async with happn.Service({"port": first.port, **config}):
                while (await news.get())["state"] != "back":
                    pass
                self.assertEqual(told[0], ("/v/1", 1))
                self.assertEqual(told[-2:], [("/v/2", 2), "back"])
                self.assertEqual([item["_meta"]["path"] for item in whole.initial], ["/v/2"])
                self.assertEqual(lists, [whole.initial])
                await client.set("/v/2", {"n": 3})
                await client.get("/v/2")
                self.assertEqual(told[-1], ("/v/2", 3))
                await client.close()

    async def test_handlers_are_released(self):
        class Watched:
            def __call__(self, event):
                pass

        handler = Watched()
        reference = weakref.ref(handler)
        subscription = await self.client.on("/w", handler)
        await subscription.off()
        del handler, subscription
        await self.client.get("/w")
        gc.collect()
        self.assertIsNone(reference())


class Life(unittest.TestCase):
    def run_python(self, text):
        result = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], capture_output=True, text=True, timeout=20)
        return result.returncode, result.stdout, result.stderr

    def test_leaving_without_closing(self):
        code, out, err = self.run_python("""
            import asyncio, happn
            async def main():
                global service, client
                service = await happn.Service({"port": 0}).start()
                client = await service.client().open()
                await client.on("/a", lambda event: None)
                await client.set("/a", 1)
                print("left")
            asyncio.run(main())
        """)
        self.assertEqual((code, out.strip()), (0, "left"), err)

    def test_sys_exit_in_a_handler(self):
        code, out, err = self.run_python("""
            import asyncio, sys, happn
            async def main():
                async with happn.Service({"port": 0}) as service, service.client() as client:
                    await client.on("/a", lambda event: sys.exit(3))
                    await client.set("/a", 1)
                    await asyncio.sleep(5)
            asyncio.run(main())
        """)
        self.assertEqual(code, 3, err)

    def test_a_forked_child_is_told(self):
        code, out, err = self.run_python("""
            import asyncio, os, happn
            async def main():
                async with happn.Service({"port": 0}) as service, service.client() as client:
                    child = os.fork()
                    if child == 0:
                        try:
                            await client.set("/a", 1)
                        except happn.Forked:
                            os._exit(0)
                        os._exit(1)
                    assert os.waitpid(child, 0)[1] == 0
                    await client.set("/a", 1)
            asyncio.run(main())
        """)
        self.assertEqual(code, 0, err)

    def test_every_status_has_its_exception(self):
        header = Path(__file__).parents[3] / "include" / "happn" / "status.def"
        codes = [int(code) for code in re.findall(r"^X\(E_\w+, (-\d+)", header.read_text(), re.M)]
        self.assertEqual(sorted(codes), sorted(errors.BY_STATUS))


if __name__ == "__main__":
    unittest.main()
