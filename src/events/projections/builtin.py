"""The projections that every store has."""

from __future__ import annotations

from typing import Final

from events.projections.projection import Projection
from events.projections.runs import Runs

BUILT_IN: Final[tuple[Projection, ...]] = (Runs(),)
"""Runs with their children."""
