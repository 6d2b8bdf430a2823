"""The recorder of an SQLite store: listing a damaged one, a connection that fails, a writer that is in the way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from events.log import Batch, SQLiteRecorder

ROW = ("A", b"a")


# Listing


def test_a_parent_whose_key_somebody_made_up_is_listed(path: Path) -> None:
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch(name, 0, [ROW]) for name in ("p", "q", "r")])
        with closing(sqlite3.connect(path)) as raw, raw:
            for before, after in ((2, 0), (3, -(2**63))):
                raw.execute("UPDATE events SET parent = ? WHERE parent = ?", (after, before))
                raw.execute("UPDATE parents SET parent = ? WHERE parent = ?", (after, before))
        assert list(recorder.ids()) == ["r", "q", "p"]
        assert [name for name, _ in recorder.parents()] == ["r", "q", "p"]
        assert [name for name, _ in recorder.parents(after="r")] == ["q", "p"]
