"""Simulated machines under many seeds: nothing is broken, and a seed plays the same history everywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from events.log import SQLiteRecorder
from tests.simulation.campaign import Tally, play, play_all
from tests.simulation.world import World

SEEDS = 400
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tally() -> Tally:
    return play_all(range(SEEDS))


def test_no_seed_breaks_a_promise(tally: Tally) -> None:
    assert not tally.failures, "\n".join(tally.failures[:3])


def test_most_seeds_meet_crashes_and_all_kinds_of_faults_happen(tally: Tally) -> None:
    assert tally.crashed > SEEDS / 2
    kinds = {"lost", "doubled", "late", "overtaken", "slow", "deaths", "crash", "pause", "close", "jump"}
    kinds |= {"crash_before_append", "crash_after_append", "append_fails", "reply_lost", "append_stalls", "read_fails"}
    assert {kind for kind in kinds if tally.faults[kind]} == kinds


def test_different_seeds_play_different_histories(tally: Tally) -> None:
    assert len(set(tally.digests)) == SEEDS


def traces_elsewhere(hash_seed: str, *options: str) -> str:
    """Play seeds in another process, whose sets and dicts of text are in another order, and return their digest."""
    done = subprocess.run(
        [sys.executable, *options, "-m", "tests.simulation", "--seeds", "40", "--jobs", "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_a_seed_plays_the_same_trace_in_every_process() -> None:
    here = play_all(range(40)).digest
    assert traces_elsewhere("1") == f"traces {here}"
    assert traces_elsewhere("2", "-O") == f"traces {here}"


def test_a_seed_plays_the_same_trace_on_every_machine(tally: Tally) -> None:
    """The page has the digest that the machine of the campaign came to; whoever changes the actors puts it right."""
    page = (ROOT / "docs" / "reliability" / "simulation.md").read_text(encoding="utf-8")
    assert f"`{tally.digest}`" in page, f"the first {SEEDS} seeds come to another digest than the page says"


@pytest.mark.parametrize("seed", range(1_000, 1_016))
def test_a_seed_plays_the_same_trace_on_a_real_store(seed: int, tmp_path: Path) -> None:
    with SQLiteRecorder(tmp_path / "runs.db") as recorder:
        world = World(seed, recorder)
        world.live()
        assert world.scheduler.digest() == play(seed).scheduler.digest()
        for parent_id, history in world.watcher.histories.items():
            head = recorder.head(parent_id)
            assert head is not None
            assert head.version == history.version


def test_a_broken_promise_says_how_to_play_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.world.PEACE_STEPS_MAX", 0)
    found = play_all(range(5))  # in some of them all is settled before the faults stop
    assert found.failures
    assert (said := re.match(r"seed (\d): everything-finishes: ", found.failures[0]))
    assert f"play it again: make simulate SEED={said[1]}\n" in found.failures[0]
    assert len(found.failures[0].splitlines()) > 20
