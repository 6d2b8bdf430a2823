"""What a projection is: tables of its own, and what each event changes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from events.catalogue import TYPES, type_name
from events.errors import UsageError
from events.facts import Fact
from events.projections.changes import Change, Gathering, Written
from events.projections.tables import Table


class Event(NamedTuple):
    """An event that is on record, as a projection is told of it."""

    position: int
    """Its place in the whole log; later ones have larger numbers."""
    run_id: str
    version: int
    """Its place in its run: 1, 2, 3 ..."""
    fact: Any
    """What happened: its fields are attributes (see the storage format)."""

    @property
    def type(self) -> str:
        """The stored name of what happened: `ChildFinished`, say."""
        return type_name(self.fact)

    @property
    def at(self) -> int:
        """When it happened, in microseconds since 1970 (UTC)."""
        at: int = self.fact.at
        return at


Read = Callable[[Table, str, Sequence[Any]], list[tuple[Any, ...]]]
"""Reads rows of one of the projection's own tables: the table, a statement with `{table}` for its name, the values."""
Take = Callable[[Event], object]


class Fold:
    """How a projection takes events, batch after batch. It looks at nothing but them and the projection's own tables.

    What it remembers from one batch to the next must be what it could read again: it may be thrown away at any time.
    """

    takers: Mapping[type[Fact], Take]
    """What takes each type of fact; others are of no interest. What one raises sets the event's run aside."""

    def written(self) -> list[Written]:
        """Return what the events since the last call change."""
        raise NotImplementedError


class Projection:
    """Base of every projection. Say `name`, `version` and `tables`, and what an event changes (`handle`).

    An object of it remembers nothing: what it needs to know stands in its tables. `version` is to be counted up
    whenever the same events would give other rows than before; the tables are made anew then.
    """

    name: ClassVar[str]
    """Lower-case letters, digits and underscores; one of a kind in an orchestrator."""
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[Table, ...]]

    def handle(self, event: Event) -> Iterable[Change]:
        """Yield what an event changes: `Put`, `Add` and `Remove`. Must give the same for the same event, always."""
        raise NotImplementedError(f"projection {self.name!r} does not say what an event changes")

    def fold(self, read: Read) -> Fold:
        """Return how batches of events are taken; by default `handle` is asked about each event."""
        del read
        return _EachByItself(self)


class _EachByItself(Fold):
    """Takes events through a projection's `handle`."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._gathering = Gathering()
        self.takers = dict.fromkeys(TYPES.values(), self._take)

    def _take(self, event: Event) -> None:
        self._gathering.take(self._projection.handle(event) or ())

    def written(self) -> list[Written]:
        return self._gathering.written()


def check_projections(projections: Sequence[Projection]) -> None:
    """Refuse what cannot be kept side by side.

    Raises:
        UsageError: one is no projection, or two have a name or a table's name in common.
    """
    for each in projections:
        if not isinstance(each, Projection):
            raise UsageError(f"a projection is an object of a class derived from Projection, not {each!r:.100}")
        missing = [name for name in ("name", "tables") if not hasattr(each, name)]
        if missing:
            raise UsageError(f"projection {type(each).__name__} does not say its {missing[0]}")
    for names in (
        [projection.name for projection in projections],
        [table.name for projection in projections for table in projection.tables],
    ):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise UsageError(f"two projections, or two of their tables, are named {twice[0]!r}: give them other names")
