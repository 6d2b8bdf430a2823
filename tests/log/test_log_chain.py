"""The hash chain and the stored format, against an independent implementation and known values."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from events.catalogue import DEFAULT_CATALOGUE
from events.errors import UsageError
from events.facts import ChildFinished, ChildStarted, ParentSettled
from events.log import Batch, EventLog, FactBatch, Recorder, SQLiteRecorder
from events.log.chain import START, Chain, link

FACTS = [
    ChildStarted(at=1_763_856_000_000_000, child_id="a", attempt=1, worker="1"),
    ChildFinished(at=1_763_856_000_000_001, child_id="a", attempt=1, outcome="succeeded", output='{"é":1}'),
    ParentSettled(at=1_763_856_000_000_002),
]

GOLDEN_EVENTS: list[tuple[int, int, int, str, bytes, str]] = [
    (
        1,
        1,
        1,
        "ChildStarted",
        b'{"at":1763856000000000,"child_id":"a","attempt":1,"worker":"1"}',
        "46D3E7E1B7C0D8E40D38A8B7813141BC6A34DDAEED2C72C74EFA235A08727C59",
    ),
    (
        2,
        1,
        2,
        "ChildFinished",
        b'{"at":1763856000000001,"child_id":"a","attempt":1,"outcome":"succeeded","output":"{\\"\xc3\xa9\\":1}"}',
        "30A0400EE8C3CA67E1CC6C412BF0F43396A489D5D178E36C9F0504F49CCC9916",
    ),
    (
        3,
        2,
        1,
        "ParentSettled",
        b'{"at":1763856000000002}',
        "6EFF1E0CDBF14F4174BC85C6282EF9295D092556293166C10557399BC32209DB",
    ),
    (
        4,
        1,
        3,
        "ParentSettled",
        b'{"at":1763856000000002}',
        "0B22F3F2BFCB601EB5F6958E0444C2887A510BB22440134732AD32C0F7CDBB9B",
    ),
]

GOLDEN_HEADS: list[tuple[int, str, int, int, str]] = [
    (1, "grün", 3, 3, "0B22F3F2BFCB601EB5F6958E0444C2887A510BB22440134732AD32C0F7CDBB9B"),
    (2, "other", 1, 1, "6EFF1E0CDBF14F4174BC85C6282EF9295D092556293166C10557399BC32209DB"),
]

GOLDEN_SCHEMA: list[tuple[str, str]] = [
    (
        "events",
        "CREATE TABLE events(position INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL,"
        " version INTEGER NOT NULL, type TEXT NOT NULL, data BLOB NOT NULL, hash BLOB NOT NULL,"
        " UNIQUE(parent, version))",
    ),
    (
        "parents",
        "CREATE TABLE parents(parent INTEGER PRIMARY KEY, parent_id TEXT NOT NULL UNIQUE,"
        " count INTEGER NOT NULL, version INTEGER NOT NULL, hash BLOB NOT NULL)",
    ),
]


def independent(previous: bytes, parent: str, version: int, name: str, data: bytes) -> bytes:
    """The chain as its documentation tells a stranger to compute it."""
    parent_bytes, name_bytes = parent.encode("utf-8"), name.encode("utf-8")
    digest = hashlib.sha256()
    digest.update(struct.pack(">B32sI", 1, previous, len(parent_bytes)) + parent_bytes)
    digest.update(struct.pack(">QI", version, len(name_bytes)) + name_bytes)
    digest.update(data)
    return digest.digest()


def test_every_stored_hash_is_what_a_stranger_computes(recorder: Recorder) -> None:
    names = ["p", "ÄÖ/中文", ""]
    for turn in range(3):
        recorder.append([Batch(name, turn * 70, [("Tÿpe", b"%d" % n) for n in range(70)]) for name in names])
    for name in names:
        previous = bytes(32)
        for row in recorder.rows(name):
            previous = independent(previous, name, row.version, row.type, row.data)
            assert row.hash == previous
        head = recorder.head(name)
        assert head is not None
        assert head.hash == previous


def test_known_links() -> None:
    first = link(START, "p", 1, "ChildStarted", b"{}")
    assert first.hex() == "aef5f1d3503e6e4a33d36c7c2cbb07b1989f5ba6f3f7653fb7c6ea9a11952302"
    assert (
        Chain("p").link(first, 2, "ParentSettled", b"").hex()
        == "dbb74c518a316ccf0e9392609b29f2904b107063e529f31fe67e29749c9567a6"
    )


@pytest.mark.parametrize(
    "other",
    [
        (bytes(31) + b"\1", "p", 1, "T", b"data"),
        (bytes(32), "q", 1, "T", b"data"),
        (bytes(32), "p", 2, "T", b"data"),
        (bytes(32), "p", 1, "U", b"data"),
        (bytes(32), "p", 1, "T", b"datA"),
        (bytes(32), "p", 1, "Td", b"ata"),
    ],
)
def test_everything_is_covered(other: tuple[bytes, str, int, str, bytes]) -> None:
    assert link(*other) != link(bytes(32), "p", 1, "T", b"data")


def test_an_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="Unicode"):
        Chain("\ud800")


def test_the_stored_format_never_changes(path: Path) -> None:
    """If this fails, the format has changed: stores already in the world could no longer be read or checked."""
    with EventLog(SQLiteRecorder(path)) as log:
        log.append([FactBatch("grün", 0, FACTS[:2]), FactBatch("other", 0, FACTS[2:])])
        log.append([FactBatch("grün", 2, FACTS[2:])])
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA application_id").fetchone() == (0x504F7263,)
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        columns = "SELECT position, parent, version, type, data, hex(hash) FROM events ORDER BY position"
        assert raw.execute(columns).fetchall() == GOLDEN_EVENTS
        heads = "SELECT parent, parent_id, count, version, hex(hash) FROM parents ORDER BY parent"
        assert raw.execute(heads).fetchall() == GOLDEN_HEADS
        schema = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name"
        assert raw.execute(schema).fetchall() == GOLDEN_SCHEMA


def test_a_store_of_the_first_release_can_be_read(path: Path) -> None:
    """A file made by hand from the known values, as the first release wrote it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for _, sql in GOLDEN_SCHEMA:
            raw.execute(sql)
        for position, parent, version, name, data, digest in GOLDEN_EVENTS:
            values = (position, parent, version, name, data, bytes.fromhex(digest))
            raw.execute("INSERT INTO events VALUES (?,?,?,?,?,?)", values)
        for parent, name, count, version, digest in GOLDEN_HEADS:
            raw.execute("INSERT INTO parents VALUES (?,?,?,?,?)", (parent, name, count, version, bytes.fromhex(digest)))
        raw.execute("PRAGMA application_id = 1347383907")
        raw.execute("PRAGMA user_version = 1")
    with EventLog(SQLiteRecorder(path, must_exist=True)) as log:
        assert [recorded.fact for recorded in log.read("grün")] == FACTS
        assert [recorded.fact for recorded in log.read("other")] == FACTS[2:]
        assert log.append([FactBatch("other", 1, FACTS[:1])])[0].head == log.head("other")
    assert DEFAULT_CATALOGUE.decode(GOLDEN_EVENTS[0][3], GOLDEN_EVENTS[0][4]) == FACTS[0]
