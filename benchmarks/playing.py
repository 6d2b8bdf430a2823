"""Playing a case: everybody in turn, each round a process of its own, ended when it takes too long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.postgres_server import Postgres, binaries

from benchmarks import environments
from benchmarks.environments import ROOT, CannotInstallError
from benchmarks.machine import load, now
from benchmarks.players import PLAYERS
from benchmarks.results import CaseResult, Row
from benchmarks.scenario import Case, Entry

_databases: Final = count(1)


class Conditions(NamedTuple):
    """Under what conditions is played."""

    scratch: Path
    """Where stores are kept: on the disk to be measured."""
    environments: Path
    install: bool
    peers: frozenset[str] | None
    """Which players with environments of their own take part; None: all of them."""
    rounds: int | None
    """How many rounds instead of those that a case has."""


class PlayError(Exception):
    """A player did not do what it was to do; the text says why."""


class Seat:
    """A player in a case: the job that it has, the interpreter that runs it, and what it has come to."""

    def __init__(self, case: Case, entry: Entry, conditions: Conditions) -> None:
        self.player = PLAYERS[entry.player]
        job: dict[str, Any] = {"how": self.player.how, **case.job, **entry.job}
        job["children"] = min(job["children"], max(1, self.player.most // job.get("parents", 1)))
        self.job = job
        self.row = Row(entry.player, job["children"], job["workers"], job.get("parents", 1))
        self.python = Path(sys.executable)
        if self.player.environment is not None:
            if conditions.peers is not None and conditions.peers.isdisjoint((entry.player, self.player.environment)):
                self.row.trouble = "left out of this run, as asked for (--peers)"
                return
            try:
                self.python = environments.python_of(
                    conditions.environments, self.player.environment, self.player.packages, make=conditions.install
                )
            except CannotInstallError as error:
                self.row.trouble = str(error)

    def play(self, scratch: Path, seconds_max: float, server: Postgres | None) -> None:
        """Play a round, and keep what it came to."""
        with tempfile.TemporaryDirectory(dir=scratch, prefix="round-") as folder:
            job = {**self.job, "folder": folder, "server": self._database(server)}
            try:
                said = self._run(job, seconds_max)
            except PlayError as error:
                self.row.trouble = str(error)
                return
        for name, value in said["measures"].items():
            self.row.measures.setdefault(name, []).extend(value if isinstance(value, list) else [value])
        self.row.versions = said["versions"]

    def _database(self, server: Postgres | None) -> str:
        if server is None or not self.player.postgres:
            return ""
        if self.player.here:
            return server.url()
        database = f"bench_{os.getpid()}_{next(_databases)}"
        with server.admin() as admin:
            admin.execute(f'CREATE DATABASE "{database}"'.encode())
        return f"postgresql://postgres@/{database}?host={server.folder}"

    def _run(self, job: dict[str, Any], seconds_max: float) -> dict[str, Any]:
        """Run the program. Raises PlayError where it fails, takes too long, or says nothing."""
        command = [str(self.python), "-m", self.player.module, json.dumps(job)]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            with subprocess.Popen(
                command,
                cwd=job["folder"],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            ) as process:
                try:
                    output, _ = process.communicate(timeout=seconds_max)
                except subprocess.TimeoutExpired:
                    raise PlayError(f"stopped: it took longer than {seconds_max:g} s") from None
                finally:
                    _end(process)
            lines = [line for line in output.splitlines() if line.startswith('{"measures"')]
            if process.returncode or not lines:
                errors.seek(0)
                last = [line for line in errors.read().splitlines() if line.strip()] or ["it said nothing"]
                raise PlayError(f"failed ({process.returncode}): {environments.plain(last[-1])}")
        found: dict[str, Any] = json.loads(lines[-1])
        return found


def _end(process: subprocess.Popen[str]) -> None:
    """End a player, with all that it started and left in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _server(seats: Sequence[Seat]) -> Iterator[Postgres | None]:
    """Give a private PostgreSQL server to those who need one; where there can be none, they are told."""
    with ExitStack() as stack:
        server = None
        needing = [seat for seat in seats if seat.player.postgres and seat.row.trouble is None]
        if needing:
            try:
                server = Postgres(binaries())
                stack.callback(server.close)
            except (OSError, RuntimeError, AssertionError) as error:
                for seat in needing:
                    seat.row.trouble = f"no PostgreSQL server: {environments.plain(str(error))}"
        yield server


def asked_for(case: Case, conditions: Conditions) -> str:
    """Return what a case comes to under these conditions: where it is the same, the results are, too."""
    players = {entry.player: dict(entry.job) for entry in case.entries}
    return json.dumps(
        {
            "job": dict(case.job),
            "players": players,
            "rounds": conditions.rounds or case.rounds,
            "peers": sorted(conditions.peers) if conditions.peers is not None else "all",
        },
        sort_keys=True,
    )


def play(case: Case, conditions: Conditions) -> CaseResult:
    """Play a case; return what everybody came to. Every other round goes the other way round."""
    before, rounds = load(), conditions.rounds or case.rounds
    asked = asked_for(case, conditions)
    seats = [Seat(case, entry, conditions) for entry in case.entries]
    with _server(seats) as server:
        for number in range(rounds):
            for seat in seats if number % 2 == 0 else reversed(seats):
                if seat.row.trouble is None:
                    seat.play(conditions.scratch, case.seconds_max, server)
            print(f"    round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return CaseResult([seat.row for seat in seats], now(), rounds, before, asked)
