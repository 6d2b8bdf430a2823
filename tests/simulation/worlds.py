"""The kinds of machines that are played: those with a bit of everything, and those with much of one thing."""

from __future__ import annotations

from typing import Final

from tests.simulation.nested import NestedWorld
from tests.simulation.snapshots import SnapshotWorld
from tests.simulation.throttled import ThrottledWorld
from tests.simulation.viewed import ViewedWorld
from tests.simulation.world import World

WORLDS: Final[dict[str, type[World]]] = {
    "plain": World,
    "keys": ThrottledWorld,
    "nests": NestedWorld,
    "views": ViewedWorld,
    "snapshots": SnapshotWorld,
}
