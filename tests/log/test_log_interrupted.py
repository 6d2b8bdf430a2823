"""A store whose power went while its first page was being written: what is there of it is no database yet."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from events.errors import NotAStoreError
from events.log import Batch, SQLiteRecorder, Written

MAGIC = bytes.fromhex("d9d505f920a163d7")
JOURNAL = MAGIC + struct.pack(">5I", 0, 7, 0, 512, 4_096) + bytes(484)
"""As SQLite leaves it when it makes a database: no page to put back, and a file that was empty before."""


@pytest.mark.parametrize("left", [b"S", b"SQLite format 3\0"[:9], b"SQLite\0\0\0", bytes(511)])
def test_a_store_that_was_being_made_is_made_now(path: Path, left: bytes) -> None:
    path.write_bytes(left)
    Path(f"{path}-journal").write_bytes(JOURNAL)
    with SQLiteRecorder(path) as recorder:
        assert list(recorder.parents()) == []
        assert isinstance(recorder.append([Batch("p", 0, [("A", b"a")])])[0], Written)
    with SQLiteRecorder(path, must_exist=True) as recorder:
        assert [row.data for row in recorder.rows("p")] == [b"a"]
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


@pytest.mark.parametrize("left", [b"notes", b"S"])
@pytest.mark.parametrize(
    "journal", [None, b"", bytes(512), b"a diary", MAGIC, MAGIC + struct.pack(">5I", 0, 7, 1, 512, 4_096)]
)
def test_a_small_file_without_a_journal_in_force_is_somebody_elses(
    path: Path, journal: bytes | None, left: bytes
) -> None:
    path.write_bytes(left)
    if journal is not None:
        Path(f"{path}-journal").write_bytes(journal)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(NotAStoreError, match="no SQLite database"):
        SQLiteRecorder(path)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_small_file_that_begins_otherwise_is_somebody_elses_whatever_lies_beside_it(path: Path) -> None:
    path.write_bytes(b"notes")
    Path(f"{path}-journal").write_bytes(JOURNAL)
    with pytest.raises(NotAStoreError, match="no SQLite database"):
        SQLiteRecorder(path)
    assert (path.read_bytes(), Path(f"{path}-journal").read_bytes()) == (b"notes", JOURNAL)


def test_a_fifo_in_place_of_the_journal_holds_nobody_up(path: Path) -> None:
    path.write_bytes(b"S")
    os.mkfifo(f"{path}-journal")
    with pytest.raises(NotAStoreError, match="no SQLite database"):
        SQLiteRecorder(path)
