"""Views of your own: what a projection is made of. See the how-to "A view of your own"."""

from __future__ import annotations

from events.projections.changes import Add, Change, Put, Remove
from events.projections.projection import Event, Projection
from events.projections.standing import Standing
from events.projections.tables import Index, Table

__all__ = ["Add", "Change", "Event", "Index", "Projection", "Put", "Remove", "Standing", "Table"]
