"""SIGKILL while snapshots are kept: whatever lies there then is whole or not used, and the run goes on to its end."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Event

import pytest

from events.errors import StoreNotFoundError
from events.log import open_log
from events.log.audit import Audit
from events.log.folding import folded
from tests.crash import snapshots_victim
from tests.support.places import LASTING, place_of

VICTIM = Path(snapshots_victim.__file__)
CHILDREN = 1_000
KILLS = 6


@pytest.fixture(params=LASTING)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place of each kind that outlives a process, where there is no store yet."""
    return place_of(request, tmp_path)


def live(store: str, kill_after_seconds: float | None) -> bool:
    """Let a process work, and kill it after so long. Return whether it came to its end."""
    command = [sys.executable, "-m", "tests.crash.snapshots_victim", store, str(CHILDREN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=VICTIM.parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if kill_after_seconds is not None:
            Event().wait(kill_after_seconds)  # the random instant itself, not a wait for anything
            process.send_signal(signal.SIGKILL)
        return process.stdout.readline() == "done\n"


def test_killed_again_and_again_a_run_goes_on_from_its_snapshots(store: str) -> None:
    chance, went_on = Random(4711), 0
    for _ in range(KILLS):
        if live(store, 0.2 + chance.random()):
            break
        with suppress(StoreNotFoundError), open_log(store, must_exist=True) as log:
            assert list(Audit(log).verify()) == []
            went_on += folded(log, "r").snapshot > 0
    live(store, None)
    assert went_on, "no snapshot outlived a kill"
    with open_log(store) as log:
        assert list(Audit(log).verify()) == []
        found = folded(log, "r")
        assert found.state.succeeded == CHILDREN
        assert found.snapshot > 0
