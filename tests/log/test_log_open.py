"""Opening a log by name, and an environment that has no say in it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from events.errors import NotAStoreError, StoreBusyError, StoreNotFoundError, UsageError
from events.facts import ParentSettled
from events.log import FactBatch, MemoryRecorder, SQLiteRecorder, open_log
from orchestrator import Orchestrator

FACT = ParentSettled(at=1)


def test_a_path_is_a_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    for place in (path, str(path), "store.db", "./store.db", "sqlite:///store.db", f"sqlite:///{path}"):
        with open_log(place) as log:
            assert isinstance(log.recorder, SQLiteRecorder)
            assert log.location == str(path)
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_memory_is_asked_for_by_one_name_and_new_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_log("memory:") as log, open_log("memory:") as other:
        assert isinstance(log.recorder, MemoryRecorder)
        log.append([FactBatch("p", 0, [FACT])])
        assert other.head("p") is None
        assert log.location == "memory:"
    with pytest.raises(UsageError):
        open_log("memory:", must_exist=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "place",
    [
        "",
        ":memory:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://host/store.db",
        "sqlite:store.db",
        "sqlite:///store.db?mode=memory",
        "memory:store",
        "memory://",
        "file:store.db?mode=memory",
        "mysql://user:secret@host/store",
        "http://host/store",
        "a\0b",
    ],
)
def test_places_that_make_no_sense_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        open_log(place)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_must_exist_and_folders(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError, match="start a run"):
        open_log(tmp_path / "none.db", must_exist=True)
    with pytest.raises(NotAStoreError, match="folder"):
        open_log(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [b"store.db", 7, None, ["store.db"]])
def test_what_is_no_path_at_all_is_refused_by_its_type(place: Any) -> None:
    with pytest.raises(UsageError, match=f"not by a value of type {type(place).__qualname__}$"):
        open_log(place)


def test_a_path_object_that_gives_bytes_is_refused(tmp_path: Path) -> None:
    class InBytes:
        def __fspath__(self) -> bytes:
            return bytes(tmp_path / "store.db")

    place: Any = InBytes()
    with pytest.raises(UsageError, match=r"not by a value of type bytes$"):
        open_log(place)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["postgresql+x://user:secret@host/db", "mysql://user:secret@host/store"])
def test_a_refused_place_is_named_without_its_secrets(place: str) -> None:
    with pytest.raises(UsageError, match=r"^[\w+]+://user@host/") as caught:
        open_log(place)
    assert "secret" not in str(caught.value)


def test_how_long_a_lock_is_waited_for_is_up_to_the_caller(path: Path) -> None:
    with open_log(path, busy_timeout_seconds=0.0) as log, closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match=r"for 0\.\d seconds"):
            log.append([FactBatch("p", 0, [FACT])])
        raw.rollback()


def test_who_says_nothing_waits_half_a_minute_for_a_lock() -> None:
    for opens in (open_log, SQLiteRecorder, Orchestrator):
        assert signature(opens).parameters["busy_timeout_seconds"].default == 30.0


HOSTILE = {
    "TZINFO_TOPIC": "hostile:Anything",
    "PERSISTENCE_MODULE": "hostile",
    "INFRASTRUCTURE_FACTORY": "hostile:Anything",
    "FACTORY_TOPIC": "hostile:Anything",
    "COMPRESSOR_TOPIC": "hostile",
    "CIPHER_TOPIC": "hostile:Anything",
    "TRANSCODER_TOPIC": "hostile:Anything",
    "SQLITE_DBNAME": ":memory:",
    "APPLICATION_RECORDER_TOPIC": "hostile:Anything",
}

USE = """
import os, sys
from events.log import FactBatch, open_log
from events.facts import ParentSettled
with open_log(sys.argv[1]) as log:
    log.append([FactBatch("p", 0, [ParentSettled(at=1)])])
    assert len(list(log.read("p"))) == 1
    assert len(list(log.get("p"))) == 1
assert "hostile" not in sys.modules
assert os.environ["TZINFO_TOPIC"] == "hostile:Anything"
"""


def test_the_environment_can_neither_cause_an_import_nor_move_the_store(path: Path) -> None:
    folder = path.parent / "modules"
    folder.mkdir()
    (folder / "hostile.py").write_text("raise SystemExit('imported')\n")
    search = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **HOSTILE, "PYTHONPATH": search}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", USE, str(path)], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    with open_log(path, must_exist=True) as log:
        assert [recorded.fact for recorded in log.read("p")] == [FACT]
