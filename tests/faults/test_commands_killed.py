"""Owners and spawners killed while commands run: nothing of ours is left (within a second, where there is time)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from orchestrator import Orchestrator
from tests.faults import owner
from tests.faults.table import Tally
from tests.faults.test_commands_hostile import MARK, marked
from tests.faults.verdict import judge_file
from tests.support.waiting import until

COMMANDS = (
    "trap '' TERM INT HUP; sleep 50; sleep 50; sleep 50",
    "sleep 50 & sleep 51 & wait",
    "set -m; (trap '' TERM; sleep 50; sleep 50) & wait",
    "yes",
    "kill -STOP $$; sleep 50",
)
ROOT = Path(owner.__file__).parents[2]


def live(store: Path, mark: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start an owner; return it and its spawner's process id once all commands run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.owner", str(store), *COMMANDS],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, MARK: mark},
    )
    assert process.stdout is not None
    word, spawner = process.stdout.readline().split()
    assert word == b"running"
    return process, int(spawner)


@pytest.mark.parametrize("victims", ["owner", "spawner", "owner, then spawner", "spawner, then owner"])
def test_whoever_is_killed_nothing_is_left(
    tmp_path: Path, victims: str, chance: random.Random, rounds: int, tally: Tally
) -> None:
    for number in range(rounds):
        store, mark = tmp_path / f"{number}.db", f"{tmp_path.name}-{number}"
        process, spawner = live(store, mark)
        try:
            until(lambda mark=mark: len(marked(mark)) >= 8, what="the commands")  # type: ignore[misc]
            before = set(marked(mark)) - {process.pid}
            for victim in victims.split(", then "):
                os.kill(process.pid if victim == "owner" else spawner, signal.SIGKILL)
            if victims == "spawner":  # the owner lives, ends what that one ran, and begins again
                until(partial(all_gone, before, mark), what="the end of what the spawner ran")
                os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
            if "owner" not in victims or "spawner" not in victims:
                began = time.monotonic()
                until(lambda mark=mark: not marked(mark), what=lambda mark=mark: f"{marked(mark)}")  # type: ignore[misc]
                print(f"{victims} killed: all gone after {time.monotonic() - began:.2f} s")
            finish(store, mark)
        finally:
            process.kill()
            process.communicate()
            for pid in marked(mark):
                os.kill(pid, signal.SIGKILL)
        tally(f"killed: {victims}", rounds=1, faults=1, lost=0, double=0, above_max=0, completed=1)


def all_gone(pids: set[int], mark: str) -> bool:
    """Whether none of these processes is there any more."""
    return pids.isdisjoint(marked(mark))


def finish(store: Path, mark: str) -> None:
    """Take the run over: what an owner before us left running is ended first."""
    with Orchestrator(store, max_workers=5) as orchestrator:
        run = orchestrator.resume("r")
        until(lambda: not marked(mark), timeout_seconds=10, what=lambda: f"{marked(mark)} to be ended")
        run.cancel("enough")
        assert run.settle(timeout=20).status == "cancelled"
    judge_file(store, max_workers=5)
