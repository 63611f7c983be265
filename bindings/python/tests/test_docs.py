"""The Python in README.md and docs/clients.md that is marked `<!-- run: ... -->` is run, against a service of this process in place of port 55000.

Marks: plain; pool; secured: the service is; client: it is given one; open: it leaves one open; program: in a process of its own."""

import ast
import asyncio
import inspect
import os
import re
import sys
import unittest
from pathlib import Path

import happn

SECURED = {"secure": True, "adminUser": {"password": "a long one"}}
BEFORE = {"client": "client = await happn.connect(port=55000).open()\n"}
AFTER = dict.fromkeys(("client", "open"), "\nawait client.close()")
MARKED = re.compile(r"<!-- run: (\w+) -->\n```python\n(.*?)```", re.S)


async def run(page, kind, code, port):
    code = (BEFORE.get(kind, "") + code + AFTER.get(kind, "")).replace("55000", str(port))
    if kind == "program":
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=env, stdout=asyncio.subprocess.DEVNULL)
        if await child.wait() != 0:
            raise RuntimeError(f"{page}: the program failed")
        return
    compiled = compile(code, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"happn": happn, "asyncio": asyncio, "print": lambda *values: None}
    result = eval(compiled, names)
    if inspect.isawaitable(result):
        await result


class Docs(unittest.IsolatedAsyncioTestCase):
    async def test_snippets(self):
        for page in "README.md", "docs/clients.md":
            snippets = MARKED.findall(Path(__file__).parents[3].joinpath(page).read_text())
            self.assertNotEqual(snippets, [])
            for kind, code in snippets:
                config = {"port": 0, "host": "127.0.0.1", "utils": {"logLevel": "error"}, **(SECURED if kind == "secured" else {})}
                with self.subTest(page=page, code=code):
                    async with happn.Service(config) as service:
                        await run(page, kind, code, service.port)


if __name__ == "__main__":
    unittest.main()
