#!/usr/bin/env python3
"""docs/internals and the code: what is named there exists, the pages of a room name all of its files, and each file says first what it is for."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
ROOMS = {"client": ["client.md"], "mailbox": ["client.md"], "script": ["scripts.md"], "store": ["store.md"], "workshop": ["workshop.md"]}
pages = {page.name: page.read_text() for page in sorted((root / "docs/internals").glob("*.md"))}
rooms = {folder.name: {file.stem for file in folder.iterdir()} for folder in (root / "src").iterdir() if folder.is_dir()}
code = re.compile(r"`([^`\n]+)`")
place = re.compile(r"(?:src/)?([a-z]+)/([a-z_0-9]+)(\.(?:c|h|def))?")
assert len(pages) > 5 and len(rooms) > 10, "the pages or the sources were not found"


def exists(word):
    """Is this word, if it looks like the name of a file, that of one?"""
    if re.search(r"(?:^|[_/])x(?:\.|$)", word):
        return True  # unit_x and the like stand for any of them
    inside = place.fullmatch(word)
    if inside and inside[1] in rooms:
        return (root / "src" / inside[1] / (inside[2] + inside[3])).exists() if inside[3] else inside[2] in rooms[inside[1]]
    if re.fullmatch(r"(?:src|tests|docs|examples|cmake|bench|tools|lua|include|bindings)/[\w./-]+", word):
        return (root / word).exists()
    if re.fullmatch(r"\w+\.test\.js", word):
        return any((root / folder / word).exists() for folder in ("tests/e2e", "bindings/node/test"))
    if re.fullmatch(r"unit_\w+", word):
        return (root / "tests/unit" / f"test_{word[5:]}.c").exists()
    if re.fullmatch(r"[a-z_]+\.[ch]", word):
        return any(list((root / folder).rglob(word)) for folder in ("src", "include", "examples"))
    return True


wrong = []
for name, text in {**pages, "../../CONTRIBUTING.md": (root / "CONTRIBUTING.md").read_text()}.items():
    wrong += [f"docs/internals/{name} names {word}, which is not there" for word in code.findall(text) if not exists(word)]
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    wrong += [f"docs/internals/{name} leads to {link}, which is not there" for link in links if not (root / "docs/internals" / name).parent.joinpath(link).exists()]
for room, names in ROOMS.items():
    text = " ".join(pages[name] for name in names)
    named = {re.sub(r"\.[ch]$", "", word).rsplit("/", 1)[-1] for word in code.findall(text)}
    wrong += [f"src/{room}/{stem} is not named in docs/internals/{names[0]}" for stem in sorted(rooms[room] - named)]
for file in sorted((root / "src").rglob("*.[ch]")):
    has_header = file.suffix == ".c" and file.with_suffix(".h").exists()
    if not has_header and not file.read_text().startswith("/* "):
        wrong.append(f"{file.relative_to(root)} does not say what it is for")
print("\n".join(wrong) or f"{len(pages)} pages name what there is")
sys.exit(bool(wrong))
