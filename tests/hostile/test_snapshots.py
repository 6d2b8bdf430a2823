"""Snapshots that somebody wrote by hand, with hashes that fit: an answer from the record, whatever stands in them."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import snapshot
from events.errors import StoreDamagedError
from events.log import StoredSnapshot, open_log
from events.log.snapshots import digest_of
from events.snapshot import decoded, encoded
from tests.cli.driver import CommandLine
from tests.hostile.checks import calm, decent
from tests.hostile.effort import tries
from tests.hostile.forgery import encoded as encoded_facts
from tests.hostile.forgery import forge, honest_history
from tests.hostile.limits import bounded

FACTS: Final = honest_history()
VERSION: Final = len(FACTS)
PEAK_BYTES_MAX: Final = 100_000_000


def framed(packed: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in packed)


def body(*texts: bytes) -> bytes:
    return framed(zlib.compress(text, 9) for text in texts)


def put(path: Path, content: bytes, *, version: int = VERSION) -> None:
    """Put a snapshot with this body, and everything else about it in order, into a store."""
    with open_log(path) as log:
        row = log.recorder.stream("r", after_version=version - 1, limit=1)[0]
        bare = StoredSnapshot("r", version, row.position, 1, row.hash, log.snapshots._code, b"", len(content))
        log.recorder.keep_snapshot(bare._replace(digest=digest_of(bare, content)), content)


def honest() -> tuple[bytes, bytes]:
    """Return the first part of the honest snapshot, and the others."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.db"
        forge(path, encoded_facts(FACTS))
        with open_log(path) as log:
            from events.log.folding import folded

            whole = encoded(folded(log, "r").state)
    length = 4 + int.from_bytes(whole[:4], "big")
    return zlib.decompress(whole[4:length]), whole[length:]


HEAD, TABLES = honest()


def rows(number: int, columns: bytes) -> bytes:
    return framed([zlib.compress(HEAD)]) + body(b"%d:" % number + columns)


BOMB: Final = zlib.compress(bytes(300_000_000), 9)
WORST: Final = {
    "a bomb": framed([BOMB]),
    "a bomb in a table": framed([zlib.compress(HEAD), BOMB]),
    "bombs one after the other": framed([zlib.compress(HEAD), *[zlib.compress(b"1:" + b" " * 4_000_000)] * 400]),
    "a bomb of bombs": framed([zlib.compress(BOMB, 9)]),
    "many empty parts": framed([zlib.compress(b"")] * 100_000),
    "a length beyond the end": b"\xff\xff\xff\xff" + bytes(100),
    "lengths of nothing": bytes(4_000),
    "deep": rows(1, b"[" * 2_000_000),
    "deep objects": rows(1, b'{"a":' * 500_000),
    "a number of a million digits": rows(2, b"[[" + b"1" * 1_000_000 + b"],[]]"),
    "a number with a vast exponent": rows(2, b'[[1e999999999],["a"]]'),
    "lists in lists": rows(1, b"[" + b"[]," * 1_000_000 + b"[]]"),
    "many rows": rows(2, b"[" + json.dumps(list(range(400_000))).encode() + b"," + b'["a"' + b',"a"' * 399_999 + b"]]"),
    "not a number": rows(2, b'[[NaN],["a"]]'),
    "half a surrogate": rows(2, b'[[0],["\\ud800"]]'),
    "not UTF-8": rows(2, b'[[0],["\xff"]]'),
    "no such table": rows(99, b"[[],[]]"),
    "a table with a name": framed([zlib.compress(HEAD)]) + body(b"children:[[],[]]"),
    "a minus": framed([zlib.compress(HEAD)]) + body(b"-1:[[],[]]"),
    "digits of another script": framed([zlib.compress(HEAD)]) + body("\u0661:[[],[]]".encode()),
    "a name that would be an import": body(b'{"__class__":"os.system","py/object":"os.system"}'),
    "a pickle": body(b"cos\nsystem\n(S'true'\ntR."),
    "nothing": b"",
}


@pytest.mark.parametrize("content", WORST.values(), ids=WORST)
def test_the_worst_bodies_are_refused_in_little_memory(content: bytes) -> None:
    snapshot._form()
    tracemalloc.start()
    try:
        with pytest.raises(StoreDamagedError):
            decoded(content, VERSION)
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES_MAX
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", WORST.values(), ids=WORST)
def test_whoever_opens_the_run_reads_the_record_instead(cli: CommandLine, content: bytes) -> None:
    forge(cli.store, encoded_facts(FACTS))
    plain = cli.ask("status", "r", "--json")
    put(cli.store, content)
    done = bounded(cli, "status", "r", "--json")
    decent(done)
    assert (done.status, done.output) == (plain.status, plain.output)
    audit = bounded(cli, "audit", "verify", "--json")
    calm(audit.text)
    assert (audit.status, audit.errors) == (3, "")
    assert "its snapshot" in audit.text


@given(data=st.binary(max_size=300))
@tries(100)
def test_any_bytes_are_refused(data: bytes) -> None:
    for content in (data, framed([data]), body(data), framed([zlib.compress(HEAD)]) + body(b"1:" + data)):
        with pytest.raises(StoreDamagedError):
            decoded(content, VERSION)


VALUES: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("1" * 5_000)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(json.loads(HEAD))), value=VALUES)
@tries(200)
def test_any_value_of_any_field_is_a_state_or_refused(name: str, value: object) -> None:
    try:
        content = body(json.dumps(json.loads(HEAD) | {name: value}).encode()) + TABLES
        state = decoded(content, VERSION)
    except StoreDamagedError:
        return
    assert encoded(state)
    assert state.status
    assert type(getattr(state, name)) is not dict


def test_a_table_of_another_kind_under_the_name_is_left_alone(cli: CommandLine) -> None:
    forge(cli.store, encoded_facts(FACTS))
    for statement in (
        "CREATE VIEW snapshots AS SELECT 1 AS parent, 2 AS version, 3 AS position, 4 AS at, 5 AS hash, 6 AS code,"
        " 7 AS digest, 8 AS body",
        "CREATE VIRTUAL TABLE snapshots USING fts5(parent, version, position, at, hash, code, digest, body)",
    ):
        with closing(sqlite3.connect(cli.store)) as raw, raw:
            raw.execute(statement)
        done = cli.ask("status", "r")
        decent(done)
        assert done.status != 3
        with closing(sqlite3.connect(cli.store)) as raw, raw:
            raw.execute("DROP VIEW snapshots" if "VIEW" in statement else "DROP TABLE snapshots")
