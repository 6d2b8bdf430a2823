"""Machines most of whose children are parents themselves.

On others a nest mostly comes to its end once the faults have stopped, and then nothing that it says of its end is lost.
"""

from __future__ import annotations

from tests.simulation.world import World


class NestedWorld(World):
    """A machine full of parents inside parents."""

    nests = (0.7,)
