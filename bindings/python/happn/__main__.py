"""python3 -m happn: one verb from the command line.

    python3 -m happn set /a/b '{"x": 1}' [--port 55000] [--host 127.0.0.1]
    python3 -m happn get /a/b
    python3 -m happn remove /a/b
    python3 -m happn on '/a/*'
"""

import argparse
import asyncio
import json

import happn


async def _run(arguments: argparse.Namespace) -> None:
    async with happn.connect(host=arguments.host, port=arguments.port) as client:
        if arguments.verb == "set":
            print(json.dumps(await client.set(arguments.path, json.loads(arguments.data))))
        elif arguments.verb == "get":
            print(json.dumps(await client.get(arguments.path)))
        elif arguments.verb == "remove":
            print(await client.remove(arguments.path))
        else:
            async for event in client.on(arguments.path):
                print(event.action, json.dumps(event.data), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m happn", description="one verb of a happn client")
    parser.add_argument("verb", choices=["set", "get", "remove", "on"])
    parser.add_argument("path")
    parser.add_argument("data", nargs="?", default="{}", help="of set: JSON")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=55000)
    try:
        asyncio.run(_run(parser.parse_args()))
    except KeyboardInterrupt:
        pass
    except happn.HappnError as error:
        raise SystemExit(f"happn: {error}") from None


if __name__ == "__main__":
    main()
