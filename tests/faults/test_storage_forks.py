"""Forks of a program whose orchestrator works: refused clearly, gone in time, and no harm to the store."""

from __future__ import annotations

import random
import re
from pathlib import Path

from events.log import open_log
from tests.faults import processes, work
from tests.faults.evidence import Ledger
from tests.faults.table import Tally

SCENARIO = "fork with live actors"
WAYS = ("soft", "hard", "multiprocessing", "in-a-task")


def forked(store: Path, way: str, forks: int, tally: Tally) -> None:
    """Let a program fork so often in a way while its orchestrator works."""
    ledger = Ledger(store)
    with processes.started(["-m", "tests.faults.forker", store, way, forks]) as process:
        if way != "in-a-task":
            processes.until(lambda: Path(f"{store}.forked").exists() or process.process.poll() is not None)
            open_log(store).close()  # would throw the write-ahead log away if the fork had dropped the locks
            assert Path(f"{store}-wal").exists()
        ended = process.end()
    assert ended.status == 0, ended
    assert not ended.errors, ended.errors
    assert re.findall(rb"forked \S+ (\S+)", ended.output) == [b"0"] * forks
    assert ledger.take(ended.output)
    ledger.check_over({"forks": {"succeeded"}}, max_workers=work.MAX_WORKERS)
    ledger.report(tally, SCENARIO, faults=forks, completed=1)


def test_forks_are_refused_and_do_no_harm(tmp_path: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    for way in WAYS if rounds > 1 else (chance.choice(WAYS[:-1]), WAYS[-1]):
        forked(tmp_path / f"{way}.db", way, 2 * rounds, tally)
