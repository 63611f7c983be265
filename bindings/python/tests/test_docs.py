"""The Python in docs/clients.md that is marked `<!-- run: ... -->` is run, against a service of this process in place of port 55000."""

import ast
import asyncio
import inspect
import re
import unittest
from pathlib import Path

import happn

SECURED = {"secure": True, "adminUser": {"password": "a long one"}}
MARKED = re.compile(r"<!-- run: (\w+) -->\n```python\n(.*?)```", re.S)


async def run(code, port):
    compiled = compile(code.replace("55000", str(port)), "docs/clients.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"happn": happn, "asyncio": asyncio}
    result = eval(compiled, names)
    if inspect.isawaitable(result):
        await result


class Docs(unittest.IsolatedAsyncioTestCase):
    async def test_snippets(self):
        snippets = MARKED.findall(Path(__file__).parents[3].joinpath("docs", "clients.md").read_text())
        self.assertNotEqual(snippets, [])
        for kind, code in snippets:
            config = {"port": 0, "host": "127.0.0.1", "utils": {"logLevel": "error"}, **(SECURED if kind == "secured" else {})}
            with self.subTest(code=code):
                async with happn.Service(config) as service:
                    await run(code, service.port)


if __name__ == "__main__":
    unittest.main()
