"""Connections one by one: how they wait for a lock, how they are opened, and which of them are used again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from events.errors import ClosedError, StoreBusyError, StoreUnavailableError
from events.log import Batch, Conflict, SQLiteRecorder
from events.log import sqlite_connection as module
from events.log.sqlite_connection import Connection, Deadline, Readers, open_beside, open_reader, open_writer
from events.log.sqlite_file import StoreFile

ROW = ("A", b"a")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 100.0
        self.naps: list[float] = []
        monkeypatch.setattr(module, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(module, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def busy() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("made by a test")
    error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_BUSY, "SQLITE_BUSY"
    return error


def opened(path: Path) -> StoreFile:
    file = StoreFile(path)
    file.open(must_exist=False)
    return file


# Waiting


def test_what_is_left_of_a_deadline_is_never_less_than_nothing(clock: Clock) -> None:
    deadline = Deadline(2.0)
    assert deadline.remaining_seconds() == 2.0
    clock.seconds += 1.5
    assert deadline.remaining_seconds() == 0.5
    clock.seconds += 0.5
    assert deadline.remaining_seconds() == 0.0
    clock.seconds += 9.0
    assert deadline.remaining_seconds() == 0.0
    assert str(deadline.passed("a.db")) == "a.db: somebody else has held its lock for 11.0 seconds"


def test_a_lock_is_looked_at_again_after_longer_and_longer_waits_and_a_last_time_at_the_deadline(clock: Clock) -> None:
    tries: list[float] = []

    def action() -> None:
        tries.append(clock.seconds)
        raise busy()

    with pytest.raises(StoreBusyError, match=r"a\.db: .* for 0\.1 seconds"):
        Deadline(0.06).patiently(action, "a.db")
    assert clock.naps == pytest.approx([0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.02, 0.0085])
    assert len(tries) == 9
    assert tries[-1] == pytest.approx(100.06)


def test_what_is_done_in_the_end_is_returned_and_no_other_error_is_waited_for(clock: Clock) -> None:
    answers: list[Any] = [busy(), busy(), "done"]

    def action() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert Deadline(1.0).patiently(action, "a.db") == "done"
    assert len(clock.naps) == 2
    answers = [sqlite3.OperationalError("no such table")]
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        Deadline(1.0).patiently(action, "a.db")
    assert len(clock.naps) == 2


# One connection


def test_one_value_is_the_first_of_the_first_row(sqlite: SQLiteRecorder) -> None:
    with sqlite._readers.lend("") as reader:
        assert reader.number("SELECT 7, 8") == 7
        assert reader.number("SELECT 7 WHERE 0") is None


def test_bytes_stand_for_bad_text_in_that_one_answer(sqlite: SQLiteRecorder) -> None:
    with sqlite._readers.lend("") as reader:
        statement = "SELECT CAST(? AS TEXT), 'good'"
        assert reader.with_bytes_for_bad_text(statement, (b"\xff",)) == [(b"\xff", "good")]
        assert reader.number("SELECT 'good'") == "good"
        with pytest.raises(sqlite3.OperationalError):
            reader.execute(statement, (b"\xff",)).fetchall()


def test_the_connection_that_writes_is_set_up_for_safety(sqlite: SQLiteRecorder) -> None:
    writer = sqlite._writer
    assert writer is not None
    assert writer.isolation_level is None, "transactions begin where the code says so"
    assert writer.number("PRAGMA trusted_schema") == 0
    assert writer.number("PRAGMA fullfsync") == 1
    assert writer.number("PRAGMA journal_size_limit") == 64 * 1024 * 1024


class Watched(Connection):
    """A connection that shows what it does, and fails when it is told to."""

    fails_at: ClassVar[str] = ""
    all: ClassVar[list[Watched]] = []
    read_within: ClassVar[list[bool]] = []

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        Watched.all.append(self)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if Watched.fails_at and Watched.fails_at in statement:
            raise sqlite3.OperationalError("made by a test")
        if "sqlite_master" in statement:
            Watched.read_within.append(self.in_transaction)
        return super().execute(statement, *values)

    @property
    def is_closed(self) -> bool:
        try:
            return self.total_changes < 0
        except sqlite3.ProgrammingError:
            return True


class WatchedRecorder(SQLiteRecorder):
    connection_class = Watched


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "fails_at", "")
    monkeypatch.setattr(Watched, "all", [])
    monkeypatch.setattr(Watched, "read_within", [])


def test_whether_a_file_is_a_store_is_seen_at_one_instant(path: Path) -> None:
    WatchedRecorder(path).close()
    WatchedRecorder(path).close()
    assert Watched.read_within == [True] * 3, "twice for the new one: before it was made, and while"


def test_a_store_whose_making_fails_is_not_half_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "fails_at", "CREATE TABLE events")
    with pytest.raises(StoreUnavailableError):
        WatchedRecorder(path)
    assert all(connection.is_closed for connection in Watched.all)
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch("p", 0, [ROW])])


def test_a_store_that_another_process_makes_meanwhile_is_not_made_again(path: Path) -> None:
    class Slow(Connection):
        def begin(self, deadline: Deadline, location: str) -> None:
            with SQLiteRecorder(path) as faster:
                faster.append([Batch("p", 0, [ROW])])
            super().begin(deadline, location)

    class SlowRecorder(SQLiteRecorder):
        connection_class = Slow

    with SlowRecorder(path) as recorder:
        assert recorder.last_position() == 1


def test_a_store_that_is_there_is_opened_while_somebody_else_writes(path: Path) -> None:
    SQLiteRecorder(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        with SQLiteRecorder(path, busy_timeout_seconds=0.0) as recorder:
            assert recorder.last_position() == 0
        foreign.rollback()


def test_a_store_that_cannot_be_opened_to_the_end_leaves_no_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SQLiteRecorder(path).close()
    monkeypatch.setattr(Watched, "fails_at", "data_version")
    with pytest.raises(StoreUnavailableError):
        WatchedRecorder(path)
    assert [connection.is_closed for connection in Watched.all] == [True]


def test_where_nothing_fits_nothing_is_committed(path: Path) -> None:
    commits: list[int] = []

    class Counting(Connection):
        def commit(self) -> None:
            commits.append(1)
            super().commit()

    class Recorder(SQLiteRecorder):
        connection_class = Counting

    with Recorder(path) as recorder:
        commits.clear()
        verdicts = recorder.append([Batch("p", 7, [ROW]), Batch("q", 7, [ROW])])
        assert [type(verdict) for verdict in verdicts] == [Conflict, Conflict]
        assert commits == []
        recorder.append([Batch("p", 7, [ROW]), Batch("q", 0, [ROW])])
        assert commits == [1]


# Those that read


def test_a_reader_is_not_made_where_the_file_is_gone(path: Path) -> None:
    file = opened(path)
    path.unlink()
    with pytest.raises(StoreUnavailableError, match="removed"):
        open_reader(Connection, file)
    assert not path.exists()


@pytest.mark.parametrize("open_one", [open_reader, open_beside, open_writer])
def test_a_file_that_goes_as_it_is_opened_is_not_made_anew(path: Path, open_one: Callable[..., Connection]) -> None:
    class Going(StoreFile):
        def check(self) -> None:
            super().check()
            self.path.unlink()

    with SQLiteRecorder(path):
        pass
    file = Going(path)
    file.open(must_exist=True)
    deadline = Deadline(1.0)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        (open_beside(Connection, file) if open_one is open_beside else open_one(Connection, file, deadline)).begin(
            deadline, "a.db"
        )
    assert not path.exists()


NAMES = ("a?mode=memory.db", "b#c.db", "d%20e.db", "f g&h=i.db", ":memory:", "file:j.db", "k\udcff.db")


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_file_is_read_as_anything_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for number in range(2):
        with SQLiteRecorder(path) as recorder:
            assert recorder.last_position() == number
            recorder.append([Batch("p", number, [ROW])])
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("statement", ["query_only", "wal_autocheckpoint"])
def test_a_reader_that_cannot_be_set_up_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    monkeypatch.setattr(Watched, "fails_at", statement)
    with pytest.raises(sqlite3.OperationalError):
        open_reader(Watched, opened(path))
    assert [connection.is_closed for connection in Watched.all] == [True]


def test_a_reader_that_is_to_keep_more_pages_waits_for_a_lock(path: Path, clock: Clock) -> None:
    locked = [True] * 3

    class Locked(Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if "cache_size" in sql and locked:
                locked.pop()
                raise busy()
            return super().execute(sql, *values)

    with closing(open_reader(Locked, opened(path), Deadline(1.0))) as reader:
        assert len(clock.naps) == 3
        assert reader.number("PRAGMA cache_size") == -8_192


def pool(path: Path) -> Readers:
    file = opened(path)
    return Readers(lambda: open_reader(Watched, file))


def test_a_reader_that_was_given_back_is_lent_again(path: Path) -> None:
    readers = pool(path)
    for _ in range(3):
        with readers.lend("a.db") as one, readers.lend("a.db") as other:
            assert one is not other
    assert len(Watched.all) == 2
    readers.close()
    assert all(connection.is_closed for connection in Watched.all)


def test_a_reader_that_failed_is_closed_and_not_lent_again(path: Path) -> None:
    readers = pool(path)
    with pytest.raises(KeyError), readers.lend("a.db"):
        raise KeyError
    assert Watched.all[0].is_closed
    with readers.lend("a.db") as next_one:
        assert next_one is Watched.all[1]
    readers.close()


def test_eight_idle_readers_are_kept_and_no_more(path: Path) -> None:
    readers = pool(path)
    with ExitStack() as lent:
        for _ in range(10):
            lent.enter_context(readers.lend("a.db"))
    assert sorted(connection.is_closed for connection in Watched.all) == [False] * 8 + [True] * 2
    readers.close()


def test_a_reader_in_use_when_the_pool_closes_is_closed_as_it_comes_back(path: Path) -> None:
    readers = pool(path)
    with readers.lend("a.db") as reader:
        readers.close()
        assert reader.number("SELECT 1") == 1
    assert Watched.all[0].is_closed
    with pytest.raises(ClosedError, match=r"a\.db: the store was closed"), readers.lend("a.db"):
        pass
