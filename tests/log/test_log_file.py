"""The store's file: how it is made, who may read it, and what is refused without a byte written."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from events.errors import (
    NotAStoreError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
    StoreUnavailableError,
    StoreVersionError,
    UsageError,
)
from events.log import Batch, SQLiteRecorder, Written
from events.log.sqlite_connection import Connection
from events.log.sqlite_file import StoreFile

ROW = ("A", b"a")
Powerless = Callable[[], AbstractContextManager[None]]


def test_all_files_belong_to_their_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        with SQLiteRecorder(path) as recorder:
            recorder.append([Batch("p", 0, [ROW])])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


def test_a_new_file_is_private_from_its_first_instant(path: Path) -> None:
    seen: list[int] = []

    class Watching(Connection):
        def __init__(self, *args: object, **kwargs: object) -> None:
            seen.append(stat.S_IMODE(path.stat().st_mode))  # the file is there before SQLite gets to see it
            sqlite3.Connection.__init__(self, str(path), isolation_level=None, check_same_thread=False)

    class Recorder(SQLiteRecorder):
        connection_class = Watching

    Recorder(path).close()
    assert seen == [0o600]


def test_one_file_is_all_that_stays_after_closing(path: Path) -> None:
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch("p", 0, [ROW])])
        recorder.head("p")
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]
    with SQLiteRecorder(path, must_exist=True) as recorder:
        assert len(list(recorder.rows("p"))) == 1


def test_durability_is_asked_for_and_checked(sqlite: SQLiteRecorder) -> None:
    writer = sqlite._writer
    assert writer is not None
    assert writer.number("PRAGMA journal_mode") == "wal"
    assert writer.number("PRAGMA synchronous") == 2
    with sqlite._readers.lend("") as reader:
        assert reader.number("PRAGMA wal_autocheckpoint") == 0
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM events")


@pytest.mark.parametrize(("pragma", "answer"), [("PRAGMA synchronous", 1), ("PRAGMA journal_mode = WAL", "delete")])
def test_a_database_that_will_not_be_durable_is_refused(path: Path, pragma: str, answer: object) -> None:
    class Weak(Connection):
        def number(self, statement: str) -> object:
            return answer if statement == pragma else super().number(statement)

    class Recorder(SQLiteRecorder):
        connection_class = Weak

    with pytest.raises(StoreUnavailableError, match=str(answer)):
        Recorder(path)


@pytest.mark.parametrize("name", [":memory:", "file:x?mode=memory", "file::memory:", "a b#c%20?.db", "ü.db", "-x"])
def test_every_name_is_a_plain_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with SQLiteRecorder(name) as recorder:
        recorder.append([Batch("p", 0, [ROW])])
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with SQLiteRecorder(tmp_path / name, must_exist=True) as recorder:
        assert recorder.head("p") is not None
        assert recorder.location == str(tmp_path / name)


def test_a_change_of_the_working_folder_does_not_move_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    with SQLiteRecorder("store.db") as recorder:
        monkeypatch.chdir(tmp_path / "other")
        recorder.append([Batch("p", 0, [ROW])])
        assert recorder.head("p") is not None
    assert list((tmp_path / "other").iterdir()) == []


def test_symbolic_links_are_followed(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    with SQLiteRecorder(link) as one, SQLiteRecorder(path) as other:
        one.append([Batch("p", 0, [ROW])])
        assert other.head("p") == one.head("p")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_missing_store_is_not_made_where_it_must_exist(path: Path) -> None:
    with pytest.raises(StoreNotFoundError, match=str(path)):
        SQLiteRecorder(path, must_exist=True)
    assert not path.exists()
    path.touch()
    with pytest.raises(StoreNotFoundError, match="empty"):
        SQLiteRecorder(path, must_exist=True)
    assert path.read_bytes() == b""


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with SQLiteRecorder(path) as recorder:
        assert isinstance(recorder.append([Batch("p", 0, [ROW])])[0], Written)


def test_the_smallest_database_becomes_a_store_if_it_is_empty(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA page_size = 512")
        raw.execute("PRAGMA user_version = 0")
    assert path.stat().st_size == 512
    with SQLiteRecorder(path) as recorder:
        assert isinstance(recorder.append([Batch("p", 0, [ROW])])[0], Written)


@pytest.mark.parametrize(
    "garbage", [b"x", b"hello\n" * 100, bytes(100), bytes(8192), b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_garbage_is_refused_and_left_alone(path: Path, garbage: bytes) -> None:
    path.write_bytes(garbage)
    with pytest.raises(StoreError, match=str(path)) as caught:
        SQLiteRecorder(path)
    assert isinstance(caught.value, NotAStoreError | StoreDamagedError)
    assert path.read_bytes() == garbage
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE theirs(x)"],
        ["CREATE TABLE theirs(x)", "PRAGMA journal_mode = WAL"],
        ["PRAGMA application_id = 42"],
        ["PRAGMA user_version = 1"],
        ["CREATE TABLE events(x)", "CREATE TABLE parents(x)", "PRAGMA user_version = 1"],
        ["PRAGMA application_id = 0x504F7263", "PRAGMA user_version = 1"],
        [
            "CREATE TABLE events(x)",
            "CREATE TABLE parents(x)",
            "PRAGMA application_id = 0x504F7263",
            "PRAGMA user_version = 1",
        ],
    ],
)
def test_other_programs_databases_are_refused_and_left_alone(path: Path, statements: list[str]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for statement in statements:
            raw.execute(statement)
    before = path.read_bytes()
    for must_exist in (False, True):
        with pytest.raises(NotAStoreError, match=str(path)):
            SQLiteRecorder(path, must_exist=must_exist)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_a_store_with_triggers_in_it_is_not_ours(path: Path) -> None:
    SQLiteRecorder(path).close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TRIGGER t BEFORE INSERT ON events BEGIN SELECT RAISE(IGNORE); END")
    with pytest.raises(NotAStoreError):
        SQLiteRecorder(path)


def test_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    SQLiteRecorder(path).close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match="newer release"):
        SQLiteRecorder(path)
    assert path.read_bytes() == before


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(tmp_path / "socket"))
    for name, what in [(".", "folder"), ("fifo", "plain file"), ("socket", "plain file")]:
        with pytest.raises(NotAStoreError, match=what):
            SQLiteRecorder(tmp_path / name)
    with pytest.raises(NotAStoreError, match="folder"):
        SQLiteRecorder(f"{tmp_path}/new/")
    with pytest.raises(NotAStoreError, match="plain file"):
        SQLiteRecorder("/dev/null")


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("missing/store.db", "file/store.db"):
        with pytest.raises(StoreUnavailableError, match="folder does not exist"):
            SQLiteRecorder(tmp_path / name)
    with pytest.raises(StoreError):
        SQLiteRecorder(tmp_path / "loop")
    with pytest.raises(StoreUnavailableError, match="too long"):
        SQLiteRecorder(tmp_path / ("x" * 300))
    for path in ("", "a\0b"):
        with pytest.raises(UsageError):
            SQLiteRecorder(path)


def test_a_left_over_log_without_its_file_is_not_thrown_away(path: Path) -> None:
    """SQLite would delete it; yet it may hold all that is left of a store."""
    wal = path.with_name("store.db-wal")
    wal.write_bytes(b"what is left")
    with pytest.raises(StoreDamagedError, match=r"store\.db-wal"):
        SQLiteRecorder(path)
    assert wal.read_bytes() == b"what is left"
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o400, 0o000])
def test_a_file_that_may_not_be_written(powerless_folder: Path, powerless: Powerless, mode: int) -> None:
    path = powerless_folder / "store.db"
    with powerless():
        with SQLiteRecorder(path) as recorder:
            recorder.append([Batch("p", 0, [ROW])])
        path.chmod(mode)
        with pytest.raises(StoreUnavailableError, match="permissions"):
            SQLiteRecorder(path)


def test_a_folder_that_may_not_be_written(powerless_folder: Path, powerless: Powerless) -> None:
    with powerless():
        SQLiteRecorder(powerless_folder / "store.db").close()
        for mode in (0o500, 0o100):
            powerless_folder.chmod(mode)
            with pytest.raises(StoreUnavailableError, match="its folder may not be written to"):
                SQLiteRecorder(powerless_folder / "store.db")
            with pytest.raises(StoreUnavailableError, match="Permission denied"):
                SQLiteRecorder(powerless_folder / "new.db")
        powerless_folder.chmod(0o000)
        with pytest.raises(StoreUnavailableError, match=r"permissions|Permission"):
            SQLiteRecorder(powerless_folder / "store.db")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_file_for_which_there_is_no_room_is_not_made(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StoreFullError, match=f"{path}: the disk or a quota is full"):
        StoreFile(path).open(must_exist=False)


def test_a_file_that_cannot_be_looked_at_any_more_is_not_called_removed(sqlite: SQLiteRecorder, path: Path) -> None:
    kept = path.rename(path.with_name("kept"))
    path.symlink_to(path)
    with pytest.raises(StoreUnavailableError, match=f"{path}: Too many levels of symbolic links"):
        sqlite.append([Batch("p", 0, [ROW])])
    kept.rename(path)
    assert isinstance(sqlite.append([Batch("p", 0, [ROW])])[0], Written)


def test_a_file_removed_or_replaced_under_us_is_noticed(sqlite: SQLiteRecorder, path: Path) -> None:
    sqlite.append([Batch("p", 0, [ROW])])
    path.rename(path.with_name("moved.db"))
    with pytest.raises(StoreUnavailableError, match="removed"):
        sqlite.append([Batch("p", 1, [ROW])])
    assert not path.exists()
    path.touch()
    with pytest.raises(StoreUnavailableError, match="replaced"):
        sqlite.append([Batch("p", 1, [ROW])])
    path.with_name("moved.db").rename(path)
    assert isinstance(sqlite.append([Batch("p", 1, [ROW])])[0], Written)


def test_a_write_ahead_log_removed_under_us_is_noticed_and_nothing_is_lost(path: Path) -> None:
    """SQLite would go on writing to the removed file, and a kill -9 would take all of that away."""
    wal = path.with_name("store.db-wal")
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch("p", 0, [ROW])])
        wal.unlink()
        with pytest.raises(StoreUnavailableError, match=r"store\.db-wal.*was removed"):
            recorder.append([Batch("p", 1, [ROW])])
        assert not wal.exists()
    with SQLiteRecorder(path) as recorder:
        assert recorder.last_position() == 1
        assert isinstance(recorder.append([Batch("p", 1, [ROW])])[0], Written)


def test_a_position_is_never_given_out_again(path: Path) -> None:
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch("p", 0, [ROW] * 5)])
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM events WHERE position > 2")
    with SQLiteRecorder(path) as recorder:
        (written,) = recorder.append([Batch("q", 0, [ROW])])
        assert isinstance(written, Written)
        assert written.positions == range(6, 7)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM events")
    with SQLiteRecorder(path) as recorder:
        (written,) = recorder.append([Batch("q", 1, [ROW, ROW])])
        assert isinstance(written, Written)
        assert written.positions == range(7, 9)


def test_a_relative_path_in_a_removed_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(StoreUnavailableError, match="current folder was removed"):
        SQLiteRecorder("store.db")


def test_a_write_ahead_log_that_cannot_be_looked_at_is_one_clear_error(path: Path) -> None:
    wal = path.with_name("store.db-wal")
    with SQLiteRecorder(path) as recorder:
        recorder.append([Batch("p", 0, [ROW])])
        kept = wal.rename(path.with_name("kept"))
        wal.symlink_to(wal)
        with pytest.raises(StoreUnavailableError, match=f"{path}: Too many levels of symbolic links"):
            recorder.append([Batch("p", 1, [ROW])])
        wal.unlink()
        kept.rename(wal)
        assert isinstance(recorder.append([Batch("p", 1, [ROW])])[0], Written)
    wal.mkdir()
    with pytest.raises(StoreUnavailableError, match=f"{path}: Is a directory"):
        SQLiteRecorder(path)


IS_LOCKED = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_a_file_that_another_process_made_meanwhile_is_left_alone_and_its_locks_too(path: Path) -> None:
    """To open and close it once more would give up every lock that this process holds on it."""
    file = StoreFile(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN EXCLUSIVE")
        path.with_name("store.db-wal").write_bytes(b"of that other process")
        file._create()
        command = [sys.executable, "-c", IS_LOCKED, str(path)]
        assert subprocess.run(command, capture_output=True, text=True).stdout == "database is locked\n"
        path.with_name("store.db-wal").unlink()
        raw.rollback()
