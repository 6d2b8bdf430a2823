"""In place of a plan, a store or a temporary folder: whatever a file system can hold. In bounded time and memory."""

from __future__ import annotations

import os
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from events.log import sqlite_schema
from tests.cli.driver import CommandLine
from tests.hostile.checks import decent, refused
from tests.hostile.limits import bounded

TASKS = "tasks: [{id: a, run: 'true'}]\n"


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 30)


def _loop(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)


def _socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")  # a path may be too long for a socket's address
    os.close(folder)


MAKERS: dict[str, Callable[[Path], object]] = {
    "a sparse file of 1 GB": _sparse,
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a loop of links": _loop,
    "a link to nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "a socket": _socket,
    "zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: path.symlink_to("/dev/null"),
    "a terminal": lambda path: path.symlink_to("/dev/tty"),
    "memory": lambda path: path.symlink_to("/proc/self/mem"),
    "a file of the system": lambda path: path.symlink_to("/proc/self/status"),
    "a file of zeros": lambda path: path.write_bytes(bytes(100_000)),
    "random bytes": lambda path: path.write_bytes(bytes(range(256)) * 400),
    "one byte": lambda path: path.write_bytes(b"S"),
    "text": lambda path: path.write_text("SQLite format 3\0" + "x" * 5_000),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_in_place_of_a_plan(cli: CommandLine, make: Callable[[Path], object]) -> None:
    make(cli.folder / "plan.yaml")
    done = cli.ask("run", "plan.yaml")
    assert done.status == 2
    refused(done)
    assert "plan.yaml" in done.errors
    assert not cli.store.exists()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("words", [("map", "true", ":::", "1"), ("list",), ("resume",)], ids=["map", "list", "resume"])
def test_in_place_of_a_store(cli: CommandLine, make: Callable[[Path], object], words: tuple[str, ...]) -> None:
    make(cli.store)
    before = cli.store.stat().st_mtime_ns if cli.store.is_file() else 0
    done = cli.ask(*words)
    assert done.status == 3
    refused(done)
    assert not cli.store.is_file() or cli.store.stat().st_mtime_ns == before


def test_the_worst_of_them_within_bounds(cli: CommandLine) -> None:
    for name in ("a sparse file of 1 GB", "zeros without end"):
        folder = cli.folder / name.replace(" ", "-")
        folder.mkdir()
        MAKERS[name](folder / "x")
        for words, status in ((("run", f"{folder}/x"), 2), (("list", "--store", f"{folder}/x"), 3)):
            done = bounded(cli, *words)
            assert done.status == status, (name, done)
            refused(done)


def test_a_plan_that_may_not_be_read_and_one_that_grows(cli: CommandLine) -> None:
    plan = cli.folder / "plan.yaml"
    plan.write_text(TASKS)
    plan.chmod(0)
    done = cli.ask("run", "plan.yaml", "--dry-run")
    assert done.status == (0 if os.geteuid() == 0 else 2)
    plan.chmod(0o600)
    plan.write_bytes(TASKS.encode() + b"#" * (1 << 24))
    done = cli.ask("run", "plan.yaml")
    assert done.status == 2
    assert "plan_bytes_max" in done.errors


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs(x)")
    connection.close()


def _lookalike(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {sqlite_schema.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("CREATE VIEW events AS SELECT 1 AS position")
    connection.close()


def _newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    sqlite_schema.create(connection)
    connection.execute("PRAGMA user_version = 1000")
    connection.close()


def _triggered(path: Path) -> None:
    connection = sqlite3.connect(path)
    sqlite_schema.create(connection)
    connection.execute("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM parents; END")
    connection.close()


@pytest.mark.parametrize("make", [_foreign, _lookalike, _newer, _triggered])
def test_a_database_that_is_not_ours(cli: CommandLine, make: Callable[[Path], object]) -> None:
    make(cli.store)
    before = cli.store.read_bytes()
    for words in (("map", "true", ":::", "1"), ("status", "r"), ("list",), ("resume",)):
        done = cli.ask(*words)
        assert done.status == 3, words
        refused(done)
    assert cli.store.read_bytes() == before


ODD_PATHS = ("a?b", "a#b", "a%41b", "a b", "a'b;--", "-x", "~", "a\\b", "\u202ea", "a:memory:b", "file", "\udcff")


@pytest.mark.parametrize("path", ODD_PATHS, ids=ascii)
def test_a_path_is_a_path_and_nothing_else(cli: CommandLine, path: str) -> None:
    done = cli.ask("map", f"--store={path}", "--id", "r", "true", ":::", "1")
    decent(done)
    assert done.status == 0
    assert [there.name for there in cli.folder.iterdir()] == [path]
    decent(cli.ask("status", f"--store={path}", "r"))


URIS = (
    "file:x.db",
    "file:x.db?mode=memory",
    "file::memory:?cache=shared",
    ":memory:",
    "memory:x",
    "sqlite:///x?mode=ro",
)
OTHERS = ("postgresql://u:secret@h/d", "https://x", "sqlite:x", "sqlite:///", "http:\x1b[31m//x")


@pytest.mark.parametrize("place", [*URIS, *OTHERS], ids=ascii)
def test_what_looks_like_an_address_is_refused_and_secrets_are_not_repeated(cli: CommandLine, place: str) -> None:
    for words in (("map", f"--store={place}", "true", ":::", "1"), ("list", f"--store={place}")):
        done = cli.ask(*words)
        assert done.status in (2, 3), done
        refused(done)
        assert "secret" not in done.errors
    assert list(cli.folder.iterdir()) == []


@contextmanager
def _without_a_temporary_folder() -> Iterator[None]:
    before, tempfile.tempdir = tempfile.tempdir, None
    try:
        yield
    finally:
        tempfile.tempdir = before


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_in_place_of_the_temporary_folder(
    cli: CommandLine, make: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = cli.folder.parent / "tmp"
    make(place)
    monkeypatch.setenv("TMPDIR", str(place))
    with _without_a_temporary_folder():
        done = cli.ask("map", ": {}; seq 50000", ":::", "1")
    assert done.status == 0
    assert done.output.count(b"\n") == 50_000
