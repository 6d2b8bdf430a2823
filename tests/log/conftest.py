"""Fixtures of the event log's tests."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import ModuleType

import pytest
from tests.support.postgres_server import Admin, Postgres

from events.log import MemoryRecorder, Recorder, SQLiteRecorder
from events.log.postgres import PostgresRecorder

if importlib.util.find_spec("Crypto") is None:
    # eventsourcing keeps its contract suites in one module with tests of ciphers, which need a package that
    # neither it nor we depend on. No recorder's suite uses it.
    vars(sys.modules.setdefault("eventsourcing.cipher", ModuleType("eventsourcing.cipher"))).update(AESCipher=None)

NOBODY = 65534

WaitUntil = Callable[[Callable[[], object]], None]
Spawn = Callable[[str, Path], "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def recorder(request: pytest.FixtureRequest, path: Path) -> Iterator[Recorder]:
    """A recorder of every kind there is."""
    made: Recorder
    if request.param == "postgres":
        made = PostgresRecorder(request.getfixturevalue("postgres_url"))
    else:
        made = SQLiteRecorder(path) if request.param == "sqlite" else MemoryRecorder()
    with made:
        yield made


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[PostgresRecorder]:
    with PostgresRecorder(postgres_url) as made:
        yield made


@pytest.fixture
def sqlite(path: Path) -> Iterator[SQLiteRecorder]:
    with SQLiteRecorder(path) as made:
        yield made


@pytest.fixture
def wait_until() -> WaitUntil:
    def wait(fact: Callable[[], object]) -> None:
        deadline = monotonic() + 30
        while not fact():
            assert monotonic() < deadline, "what was waited for did not happen within 30 seconds"
            sleep(0.005)

    return wait


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start Python processes that run some code with a store's path as their argument."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", code, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def powerless_folder() -> Iterator[Path]:
    """Yield a folder that belongs to the user that `powerless` makes us."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)
        Path(name).chmod(0o700)


@pytest.fixture
def powerless() -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which file permissions bind us, even when the tests run as root."""

    @contextmanager
    def become() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return become


@pytest.fixture
def admin(postgres_server: Postgres, postgres_url: str) -> Iterator[Admin]:
    with postgres_server.admin() as connection:
        connection.execute(f'SET search_path = "{postgres_url.rpartition("=")[2]}"'.encode())
        yield connection
