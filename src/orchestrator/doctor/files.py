"""What the doctor says of a store's files: who may do what with them, their sizes, the disk, the settings in force."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from events.errors import OrchestratorError
from events.log.errors import translated
from events.log.sqlite_connection import Connection, Deadline, open_writer
from events.log.sqlite_file import StoreFile
from orchestrator.doctor.remark import Remark, Verdict, size

_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022
_BUSY_SECONDS: Final = 5.0
_DISK_LOW_BYTES: Final = 1024**3
_DISK_FULL_BYTES: Final = 64 * 1024**2
_WAL_LARGE_BYTES: Final = 256 * 1024**2
_IN_FORCE: Final = {"journal_mode": "wal", "synchronous": 2}
_SHOWN: Final = ("journal_mode", "synchronous", "page_size", "auto_vacuum", "freelist_count", "page_count")


def files(store: Path) -> Iterator[Remark]:
    """Say how the files of a store are, and the disk that they lie on."""
    yield from _rights(store)
    yield _disk(store)
    yield _write_ahead_log(store)
    yield _settings(store)


def _rights(store: Path) -> Iterator[Remark]:
    """Look at who may read and write the store, its payloads, and its folder."""
    for path, mode in ((store, "600"), (Path(f"{store}.payloads"), "700")):
        if not path.exists():
            continue
        found = path.stat()
        open_to = stat.S_IMODE(found.st_mode)
        text = f"{path.name}: mode {open_to:o}, owner {found.st_uid}, {size(found.st_size)}"
        if found.st_uid != os.geteuid() and os.geteuid() != 0:
            yield Remark("file", "warn", f"{text}; we are {os.geteuid()}", f"let {found.st_uid} run what uses it")
        elif open_to & _OTHERS:
            yield Remark("file", "warn", f"{text}; others may read or write it", f"chmod {mode} {path}")
        else:
            yield Remark("file", "ok", text)
    folder = store.parent.stat()
    if folder.st_mode & _OTHERS_WRITE and not folder.st_mode & stat.S_ISVTX:
        text = f"others may rename files in {store.parent}, and so swap the store"
        yield Remark("file", "warn", text, f"chmod go-w {store.parent}, or move the store")


def _disk(store: Path) -> Remark:
    usage = shutil.disk_usage(store.parent)
    text = f"{size(usage.free)} free of {size(usage.total)}"
    verdict: Verdict = "fail" if usage.free < _DISK_FULL_BYTES else "warn" if usage.free < _DISK_LOW_BYTES else "ok"
    return Remark("disk", verdict, text, "" if verdict == "ok" else "free some space: a full disk halts all runs")


def _write_ahead_log(store: Path) -> Remark:
    path = Path(f"{store}-wal")
    try:
        length = path.stat().st_size
    except FileNotFoundError:
        return Remark("log", "ok", "no write-ahead log: nobody uses the store")
    text = f"{path.name}: {size(length)}"
    if length < _WAL_LARGE_BYTES:
        return Remark("log", "ok", text)
    advice = "some program has been reading for long, or none has closed the store: end it, or open and close the store"
    return Remark("log", "warn", text, advice)


def _settings(store: Path) -> Remark:
    """Say what SQLite answers where it is asked for what durability rests on."""
    file = StoreFile(store)
    try:
        file.open(must_exist=True)
        connection = open_writer(Connection, file, Deadline(_BUSY_SECONDS))
        if connection is None:
            return Remark("settings", "fail", "the file is empty", "start a run, which makes a store")
        with closing(connection):
            found = {name: connection.number(f"PRAGMA {name}") for name in _SHOWN}
    except sqlite3.Error as error:
        return Remark("settings", "fail", str(translated(error, str(store))), "orchestrator audit verify says more")
    except OrchestratorError as error:
        return Remark("settings", "fail", str(error), "mend that, then look again")
    text = ", ".join(f"{name} {value}" for name, value in found.items())
    wrong = [name for name, value in _IN_FORCE.items() if found[name] != value]
    advice = f"{', '.join(wrong)} must be another one: put the store on a local disk" if wrong else ""
    return Remark("settings", "fail" if wrong else "ok", text, advice)
