"""The recorder of an SQLite store: listing a damaged one, a connection that fails, a writer that is in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any, ClassVar

import pytest

from events.errors import ClosedError, StoreBusyError, StoreDamagedError, StoreFullError
from events.log import Batch, Conflict, SQLiteRecorder, Written
from events.log.sqlite_connection import Connection

ROW = ("A", b"a")


def sqlite_error(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(f"made by a test: {name}")
    error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, name), name
    return error


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


class Torn(Connection):
    """A connection to a store in which one parent cannot be read."""

    bad: ClassVar[int] = 0

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        if statement.startswith("SELECT parent, parent_id FROM parents"):
            after, limit = max(values[0], 0), values[1]
            if after < Torn.bad <= after + limit:
                raise sqlite_error("SQLITE_CORRUPT")
        return super().execute(statement, values)


class TornRecorder(SQLiteRecorder):
    connection_class = Torn


@pytest.mark.parametrize("bad", [1, 2, 3, 6, 1_024, 1_030])
def test_every_parent_before_a_damaged_place_is_listed(path: Path, monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    monkeypatch.setattr(Torn, "bad", bad)
    with TornRecorder(path) as recorder:
        names = [f"p{number}" for number in range(1, 1_100)]
        recorder.append([Batch(name, 0, [ROW]) for name in names])
        ids = recorder.ids()
        assert list(islice(ids, bad - 1)) == names[: bad - 1]
        with pytest.raises(StoreDamagedError, match=str(path)):
            next(ids)


@pytest.mark.parametrize("places", [(0, 2), (0, 0), (2, 0)], ids=["left out", "twice", "swapped"])
def test_parents_out_of_order_are_damage_and_end_the_list(path: Path, places: tuple[int, int]) -> None:
    """Followed blindly, such a table could be read for ever."""
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch(name, 0, [ROW]) for name in ("p", "q", "r")])
    data = bytearray(path.read_bytes())
    cells = [bytes(data[4096 + 8 + 2 * number :][:2]) for number in range(3)]  # of the second page, where parents are
    data[4104:4108] = cells[places[0]] + cells[places[1]]
    path.write_bytes(data)
    with SQLiteRecorder(path) as recorder, pytest.raises(StoreDamagedError, match="its runs are out of order"):
        list(recorder.ids())


class Occupied(Connection):
    """A connection that meets a lock the first few times that it reads a head."""

    tries: ClassVar[int] = 0

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        if statement.startswith("SELECT count, version, hash"):
            Occupied.tries += 1
            if Occupied.tries < 5:
                raise sqlite_error("SQLITE_BUSY")
        return super().execute(statement, values)


class OccupiedRecorder(SQLiteRecorder):
    connection_class = Occupied


def test_reading_waits_for_a_lock_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may be putting the file in order after a crash."""
    monkeypatch.setattr(Occupied, "tries", 0)
    with OccupiedRecorder(path) as recorder:
        (written,) = recorder.append([Batch("p", 0, [ROW])])
        assert recorder.head("p") == written.head
        assert Occupied.tries == 5


# A stream that begins with version 0, and what an append costs


def test_a_stream_that_begins_with_version_0_is_gone_on_with(sqlite: SQLiteRecorder) -> None:
    sqlite.append([Batch("p", -1, [ROW, ROW])])
    (written,) = sqlite.append([Batch("p", 1, [ROW])])
    assert isinstance(written, Written)
    assert (written.head.count, written.head.version) == (3, 2)
    assert sqlite.head("p") == written.head


def test_an_append_takes_few_statements(sqlite: SQLiteRecorder) -> None:
    """At each of them SQLite gives up Python's lock, and in a busy process another thread keeps it for a while."""
    assert sqlite._writer is not None
    statements: list[str] = []
    sqlite.append([Batch("p", 0, [ROW])])
    sqlite._writer.set_trace_callback(lambda statement: statements.append(" ".join(statement.split()[:2])))
    sqlite.append([Batch("p", 1, [ROW] * 64), Batch("q", 0, [ROW] * 8)])
    assert statements == [
        *("BEGIN IMMEDIATE", "SELECT parent_id,", "SELECT max(coalesce((SELECT"),
        *("INSERT INTO", "INSERT INTO", "INSERT INTO", "COMMIT"),
    ]


def test_an_append_to_many_parents_stays_within_the_limits_of_an_older_sqlite(sqlite: SQLiteRecorder) -> None:
    assert sqlite._writer is not None
    sqlite._writer.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    names = [f"p{number}" for number in range(300)]
    for version in range(2):
        verdicts = sqlite.append([Batch(name, version, [ROW]) for name in names])
        assert all(isinstance(verdict, Written) for verdict in verdicts)
    assert [(name, head.count) for name, head in sqlite.parents()] == [(name, 2) for name in names]


# A connection that fails


class Stubborn(Connection):
    """A connection that can take nothing back once it is armed."""

    armed: ClassVar[bool] = False

    def rollback(self) -> None:
        if Stubborn.armed and self.in_transaction:
            raise sqlite_error("SQLITE_IOERR")
        super().rollback()


class StubbornRecorder(SQLiteRecorder):
    connection_class = Stubborn


def test_a_connection_that_cannot_take_back_what_it_did_is_not_used_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StubbornRecorder(path) as recorder:
        for version in range(3):
            with monkeypatch.context() as patch:
                patch.setattr(Stubborn, "armed", True)
                assert recorder.append([Batch("nowhere", 7, [ROW])]) == [Conflict(None)]
            assert isinstance(recorder.append([Batch("p", version, [ROW])])[0], Written)


def test_a_file_emptied_while_it_is_in_use_is_damage(path: Path) -> None:
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch("p", 0, [ROW])])
        recorder._drop_writer()  # as after an error; the file then stands alone
        path.write_bytes(b"")
        with pytest.raises(StoreDamagedError, match="emptied while it was in use"):
            recorder.append([Batch("p", 1, [ROW])])


class Dying(Connection):
    """A connection that commits, then fails at that and at all that is asked of it afterwards."""

    armed: ClassVar[bool] = False
    meanwhile: ClassVar[Callable[[], object]] = staticmethod(lambda: None)
    is_dead = False

    def commit(self) -> None:
        super().commit()
        if Dying.armed:
            Dying.armed, self.is_dead = False, True
            Dying.meanwhile()
            raise sqlite_error("SQLITE_FULL")

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        if self.is_dead:
            raise sqlite_error("SQLITE_IOERR")
        return super().execute(statement, values)


class DyingRecorder(SQLiteRecorder):
    connection_class = Dying


def test_what_became_of_a_commit_is_asked_over_another_connection(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DyingRecorder(path) as recorder:
        monkeypatch.setattr(Dying, "armed", True)
        assert isinstance(recorder.append([Batch("p", 0, [ROW])])[0], Written)
        assert isinstance(recorder.append([Batch("p", 1, [ROW])])[0], Written)


def test_what_cannot_be_found_out_keeps_the_kind_of_the_first_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = path.with_name("moved.db")
    with DyingRecorder(path) as recorder:
        monkeypatch.setattr(Dying, "meanwhile", lambda: path.rename(moved))
        monkeypatch.setattr(Dying, "armed", True)
        with pytest.raises(StoreFullError) as caught:
            recorder.append([Batch("p", 0, [ROW])])
        moved.rename(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: the disk or a quota is full")
    assert f"could not be found out: {path}: the file was removed" in text


# A writer in the way


class Slow(Connection):
    """A connection whose commits wait until they may."""

    began: ClassVar[Event]
    may: ClassVar[Event]

    def commit(self) -> None:
        Slow.began.set()
        Slow.may.wait(10)
        super().commit()


class SlowRecorder(SQLiteRecorder):
    connection_class = Slow


def test_nobody_waits_for_another_threads_append_beyond_the_deadline(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SQLiteRecorder(path).close()
    monkeypatch.setattr(Slow, "began", Event(), raising=False)
    monkeypatch.setattr(Slow, "may", Event(), raising=False)
    with ExitStack() as stack:
        recorder = stack.enter_context(SlowRecorder(path, busy_timeout_seconds=0.05))
        thread = Thread(target=recorder.append, args=([Batch("p", 0, [ROW])],))
        thread.start()
        stack.callback(thread.join)
        stack.callback(Slow.may.set)
        assert Slow.began.wait(10)
        with pytest.raises(StoreBusyError, match=r"for \d\.\d seconds"):
            recorder.append([Batch("q", 0, [ROW])])
        waits: list[float] = []
        for _ in range(3):
            started = monotonic()
            assert recorder.changed_elsewhere(), "who cannot look must take it that something changed"
            waits.append(monotonic() - started)
        assert min(waits) < 0.5, "whoever asks this has other things to do"
    with SQLiteRecorder(path) as again:
        assert [name for name, _ in again.parents()] == ["p"]


# Closing


def test_a_closed_store_opens_no_connection_again(path: Path) -> None:
    recorder = SQLiteRecorder(path)
    subscription = recorder.subscribe()
    recorder.close()
    assert list(subscription) == []
    with pytest.raises(ClosedError, match=f"{path}: the store was closed"):
        recorder.append([Batch("p", 0, [ROW])])
    with pytest.raises(ClosedError, match=f"{path}: the store was closed"):
        recorder.changed_elsewhere()
    assert recorder._writer is None
