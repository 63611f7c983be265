#!/usr/bin/env python3
"""The order of the folders: each uses only those below it; cli and mailbox see the public headers only."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
ORDER = ["base", "json", "paths", "search", "store", "transfer", "security", "core", "wire", "net", "script", "client", "service", "workshop"]
STRANGERS = {("net", "script"), ("script", "net"), ("client", "net"), ("client", "script"), ("script", "wire")}
SHELLS = {"cli": {"cli", "happn"}, "mailbox": {"mailbox", "happn", "base", "json", "paths"}}  # it reads options as JSON, among them patterns
include = re.compile(r'^\s*#\s*include\s*["<]([a-z]+)/', re.M)

wrong = []
files = sorted((root / "src").rglob("*.[ch]"))
assert len(files) > 50, "the sources were not found"
for file in files:
    room = file.relative_to(root / "src").parts[0]
    for used in include.findall(file.read_text()):
        if room in SHELLS:
            fine = used in SHELLS[room] or used not in ORDER
        else:
            fine = used not in ORDER or (ORDER.index(used) <= ORDER.index(room) and (room, used) not in STRANGERS)
        if not fine:
            wrong.append(f"{file.relative_to(root)} uses {used}, which is not below {room}")
print("\n".join(wrong) or f"{len(files)} files keep the order")
sys.exit(bool(wrong))
