"""SIGKILL at every boundary of every append of a run, and at those of the runs that go on after it."""

from __future__ import annotations

import random
import re
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.faults import processes, work
from tests.faults.appender import POINTS
from tests.faults.evidence import Ledger
from tests.faults.table import Tally

SCENARIO = "SIGKILL at every append boundary"
SECONDS = 0.02
"""How long each child works, so that some are under way at every append."""
EXPECTED = {kind: work.EXPECTED[kind] for kind in work.ALL_KINDS}


def live(store: Path, ledger: Ledger, point: str = "never", number: int = 0) -> tuple[bool, int]:
    """Let one process live; return whether it got to its end, and after how many transactions."""
    argv = ["-m", "tests.faults.appender", store, point, number, SECONDS, *work.ALL_KINDS]
    ended = processes.run(argv)
    done = ledger.take(ended.output)
    assert ended.status == (0 if done else -signal.SIGKILL), ended
    assert not ended.errors, ended.errors
    counted = re.search(rb"transactions (\d+)", ended.output)
    return done, int(counted[1]) if counted else 0


def die_and_go_on(folder: Path, deaths: Sequence[tuple[str, int]], tally: Tally) -> int:
    """Let process after process die at those boundaries, then one live to the end; return how many died."""
    folder.mkdir()
    store = folder / "runs.db"
    ledger = Ledger(store)
    died = 0
    for point, number in deaths:
        done, _ = live(store, ledger, point, number)
        ledger.check(max_workers=work.MAX_WORKERS)
        if done:
            break
        died += 1
    done, _ = live(store, ledger)
    assert done
    ledger.check_over(EXPECTED, max_workers=work.MAX_WORKERS)
    ledger.report(tally, SCENARIO, faults=died, completed=len(EXPECTED))
    return died


def test_killed_at_append_boundaries(tmp_path: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    """Every boundary in the long campaign, each kind of them in the slice; whoever goes on dies early on, too."""
    if rounds == 1:
        deaths = [(point, chance.randint(2, 6)) for point in chance.sample(POINTS, len(POINTS))]
        assert die_and_go_on(tmp_path / "slice", deaths, tally) > 1
        return
    done, transactions = live(tmp_path / "whole.db", Ledger(tmp_path / "whole.db"))
    assert done
    every = [(point, number) for number in range(1, transactions + 1) for point in POINTS]
    died = 0
    for index, first in enumerate(every):
        second = (chance.choice(POINTS), chance.randint(1, 8))
        died += die_and_go_on(tmp_path / str(index), (first, second), tally)
    assert died > len(every), f"only {died} of {2 * len(every)} deaths came about"
