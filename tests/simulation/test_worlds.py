"""Machines with much of one thing: on those of keys, of nests and of views nothing is broken, either."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.log import SQLiteRecorder
from tests.simulation.campaign import play
from tests.simulation.snapshots import SnapshotWorld
from tests.simulation.worlds import WORLDS


@pytest.mark.parametrize("first", range(0, 60, 30))
@pytest.mark.parametrize("kind", ["keys", "nests", "views", "snapshots"])
def test_no_seed_breaks_a_promise(kind: str, first: int) -> None:
    for seed in range(first, first + 30):
        play(seed, WORLDS[kind]).dismantle()


def test_snapshots_are_gone_on_from_and_every_harm_comes_to_them() -> None:
    used, harmed, lost = 0, 0, 0
    for seed in range(100, 140):
        world = SnapshotWorld(seed)
        world.live()
        used += world.used
        harmed += world.meddler.count["snapshot_harmed"]
        lost += world.meddler.count["snapshots_lost"]
        world.dismantle()
    assert used > 20
    assert harmed > 20
    assert lost > 5


@pytest.mark.parametrize("seed", range(200, 206))
def test_snapshots_on_a_real_store_play_the_same_trace(seed: int, tmp_path: Path) -> None:
    with SQLiteRecorder(tmp_path / "runs.db") as recorder:
        world = SnapshotWorld(seed, recorder)
        world.live()
        assert world.scheduler.digest() == play(seed, SnapshotWorld).scheduler.digest()
