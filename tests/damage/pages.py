"""The pages of an SQLite file by kind, and the parts of a write-ahead log: what a campaign of damage aims at."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

PAGE_BYTES: Final = 4096
WAL_HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
FRAME_BYTES: Final = FRAME_HEADER_BYTES + PAGE_BYTES

_KINDS: Final = {2: "index interior", 5: "table interior", 10: "index leaf", 13: "table leaf"}


class Stretch(NamedTuple):
    """Some bytes of a file."""

    start: int
    length: int


def stretches(path: Path) -> dict[str, list[Stretch]]:
    """Return where each kind of page lies, by kind: `events table leaf`, `overflow`, `freelist`, `header` ..."""
    data = path.read_bytes()
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as raw:
        assert raw.execute("PRAGMA page_size").fetchone() == (PAGE_BYTES,)
        roots = raw.execute("SELECT tbl_name, rootpage FROM sqlite_master WHERE rootpage").fetchall()
    kinds: dict[int, str] = dict.fromkeys(_freelist(data), "freelist")
    for table, root in roots:
        for number in _tree(data, root):
            name = "counter" if table == "sqlite_sequence" else table
            kinds[number] = f"{name} {_KINDS[data[_start(number)]]}"
    found: dict[str, list[Stretch]] = defaultdict(list)
    found["header"].append(Stretch(0, 100))
    found["schema"].append(Stretch(100, PAGE_BYTES - 100))
    for number in range(2, len(data) // PAGE_BYTES + 1):
        found[kinds.get(number, "overflow")].append(Stretch(_start(number), PAGE_BYTES))
    return found


def _start(number: int) -> int:
    return (number - 1) * PAGE_BYTES


def _number(data: bytes, at: int, length: int = 4) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _tree(data: bytes, root: int) -> Iterator[int]:
    """Yield the pages of a b-tree."""
    start = _start(root)
    yield root
    if data[start] in (2, 5):
        for cell in range(_number(data, start + 3, 2)):
            pointer = start + _number(data, start + 12 + 2 * cell, 2)
            yield from _tree(data, _number(data, pointer))
        yield from _tree(data, _number(data, start + 8))


def _freelist(data: bytes) -> Iterator[int]:
    trunk = _number(data, 32)
    while trunk:
        yield trunk
        start = _start(trunk)
        yield from (_number(data, start + 8 + 4 * leaf) for leaf in range(_number(data, start + 4)))
        trunk = _number(data, start)


def frames(path: Path) -> dict[str, list[Stretch]]:
    """Return where the parts of a write-ahead log lie, by kind."""
    count = (path.stat().st_size - WAL_HEADER_BYTES) // FRAME_BYTES
    starts = [WAL_HEADER_BYTES + FRAME_BYTES * number for number in range(count)]
    return {
        "log header": [Stretch(0, WAL_HEADER_BYTES)],
        "log frame header": [Stretch(start, FRAME_HEADER_BYTES) for start in starts],
        "log frame": [Stretch(start + FRAME_HEADER_BYTES, PAGE_BYTES) for start in starts],
    }
