"""The client over wss://, against a small server of the test's own."""

import asyncio
import base64
import hashlib
import json
import shutil
import ssl
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

import happn


async def serve(reader, writer):
    """Answers every request with ok and null."""
    request = await reader.readuntil(b"\r\n\r\n")
    key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    try:
        while True:
            head = await reader.readexactly(2)
            size = head[1] & 127
            if size == 126:
                size = struct.unpack(">H", await reader.readexactly(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", await reader.readexactly(8))[0]
            mask = await reader.readexactly(4)
            data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(await reader.readexactly(size)))
            if head[0] & 15 == 8:
                writer.write(b"\x88\x02\x03\xe8")
                break
            event = json.loads(data)["eventId"]
            reply = json.dumps({"data": None, "_meta": {"status": "ok", "eventId": event}}).encode()
            writer.write(bytes([0x81, len(reply)]) + reply)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


@unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificate")
class Tls(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.key, self.cert = Path(self.folder.name, "key.pem"), Path(self.folder.name, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.cert, "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self.server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]

    async def asyncTearDown(self):
        self.server.close()
        await self.server.wait_closed()
        self.folder.cleanup()

    async def test_with_its_certificate(self):
        async with happn.connect(f"wss://localhost:{self.port}", ca=str(self.cert)) as client:
            self.assertIsNone(await client.get("/a"))
            self.assertIsNone(await client.set("/big", "x" * 300000))

    async def test_a_certificate_nobody_knows(self):
        with self.assertRaises(happn.ConnectError):
            await happn.connect(f"wss://localhost:{self.port}").open()

    async def test_the_wrong_name(self):
        with self.assertRaises(happn.ConnectError):
            await happn.connect(f"wss://127.0.0.1:{self.port}", ca=str(self.cert)).open()

    async def test_insecure(self):
        async with happn.connect(f"wss://127.0.0.1:{self.port}", insecure=True) as client:
            self.assertIsNone(await client.get("/a"))

    async def test_a_bad_ca_file(self):
        with self.assertRaises(happn.ConnectError) as caught:
            await happn.connect(f"wss://localhost:{self.port}", ca="/nowhere").open()
        self.assertIn("ca file", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
