"""Many processes on one store, and owners that sleep through their own replacement."""

from __future__ import annotations

import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from tests.faults import processes, work
from tests.faults.evidence import Ledger
from tests.faults.fighter import SHARED
from tests.faults.table import Tally

FIGHT = "8 writing processes, some of them killed"
SLEEP = "SIGSTOP of an owner past a takeover"
WRITERS = 8


def fight(folder: Path, chance: random.Random, actions: int, tally: Tally) -> None:
    """Let eight processes fight for two parents, kill some of them at random, and bring all to its end."""
    store = folder / "runs.db"
    ledger = Ledger(store)
    with ExitStack() as stack:
        argv = ["-m", "tests.faults.fighter", store]
        fighters = [
            stack.enter_context(processes.started([*argv, number, chance.randrange(10**6), actions]))
            for number in range(WRITERS)
        ]
        doomed = chance.sample(fighters, 3)
        processes.until(store.exists)
        for fighter in doomed:
            Event().wait(chance.uniform(0.0, 0.6))  # the random instant itself, not a wait for anything
            fighter.signal(signal.SIGKILL)
        for fighter in fighters:
            ended = fighter.end().no_traceback()
            ledger.take(ended.output)
            assert ended.status == 0 or fighter in doomed, (ended, ledger.refused)
    ledger.check(max_workers=work.MAX_WORKERS)
    last = processes.run(["-m", "tests.faults.finisher", store]).no_traceback()
    assert last.status == 0, last
    assert ledger.take(last.output)
    expected = {parent_id: {"succeeded"} for parent_id in ledger.recorded | {"shared"} if parent_id != "doomed"}
    ledger.check_over(expected, max_workers=work.MAX_WORKERS)
    ledger.report(tally, FIGHT, faults=len(doomed), completed=len(ledger.recorded | set(SHARED)))


def test_eight_processes_fight_for_one_store(tmp_path: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        fight(folder, chance, 2 if rounds == 1 else 8, tally)


def sleep_through(folder: Path, late: bool, tally: Tally) -> None:
    """Stop an owner, let another one take over, wake the first one: it must drop what it does at once."""
    store, gate = folder / "runs.db", folder / "gate"
    ledger = Ledger(store)
    argv: list[object] = ["-m", "tests.faults.worker", store, "gated", "--gate", gate]
    with processes.started(argv) as sleeper:
        sleeper.hear(b"ended gated faults.work-4")
        sleeper.signal(signal.SIGSTOP)
        with processes.started([*argv, "--take-over"]) as other:
            processes.until(lambda: len(ledger.owners("gated")) == 2, what="a takeover")
            if late:  # the run is over when the first owner wakes
                gate.touch()
                ended = other.end().no_traceback()
                sleeper.signal(signal.SIGCONT)
            else:
                sleeper.signal(signal.SIGCONT)
                begun = time.monotonic()
                sleeper.hear(b"stopped gated/faults.until_file-5 1")
                assert time.monotonic() - begun < 10
                gate.touch()
                ended = other.end().no_traceback()
        first = sleeper.end().no_traceback()
    assert (ended.status, first.status) == (0, 0), (ended, first)
    assert ledger.take(ended.output)
    assert ledger.take(first.output), "who lost the run sees it end all the same"
    assert len(set(ledger.owners("gated"))) == len(ledger.owners("gated")) == 2
    ledger.check_over({"gated": {"succeeded"}}, max_workers=work.MAX_WORKERS)
    ledger.report(tally, SLEEP, completed=1)


def test_an_owner_that_slept_through_a_takeover_changes_nothing(
    tmp_path: Path, rounds: int, chance: random.Random, tally: Tally
) -> None:
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        sleep_through(folder, number % 2 == 1, tally)
