"""Somebody else's lock on the store: within the busy timeout nothing fails, beyond it there is one clear error."""

from __future__ import annotations

import itertools
import random
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from events.log import open_log
from tests.faults import processes, work
from tests.faults.evidence import Ledger
from tests.faults.table import Tally

WITHIN = "foreign lock within the busy timeout"
BEYOND = "foreign lock beyond the busy timeout"
SHORT_SECONDS = 0.5
"""A busy timeout that is soon over."""
KINDS = {"start": "retries", "middle": "gated", "end": "last"}
"""What to run, so that the lock can be taken at that time of its life."""


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Hold the lock of writers as another program would."""
    with closing(sqlite3.connect(store, isolation_level=None, timeout=30)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        yield
        foreign.rollback()


def held_seconds(rounds: int) -> tuple[int, ...]:
    return (1,) if rounds == 1 else (1, 10, 25)


def begin(store: Path, when: str, gate: Path, busy_seconds: float) -> list[object]:
    return ["-m", "tests.faults.worker", store, KINDS[when], "--gate", gate, "--busy", busy_seconds]


def wait_for_middle(process: processes.Process, when: str) -> None:
    if when != "start":
        process.hear(b"ended " + KINDS[when].encode() + b" faults.work-4")


def times(rounds: int, chance: random.Random) -> Sequence[str]:
    """Return when locks are taken: at all times in the long campaign, at one of them in the slice."""
    return tuple(KINDS) if rounds > 1 else (chance.choice(tuple(KINDS)),)


def test_a_lock_within_the_busy_timeout_is_waited_for(
    tmp_path: Path, rounds: int, chance: random.Random, tally: Tally
) -> None:
    for when, seconds in itertools.product(times(rounds, chance), held_seconds(rounds)):
        store, gate = tmp_path / f"{when}-{seconds}.db", tmp_path / f"gate-{when}-{seconds}"
        open_log(store).close()
        ledger = Ledger(store)
        with processes.started(begin(store, when, gate, 30)) as process:
            wait_for_middle(process, when)
            with locked(store):
                gate.touch()
                process.must_live(seconds)
            ended = process.end().no_traceback()
        assert ended.status == 0, ended
        assert ledger.take(ended.output)
        ledger.check_over({KINDS[when]: {"succeeded"}}, max_workers=work.MAX_WORKERS)
        ledger.report(tally, WITHIN, completed=1)


def test_a_lock_beyond_the_busy_timeout_is_one_clear_error(
    tmp_path: Path, rounds: int, chance: random.Random, tally: Tally
) -> None:
    for when in times(rounds, chance):
        store, gate = tmp_path / f"{when}.db", tmp_path / f"gate-{when}"
        open_log(store).close()
        ledger = Ledger(store)
        argv = begin(store, when, gate, SHORT_SECONDS)
        with processes.started(argv) as process:
            wait_for_middle(process, when)
            with locked(store):
                gate.touch()
                busy = process.end(30).no_traceback()
        assert busy.status == 3, busy
        assert not ledger.take(busy.output)
        assert [kind for kind, _ in ledger.refused] == ["StoreBusyError"], ledger.refused
        ledger.check()
        again = processes.run(argv).no_traceback()
        assert again.status == 0, again
        ledger.take(again.output)
        ledger.check_over({KINDS[when]: {"succeeded"}}, max_workers=work.MAX_WORKERS)
        ledger.report(tally, BEYOND, completed=1)


def test_a_lock_on_the_command_line(tmp_path: Path, rounds: int, tally: Tally) -> None:
    """Its own wait of 30 seconds is too long for the slice, where a signal ends the run while the lock is held."""
    for way in ("closing", "waiting") if rounds > 1 else ("closing",):
        store, gate = tmp_path / f"{way}.db", tmp_path / f"gate-{way}"
        ledger = Ledger(store)
        command = f"[ {{}} != 3 ] || until [ -e {gate} ]; do sleep 0.01; done; echo ended r {{#}} succeeded"
        words = processes.cli("map", "--store", store, "--id", "r", "-j1", command, ":::", *range(6))
        with processes.started(words) as process:
            process.hear(b"ended r 3 ")
            (close_under_a_lock if way == "closing" else wait_for_a_lock)(process, store, gate, tally)
            ledger.take(process.heard)
        again = processes.run(processes.cli("resume", "--store", store, "r")).no_traceback()
        assert again.status == 0, again
        ledger.take(again.output)
        ledger.check_over({"r": {"succeeded"}})
        ledger.report(tally, WITHIN if way == "closing" else BEYOND, completed=1)


def close_under_a_lock(process: processes.Process, store: Path, gate: Path, tally: Tally) -> None:
    """Interrupt a run while somebody holds the lock: it waits for that, then ends in good order."""
    with locked(store):
        gate.touch()
        process.signal(signal.SIGINT)
        process.must_live(1)
    ended = process.end().no_traceback()
    assert ended.status == 130, ended


def wait_for_a_lock(process: processes.Process, store: Path, gate: Path, tally: Tally) -> None:
    """Hold the lock for longer than a run waits for it."""
    begun = time.monotonic()
    with locked(store):
        gate.touch()
        assert "lock" in processes.refusal(process.end())
    assert time.monotonic() - begun > 29
    tally(BEYOND, refused=1)
