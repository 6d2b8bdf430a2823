"""When things go wrong: locks, lost replies, a full disk, many processes, kill -9."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Any, ClassVar

import pytest
from eventsourcing.persistence import StoredEvent

from events.errors import (
    ClosedError,
    NotAStoreError,
    OrchestratorError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from events.log import Batch, Conflict, EventLog, SQLiteRecorder, Written
from events.log.errors import is_busy, translated
from events.log.sqlite_connection import Connection, Deadline

ROW = ("A", b"a")


def sqlite_error(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(f"made by a test: {name}")
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name
    return error


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the lock of writers as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        yield raw


# Locks


def test_a_lock_held_for_a_second_is_waited_for(sqlite: SQLiteRecorder, path: Path) -> None:
    with locked(path) as foreign:
        timer = Timer(1.0, foreign.rollback)
        timer.start()
        started = monotonic()
        (verdict,) = sqlite.append([Batch("p", 0, [ROW])])
        assert monotonic() - started > 0.9
        timer.join()
    assert isinstance(verdict, Written)


def test_a_lock_held_past_the_deadline_is_an_error_that_says_how_long(path: Path) -> None:
    with SQLiteRecorder(path, busy_timeout_seconds=0.3) as recorder:
        with locked(path):
            started = monotonic()
            with pytest.raises(StoreBusyError, match=r"0\.[3-9] seconds") as caught:
                recorder.append([Batch("p", 0, [ROW])])
            assert 0.3 <= monotonic() - started < 5
            assert str(path) in str(caught.value)
            assert recorder.head("p") is None  # reading goes on
            assert recorder.changed_parents(0) == (0, [])
        assert isinstance(recorder.append([Batch("p", 0, [ROW])])[0], Written)


def test_all_of_a_queue_of_threads_meet_their_deadlines(path: Path) -> None:
    with SQLiteRecorder(path, busy_timeout_seconds=0.6) as recorder:

        def attempt(number: int) -> None:
            with pytest.raises(StoreBusyError):
                recorder.append([Batch(f"p{number}", 0, [ROW])])

        with locked(path), ThreadPoolExecutor(5) as pool:
            started = monotonic()
            list(pool.map(attempt, range(5)))
        assert monotonic() - started < 2.4  # together, not one after the other
        assert recorder.last_position() == 0


def test_opening_waits_for_a_lock_too(path: Path) -> None:
    SQLiteRecorder(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as foreign:
        foreign.execute("PRAGMA locking_mode = EXCLUSIVE")
        foreign.execute("BEGIN IMMEDIATE")
        foreign.execute("CREATE TABLE theirs(x)")
        foreign.rollback()
        with pytest.raises(StoreBusyError, match=str(path)):
            SQLiteRecorder(path, busy_timeout_seconds=0.2)
        timer = Timer(0.3, foreign.close)
        timer.start()
        with SQLiteRecorder(path) as recorder:
            assert recorder.head("p") is None
        timer.join()


def test_somebody_elses_commits_show_once(sqlite: SQLiteRecorder, path: Path) -> None:
    with SQLiteRecorder(path) as other:
        assert not sqlite.changed_elsewhere()
        other.append([Batch("p", 0, [ROW])])
        assert sqlite.changed_elsewhere()
        assert not sqlite.changed_elsewhere()
        assert sqlite.changed_parents(0) == (1, ["p"])
        sqlite.append([Batch("p", 1, [ROW])])
        assert not sqlite.changed_elsewhere()
        assert other.changed_elsewhere()
        other.append([Batch("p", 2, [ROW])])
        sqlite.append([Batch("p", 0, [ROW])])  # our own transactions, in between, do not hide it
        sqlite.append([Batch("p", 3, [ROW])])
        assert sqlite.changed_elsewhere()
        with locked(path):
            assert not sqlite.changed_elsewhere()


def test_what_is_written_beside_the_events_is_nobody_elses_append(sqlite: SQLiteRecorder) -> None:
    sqlite.append([Batch("p", 0, [ROW])])
    sqlite.changed_elsewhere()
    with sqlite.tables().transaction() as session:
        session.execute("CREATE TABLE view_own(number BIGINT)")
    sqlite.append([Batch("p", 1, [ROW])])
    assert not sqlite.changed_elsewhere()


# Lost replies


class Unlucky(Connection):
    """A connection whose next COMMIT fails, before or after it took effect."""

    before: ClassVar[sqlite3.Error | None] = None
    after: ClassVar[sqlite3.Error | None] = None
    meanwhile: ClassVar[Callable[[], object] | None] = None

    def commit(self) -> None:
        before, after = Unlucky.before, Unlucky.after
        Unlucky.before = Unlucky.after = None
        if before is not None:
            raise before
        super().commit()
        if after is not None:
            if Unlucky.meanwhile is not None:
                Unlucky.meanwhile()
            raise after


class UnluckyRecorder(SQLiteRecorder):
    connection_class = Unlucky


@pytest.fixture
def unlucky(path: Path) -> Iterator[SQLiteRecorder]:
    with UnluckyRecorder(path, busy_timeout_seconds=1) as recorder:
        yield recorder
    Unlucky.before = Unlucky.after = Unlucky.meanwhile = None


CODES = ["SQLITE_IOERR_FSYNC", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_BUSY"]


@pytest.mark.parametrize("code", CODES)
def test_a_lost_reply_is_settled_by_reading_back(unlucky: SQLiteRecorder, code: str) -> None:
    unlucky.append([Batch("p", 0, [ROW])])
    Unlucky.after = sqlite_error(code)
    verdicts = unlucky.append([Batch("q", 5, [ROW]), Batch("p", 1, [ROW, ROW]), Batch("q", 0, [ROW])])
    assert [type(verdict) for verdict in verdicts] == [Conflict, Written, Written]
    assert [row.position for row in unlucky.page(0)] == [1, 2, 3, 4]
    assert verdicts[1].head == unlucky.head("p")
    assert isinstance(unlucky.append([Batch("p", 3, [ROW])])[0], Written)
    assert len(list(unlucky.rows("p"))) == 4


@pytest.mark.parametrize("code", CODES)
def test_a_commit_that_failed_leaves_nothing_and_the_next_one_works(unlucky: SQLiteRecorder, code: str) -> None:
    unlucky.append([Batch("p", 0, [ROW])])
    Unlucky.before = sqlite_error(code)
    with pytest.raises(StoreError, match="made by a test"):
        unlucky.append([Batch("p", 1, [ROW, ROW]), Batch("q", 0, [ROW])])
    assert unlucky.last_position() == 1
    assert unlucky.head("q") is None
    assert isinstance(unlucky.append([Batch("p", 1, [ROW])])[0], Written)
    assert len(list(unlucky.rows("p"))) == 2


def test_a_lost_reply_is_settled_even_when_somebody_went_on_from_it(unlucky: SQLiteRecorder, path: Path) -> None:
    Unlucky.after = sqlite_error("SQLITE_IOERR")
    with SQLiteRecorder(path) as other:
        Unlucky.meanwhile = lambda: other.append([Batch("p", 1, [ROW])])
        (verdict,) = unlucky.append([Batch("p", 0, [ROW])])
    assert isinstance(verdict, Written)
    assert (verdict.head.version, verdict.positions) == (1, range(1, 2))
    assert unlucky.changed_elsewhere()
    assert len(list(unlucky.rows("p"))) == 2


def test_a_lost_reply_to_inserted_events_is_settled_too(unlucky: SQLiteRecorder) -> None:
    Unlucky.after = sqlite_error("SQLITE_IOERR")
    assert unlucky.insert_events([StoredEvent("p", 1, "A", b""), StoredEvent("q", 1, "A", b"")]) == [1, 2]


def test_what_cannot_be_found_out_is_said(unlucky: SQLiteRecorder, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Unlucky.before = sqlite_error("SQLITE_IOERR")
    monkeypatch.setattr(Unlucky, "begin", begin_only_once())
    with pytest.raises(StoreUnavailableError, match="could not be found out"):
        unlucky.append([Batch("p", 0, [ROW])])
    monkeypatch.undo()
    assert isinstance(unlucky.append([Batch("p", 0, [ROW])])[0], Written)


def begin_only_once() -> object:
    begun: list[Connection] = []

    def begin(self: Connection, deadline: Deadline, location: str) -> None:
        if begun:
            raise sqlite_error("SQLITE_CANTOPEN")
        begun.append(self)
        Connection.begin(self, deadline, location)

    return begin


def test_an_error_in_the_middle_leaves_nothing(path: Path) -> None:
    class Failing(Connection):
        fail: ClassVar[bool] = False

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if Failing.fail and sql.startswith("INSERT INTO parents"):
                raise sqlite_error("SQLITE_IOERR_READ")
            return super().execute(sql, parameters)

    class Recorder(SQLiteRecorder):
        connection_class = Failing

    with Recorder(path) as recorder:
        Failing.fail = True
        with pytest.raises(StoreUnavailableError, match="disk reports an error"):
            recorder.append([Batch("p", 0, [ROW] * 100)])
        Failing.fail = False
        assert recorder.last_position() == 0
        (verdict,) = recorder.append([Batch("p", 0, [ROW])])
        assert isinstance(verdict, Written)
        assert verdict.positions == range(1, 2)


def test_a_commit_that_failed_does_not_come_back_after_a_crash(path: Path) -> None:
    """What lies whole in the write-ahead log is recovered at the next start, acknowledged or not."""
    shared = path.with_name("store.db-shm")

    class NotSynced(Connection):
        """A connection whose COMMIT writes all of its frames, then fails to sync, so that nobody is told of them."""

        armed: ClassVar[bool] = False

        def commit(self) -> None:
            if not NotSynced.armed:
                super().commit()
                return
            NotSynced.armed = False
            before = shared.read_bytes()
            super().commit()
            with shared.open("r+b") as file:
                file.write(before)
            raise sqlite_error("SQLITE_IOERR_FSYNC")

    class Recorder(SQLiteRecorder):
        connection_class = NotSynced

    with Recorder(path) as recorder:
        recorder.append([Batch("p", 0, [ROW])])
        assert recorder.last_position() == 1
        NotSynced.armed = True
        with pytest.raises(StoreUnavailableError, match="SQLITE_IOERR_FSYNC"):
            recorder.append([Batch("p", 1, [ROW] * 100)])
        assert recorder.last_position() == 1
        crashed = path.with_name("crashed.db")
        for end in ("", "-wal"):
            crashed.with_name(f"crashed.db{end}").write_bytes(path.with_name(f"store.db{end}").read_bytes())
    with SQLiteRecorder(crashed, must_exist=True) as recovered:
        assert recovered.last_position() == 1


# A full disk


def test_a_full_disk_keeps_what_was_acknowledged(path: Path) -> None:
    class Small(Connection):
        pages: ClassVar[int] = 40

        def begin(self, deadline: Deadline, location: str) -> None:
            self.execute(f"PRAGMA max_page_count = {Small.pages}")
            super().begin(deadline, location)

    class Recorder(SQLiteRecorder):
        connection_class = Small

    with Recorder(path) as recorder:
        versions: list[int] = [0]

        def fill() -> None:
            while True:
                (verdict,) = recorder.append([Batch("p", versions[-1], [("A", bytes(3000))] * 3)])
                assert isinstance(verdict, Written)
                versions.append(verdict.head.version)

        with pytest.raises(StoreFullError, match=str(path)):
            fill()
        version = versions[-1]
        assert version > 0
        assert len(list(recorder.rows("p"))) == version
        Small.pages = 1_000_000
        assert isinstance(recorder.append([Batch("p", version, [("A", bytes(3000))])])[0], Written)
        assert EventLog(recorder).head("p") == recorder.head("p")


# Errors


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("SQLITE_BUSY_SNAPSHOT", StoreBusyError, "another program holds its lock"),
        ("SQLITE_LOCKED", StoreBusyError, "another program holds its lock"),
        ("SQLITE_PROTOCOL", StoreBusyError, "another program holds its lock"),
        ("SQLITE_FULL", StoreFullError, "the disk or a quota is full"),
        ("SQLITE_CORRUPT_INDEX", StoreDamagedError, "the file is damaged"),
        ("SQLITE_CONSTRAINT_UNIQUE", StoreDamagedError, "rows that its heads do not know"),
        ("SQLITE_NOTADB", NotAStoreError, "no SQLite database"),
        ("SQLITE_READONLY_DBMOVED", StoreUnavailableError, "cannot be written to; check its permissions"),
        ("SQLITE_PERM", StoreUnavailableError, "permission denied"),
        ("SQLITE_AUTH", StoreUnavailableError, "permission denied"),
        ("SQLITE_CANTOPEN_ISDIR", StoreUnavailableError, "cannot be opened; check its folder and permissions"),
        ("SQLITE_IOERR_READ", StoreUnavailableError, "the disk reports an error"),
        ("SQLITE_IOERR_WRITE", StoreUnavailableError, "a quota or a limit on the size of files is reached"),
        ("SQLITE_IOERR_SHMSIZE", StoreFullError, "a file next to it cannot grow"),
        ("SQLITE_ERROR", StoreUnavailableError, ""),
    ],
)
def test_every_error_of_sqlite_becomes_ours(code: str, kind: type[StoreError], words: str) -> None:
    error = translated(sqlite_error(code), "here.db")
    assert type(error) is kind
    assert str(error).startswith("here.db: ")
    assert words in str(error)
    assert is_busy(sqlite_error(code)) == (kind is StoreBusyError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.ProgrammingError("Cannot operate on a closed database."), ClosedError),
        (sqlite3.ProgrammingError("Incorrect number of bindings supplied"), StoreUnavailableError),
        (sqlite3.OperationalError("a closed database"), StoreUnavailableError),
        (sqlite3.OperationalError("Could not decode to UTF-8 column 'data'"), StoreDamagedError),
        (sqlite3.InterfaceError("something else"), StoreUnavailableError),
    ],
)
def test_what_has_no_code_is_told_by_its_words(error: sqlite3.Error, kind: type[OrchestratorError]) -> None:
    ours = translated(error, "here.db")
    assert type(ours) is kind
    assert str(ours).startswith("here.db: ")
    assert not is_busy(error)


def test_a_damaged_file_is_said_to_be_damaged(path: Path) -> None:
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch("p", 0, [("A", bytes(5000))] * 50)])
    content = path.read_bytes()
    path.write_bytes(content[: 3 * 4096] + b"\x55" * (len(content) - 3 * 4096))
    with SQLiteRecorder(path) as recorder, pytest.raises(StoreDamagedError, match=str(path)):
        list(recorder.rows("p"))
