"""Where does the time of a tiny child go? Each step by itself, in one thread, beside what the machine can do at all.

Steps are what the core does for the two facts of a running child (`ChildStarted`, `ChildFinished`), a turn of so many
children at a time; they are timed by the processor time of the thread, the least of several rounds. The limits below
them are those of the machine: nothing that records every child durably can be quicker than they add up to.
Run: python benchmarks/costs.py [--workers N]
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from events.catalogue import DEFAULT_CATALOGUE
from events.decide import Turn
from events.decide_attempts import Finish, Start
from events.evolve import fold
from events.facts import ChildCreated, ChildPrepared, Fact, MembershipClosed, OwnershipTaken, ParentCreated
from events.frontier import startable
from events.log import open_log
from events.log.chain import START, Chain
from events.log.store import FactBatch
from events.state import ParentState
from events.strategy import ALL

_AT = 1_700_000_000_000_000
_ROUNDS = 5
_SYNCS = 200
_HAND_OVERS = 20_000
_ROWS = 200_000


def begun(children: int, workers: int) -> ParentState:
    """Return a parent whose children may all be started."""
    prepared = [ChildPrepared(at=_AT, child_id=f"t-{n}", index=n, task="t", input="null") for n in range(children)]
    created = [ChildCreated(at=_AT, child_id=child.child_id) for child in prepared]
    parent = ParentCreated(at=_AT, strategy=ALL, max_workers=workers, on_decided="cancel", content="0" * 64)
    return fold([parent, *prepared, *created, MembershipClosed(at=_AT), OwnershipTaken(at=_AT, owner="o", epoch=1)])


def turns(state: ParentState) -> list[list[Fact]]:
    """Return the facts of one turn after the other: all that ran have ended, as many others begin."""
    found: list[list[Fact]] = []
    running: list[str] = []
    while state.next_index < state.total or running:
        turn = Turn(state)
        for child_id in running:
            turn.finish(Finish(_AT, child_id, 1, "succeeded", "null"))
        running = list(islice(startable(turn.state, _AT), state.max_workers))
        for worker, child_id in enumerate(running, start=1):
            turn.start(Start(_AT, child_id, str(worker)))
        state = turn.state
        found.append(list(turn.facts))
    return found


def least(action: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> float:
    """Return the least of several rounds, in seconds."""
    rounds = []
    for _ in range(_ROUNDS):
        started = clock()
        action()
        rounds.append(clock() - started)
    return min(rounds)


def appended(facts: list[list[Fact]], folder: Path) -> tuple[float, float]:
    """Append turn after turn; return seconds of processor time and on the clock."""
    with open_log(Path(tempfile.mkdtemp(dir=folder)) / "log.db") as log:
        processor, clock, version = time.thread_time(), time.perf_counter(), 0
        for some in facts:
            log.append([FactBatch("p", version, some)])
            version += len(some)
        return time.thread_time() - processor, time.perf_counter() - clock


def chained(rows: list[tuple[str, bytes]]) -> None:
    """Link rows."""
    for _ in Chain("p").extend(START, 0, rows):
        pass


def sync_seconds(folder: Path) -> float:
    """Return how long it takes to bring one more page of a file to the disk."""
    with (folder / "sync").open("wb", buffering=0) as file:
        return least(lambda: _write_and_sync(file), time.perf_counter) / _SYNCS


def _write_and_sync(file: Any) -> None:
    for _ in range(_SYNCS):
        file.write(bytes(4096))
        os.fdatasync(file.fileno())


def row_seconds(folder: Path) -> float:
    """Return what one row like ours costs in one large transaction of SQLite."""
    connection = sqlite3.connect(folder / "rows.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE rows(position INTEGER PRIMARY KEY, parent, version, type, data, hash)")
    connection.execute("CREATE UNIQUE INDEX by_version ON rows(parent, version)")
    numbers = iter(range(10**9))

    def write() -> None:
        connection.execute("BEGIN")
        some = ((1, next(numbers), "ChildFinished", b"x" * 80, b"h" * 32) for _ in range(_ROWS))
        connection.executemany("INSERT INTO rows(parent, version, type, data, hash) VALUES (?,?,?,?,?)", some)
        connection.execute("COMMIT")

    try:
        return least(write) / _ROWS
    finally:
        connection.close()


def hand_over_seconds() -> float:
    """Return how long it takes one thread to wake another one and to be woken by it, there and back, by half."""
    there: SimpleQueue[int | None] = SimpleQueue()
    back: SimpleQueue[int] = SimpleQueue()

    def answer() -> None:
        while (number := there.get()) is not None:
            back.put(number)

    thread = Thread(target=answer)
    thread.start()

    def ask() -> None:
        for number in range(_HAND_OVERS):
            there.put(number)
            back.get()

    try:
        return least(ask, time.perf_counter) / _HAND_OVERS / 2
    finally:
        there.put(None)
        thread.join()


def pool_seconds(children: int, workers: int) -> float:
    """Return what a child costs that nobody records: a call by a thread pool."""
    with ThreadPoolExecutor(workers) as pool:

        def run() -> None:
            for future in [pool.submit(int) for _ in range(children)]:
                future.result()

        return least(run, time.perf_counter) / children


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=32)
    options = parser.parse_args()
    state = begun(options.children, options.workers)
    facts = turns(state)
    rows = [DEFAULT_CATALOGUE.encode(fact) for some in facts for fact in some]
    per_child = 1e6 / options.children
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        appends = [appended(facts, folder) for _ in range(_ROUNDS)]
        whole = min(processor for processor, _ in appends)
        steps = {
            "decide both facts, and the state after each": least(lambda: turns(state)),
            "encode both": least(lambda: [DEFAULT_CATALOGUE.encode(fact) for some in facts for fact in some]),
            "link both into the hash chain": least(lambda: chained(rows)),
            "append both (encoding, chain, SQLite, commit)": whole,
            "the same on the clock, waiting for the disk": min(clock for _, clock in appends),
        }
        limits = {
            "one row in a large transaction of SQLite": row_seconds(folder),
            "one sync of one page": sync_seconds(folder),
            "waking another thread": hand_over_seconds(),
            f"one child of a bare ThreadPoolExecutor({options.workers})": pool_seconds(
                options.children, options.workers
            ),
        }
    print(f"{options.children:,} children, {options.workers} a turn, {len(facts):,} turns; microseconds")
    for what, seconds in steps.items():
        print(f"  {what:<48} {seconds * per_child:8.1f}  a child")
    for what, seconds in limits.items():
        print(f"  {what:<48} {seconds * 1e6:8.1f}")


if __name__ == "__main__":
    main()
