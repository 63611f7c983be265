#!/usr/bin/env python3
"""The shared library exports what the public headers declare with HAPPN_API, and nothing else.  exports.py LIBRARY"""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
declared = set()
for header in (root / "include/happn").glob("*.h"):
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    declared |= {name for name in re.findall(r"HAPPN_API[^;{]*?\b(happn_\w+)\s*\(", text)}
lines = subprocess.run(["nm", "-D", "--defined-only", sys.argv[1]], check=True, capture_output=True, text=True).stdout.splitlines()
exported = {line.split()[-1].split("@")[0] for line in lines if line.split()[-2] in "TDBRVW"}
ours = {name for name in exported if not name.startswith(("_init", "_fini", "__"))}
print("exported but not declared:", sorted(ours - declared))
print("declared but not exported:", sorted(declared - ours))
sys.exit(bool(ours ^ declared))
