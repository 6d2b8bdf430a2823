"""A parent and what some of its children are to do: enough to decide whether more may be added, and which are new."""

from __future__ import annotations

from collections.abc import Iterable

from events.evolve import evolve, fold
from events.facts import ChildPrepared, Fact
from events.sketch import Outline, Sketch
from events.state import ParentState


class Membership:
    """An outline or a sketch of a parent, how many children it has, and some of them as they were asked for.

    Those some are the ones of the ids that are to be added, and all that were not created yet: they are created along
    with what is added. What has become of them is left out, for nobody asks; and so is nothing forgotten of what one
    that has succeeded was to do.
    """

    def __init__(self, base: Outline | Sketch, total: int, created: int, prepared: Iterable[ChildPrepared]) -> None:
        self.base = base
        self._total = total
        self._created = created
        self._some = fold(prepared)

    @property
    def version(self) -> int:
        """That of the last event taken."""
        return self.base.version

    @property
    def state(self) -> ParentState:
        """The parent's state with as many children as it has, of which only some are there."""
        known = self.base.state
        return known.replace(
            total=self._total,
            # Those that a closed parent gave up before they were created end without that.
            created=self._total if known.membership_closed else self._created,
            children=self._some.children,
            order=self._some.order,
        )

    def add_fact(self, name: str, fact: Fact) -> None:
        """Take the next event, of a type stored by this name."""
        self.base.add_fact(name, fact)
        if isinstance(fact, ChildPrepared):
            self._total += 1
            self._some = evolve(self._some, fact)
        elif name == "ChildCreated":
            self._created += 1
