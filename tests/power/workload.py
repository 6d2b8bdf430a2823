"""A process that works on a store while everything SQLite does to the files is recorded. It dies, as by kill -9.

Run as: workload.py NAME SYNCHRONOUS PAGES SEED FOLDER TRACE, PAGES being after how many pages in the write-ahead log a
checkpoint is made (SQLite's own number is 1000). In the trace it marks what it asks the store to append, what
is acknowledged, what listeners are told, and which work has begun.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Final

import events.log
from actors.hearing import EndedChild
from events.commands import (
    ChildSpec,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
    FinishAttempt,
    LoseAttempt,
    PrepareChildren,
    StartChild,
    TakeOwnership,
)
from events.decide import Turn
from events.evolve import INITIAL
from events.facts import Fact
from events.frontier import startable
from events.log import Batch, EventLog, FactBatch, SQLiteRecorder, Verdict, Written
from events.log.sqlite_connection import Connection, Deadline
from events.strategy import ALL, Outcome
from orchestrator import Orchestrator
from tests.power.tasks import TASK, registry, runs
from tests.power.trace import TraceWriter
from tests.power.vfs import Recording

STORE: Final = "runs.db"
AT: Final = 1_700_000_000_000_000
OTHER: Final = "other"
"""The argument by which a second process is told that it is one."""


class Tuned(Connection):
    """A connection that makes checkpoints as often as it is told to, and whose durability may be a lie."""

    synchronous: ClassVar[str] = "FULL"
    checkpoint_pages: ClassVar[int] = 1000
    cache_pages: ClassVar[int] = 2000

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        if sql == "PRAGMA synchronous = FULL":
            sql = f"PRAGMA synchronous = {Tuned.synchronous}"
        return super().execute(sql, parameters)

    def number(self, statement: str) -> Any:
        true = super().number(statement)
        return 2 if statement == "PRAGMA synchronous" else true

    def begin(self, deadline: Deadline, location: str) -> None:
        super().execute(f"PRAGMA wal_autocheckpoint = {Tuned.checkpoint_pages}")
        super().execute(f"PRAGMA cache_size = {Tuned.cache_pages}")
        super().execute("PRAGMA journal_size_limit = 20000")
        super().begin(deadline, location)


class Marking(SQLiteRecorder):
    """The real recorder, which marks in the trace what it is asked and what it acknowledges."""

    connection_class = Tuned
    trace: ClassVar[TraceWriter]
    asked: ClassVar[int] = 0

    def _write(self, batches: Sequence[Batch], *, together: bool) -> list[Verdict]:
        Marking.asked += 1
        number = os.getpid() * 1_000_000 + Marking.asked
        told = [[parent, version, [[name, data.decode()] for name, data in rows]] for parent, version, rows in batches]
        self.trace.mark(what="asked", number=number, batches=told)
        verdicts = super()._write(batches, together=together)
        written = [isinstance(verdict, Written) for verdict in verdicts]
        self.trace.mark(what="acknowledged", number=number, written=written)
        return verdicts


def life(chance: Random, children: int, picks: int) -> list[list[Fact]]:
    """Return a parent's life as a driver might lead it, append by append, for so many picks at most."""
    specs = tuple(ChildSpec(child_id=f"c{index}", task=TASK, input='{"number":0}') for index in range(children))
    create = CreateParent(at=AT, strategy=ALL, max_workers=3, on_decided="continue", content="content")
    turn = Turn(INITIAL)
    for command in (create, PrepareChildren(at=AT, children=specs), CreateChildren(at=AT), CloseMembership(at=AT)):
        turn.take(command)
    turn.take(TakeOwnership(at=AT, owner="somebody", reason="its owner stopped"))
    appends = [list(turn.facts)]
    for _ in range(picks):
        turn = Turn(turn.state)
        for child_id in list(islice(startable(turn.state, AT), 3 - turn.state.running_count))[: chance.randrange(4)]:
            turn.take(StartChild(at=AT, child_id=child_id, worker="w"))
        for child_id, running in list(turn.state.running.items())[: chance.randrange(3)]:
            turn.take(_ending(chance, child_id, running.attempt))
        if turn.facts:
            appends.append(list(turn.facts))
    return appends


def _ending(chance: Random, child_id: str, attempt: int) -> Command:
    if chance.random() < 0.2:
        return LoseAttempt(at=AT, child_id=child_id, attempt=attempt, reason="killed")
    outcome: Outcome = chance.choice(("succeeded", "succeeded", "failed"))
    return FinishAttempt(at=AT, child_id=child_id, attempt=attempt, outcome=outcome)


def append_some(log: EventLog, chance: Random, some: Sequence[str], picks: int, children: int = 6) -> None:
    """Append some lives of parents side by side, now and then several parents' appends in one transaction."""
    names = [f"{name}-{chance.randrange(2**32)}" for name in some]  # no others, whatever is in the store already
    left = {name: life(chance, children, picks) for name in names}
    versions = dict.fromkeys(names, 0)
    chosen = list(names)
    while left:
        batches = [FactBatch(name, versions[name], left[name].pop(0)) for name in chosen]
        for batch, verdict in zip(batches, log.append(batches), strict=True):
            assert isinstance(verdict, Written)
            versions[batch.parent_id] = verdict.head.version
        left = {name: appends for name, appends in left.items() if appends}
        chosen = chance.sample(sorted(left), k=min(len(left), chance.choice((1, 1, 1, 2, 3))))


# What is recorded


def appends(store: Path, chance: Random) -> None:
    """Lives of parents through the bare recorder; closed once and opened again."""
    with EventLog(Marking(store)) as log:
        append_some(log, chance, ["a", "b", "c"], picks=10)
    append_some(EventLog(Marking(store)), chance, ["d", "e"], picks=10)


def brief(store: Path, chance: Random) -> None:
    """A store that is made, and closed again, over and over, after hardly anything."""
    for name in ("a", "b", "c"):
        with EventLog(Marking(store)) as log:
            append_some(log, chance, [name], picks=2, children=2)


def large(store: Path, chance: Random) -> None:
    """Appends that do not fit into SQLite's cache, so that it writes them out before they are committed."""
    Tuned.cache_pages = 4
    append_some(EventLog(Marking(store)), chance, ["a", "b"], picks=6, children=150)


def orchestrator(store: Path, chance: Random) -> None:
    """Whole orchestrators with tiny tasks; the first one is closed in the middle of the work."""
    for seconds in (0.0, 5.0):
        with Orchestrator(store, max_workers=4, tasks=registry(_begun), shutdown_seconds=seconds) as one:
            for parent_id, parallel in runs().items():
                run = one.start(parallel, id=parent_id)
                run.listen(Teller(parent_id))
                Marking.trace.mark(what="started", parent=parent_id)
                if seconds:
                    run.settle(timeout=60)


def processes(store: Path, chance: Random) -> None:
    """Two processes with one store: parents of their own, and one that both want to write to."""
    mine = "other" if OTHER in sys.argv else "one"
    arguments = [*sys.argv[1:4], str(chance.randrange(2**32)), *sys.argv[5:7], OTHER]
    other = None if OTHER in sys.argv else subprocess.Popen([sys.executable, "-m", "tests.power.workload", *arguments])
    with EventLog(Marking(store)) as log:
        for turn in range(4):
            append_some(log, chance, [f"{mine}-{turn}", f"{mine}-{turn}-too"], picks=4, children=3)
            shared = life(Random(turn), 3, 3)
            log.append([FactBatch(f"shared-{turn}", 0, shared[0])])  # a conflict for the slower one
    if other is not None:
        assert other.wait(60) == (-signal.SIGKILL)


WORKLOADS: Final = {workload.__name__: workload for workload in (appends, brief, large, orchestrator, processes)}


class Teller:
    """A listener that marks what it hears."""

    def __init__(self, parent_id: str) -> None:
        self.parent_id = parent_id

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        for child in ended:
            Marking.trace.mark(what="told", parent=self.parent_id, child=child.child_id, outcome=child.outcome)

    def changed(self) -> None:
        """Mark nothing: only endings are told of."""


def _begun(parent_id: str, child_id: str, attempt: int) -> None:
    Marking.trace.mark(what="begun", parent=parent_id, child=child_id, attempt=attempt)


def main() -> None:
    name, synchronous, pages, seed, folder, trace = sys.argv[1:7]
    Tuned.synchronous, Tuned.checkpoint_pages = synchronous, int(pages)
    Marking.trace = TraceWriter(Path(trace))
    recording = Recording(Marking.trace, Path(folder))
    recording.begin()
    setattr(events.log, "SQLiteRecorder", Marking)  # noqa: B010 - what open_log opens
    WORKLOADS[name](Path(folder) / STORE, Random(int(seed)))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
