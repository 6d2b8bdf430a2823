"""Stores that somebody wrote by hand, with hashes that fit: what only a look at the contents can tell."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from events.log import open_log, sqlite_schema
from events.log.chain import START, Chain
from orchestrator import Child, Orchestrator, Parallel, Retry, Threshold

StoredFact = tuple[str, dict[str, Any]]
"""The stored name of a fact, and its fields."""


@cache
def honest_history() -> tuple[StoredFact, ...]:
    """What a run with a success, a retry and a failure leaves on record."""
    children = [Child(id="a", command="echo hi"), Child(id="b", command="echo no >&2; exit 3"), Child(command="true")]
    parallel = Parallel(
        children=children,
        strategy=Threshold(percent=50, max_failures="60%", min_finished=1),
        on_decided="continue",
        metadata={"by": "hand"},
        retry=Retry(max_attempts=2),
    )
    with TemporaryDirectory() as folder, Orchestrator(Path(folder) / "store.db") as orchestrator:
        orchestrator.start(parallel, id="r").settle(timeout=60)
        with open_log(Path(folder) / "store.db", must_exist=True) as log:
            return tuple((row.type, json.loads(row.data)) for row in log.rows("r"))


def encoded(facts: Sequence[StoredFact]) -> list[tuple[str, bytes]]:
    """Return facts as rows hold them, escapes and all."""
    return [
        (
            name.encode(errors="replace").decode(),
            json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        )
        for name, fields in facts
    ]


def forge(path: Path, rows: Sequence[tuple[str, bytes]], parent_id: str = "r") -> None:
    """Write a store with one parent whose rows are these, every hash in it right."""
    for there in path.parent.glob(f"{path.name}*"):
        there.unlink()
    connection = sqlite3.connect(path)
    try:
        sqlite_schema.create(connection)
        connection.execute("PRAGMA synchronous = OFF")
        digest, version, chain = START, 0, Chain(parent_id)
        for version, (name, data) in enumerate(rows, 1):
            digest = chain.link(digest, version, name, data)
            connection.execute("INSERT INTO events VALUES(NULL, 1, ?, ?, ?, ?)", (version, name, data, digest))
        connection.execute("INSERT INTO parents VALUES(1, ?, ?, ?, ?)", (parent_id, version, version, digest))
        connection.commit()
    finally:
        connection.close()
