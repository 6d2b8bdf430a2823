"""What simulated users ask for: parents of every kind, drawn from the seed."""

from __future__ import annotations

from random import Random
from typing import Final, Literal, NamedTuple

from events.commands import ChildSpec, CloseMembership, Command, CreateChildren, CreateParent, PrepareChildren
from events.facts import ChildLimits
from events.strategy import ALL, ANY, OnDecided, Strategy, impossible

Kind = Literal["whole", "arriving", "stepwise"]
"""All children at once; children over time; an engine that runs the children by itself and reports for them."""

STRATEGIES: Final = (
    ALL,
    ALL,
    ANY,
    Strategy(kind="threshold", count=2),
    Strategy(kind="threshold", count=3, max_failures=1),
    Strategy(kind="threshold", percent=50.0),
    Strategy(kind="threshold", percent=66.7, max_failures=2),
    Strategy(kind="threshold", percent=80.0, max_failures_percent=25.0),
    Strategy(kind="threshold", count=1, max_failures_percent=50.0, min_finished=2),
)
LIMITS: Final = (
    None,
    None,
    ChildLimits(max_attempts=2),
    ChildLimits(max_attempts=3, initial_seconds=0.5),
    ChildLimits(max_attempts=4, initial_seconds=1.0, backoff=3.0, max_seconds=4.0),
    ChildLimits(timeout_seconds=0.7, max_attempts=2),
    ChildLimits(fail_when_lost=True),
)


class Asked(NamedTuple):
    """A parent as it is asked for."""

    kind: Kind
    create: CreateParent
    children: tuple[ChildSpec, ...]

    @property
    def whole(self) -> tuple[Command, ...]:
        """Return the commands that create it with all its children; for the other kinds, without any."""
        if self.kind != "whole":
            return (self.create,)
        at = self.create.at
        added = (PrepareChildren(at=at, children=self.children), CreateChildren(at=at)) if self.children else ()
        return (self.create, *added, CloseMembership(at=at))


def draw_parent(chance: Random, at: int) -> Asked:
    """Draw one parent."""
    kind: Kind = chance.choice(("whole", "whole", "whole", "arriving", "stepwise"))
    strategy = chance.choice(STRATEGIES)
    total = chance.choice((0, 1, 2, 3, 4, 5, 6, 8, 11))
    while kind == "whole" and impossible(strategy, total) is not None:
        total += 1
    if kind == "stepwise" and not total:
        total = 2
    on_decided: OnDecided = chance.choice(("cancel", "drain", "continue"))
    create = CreateParent(
        at=at,
        strategy=strategy,
        max_workers=chance.choice((1, 2, 3, 5)),
        on_decided=on_decided,
        content="simulated",
        timeout_seconds=chance.choice((None, None, None, 3.0, 20.0)),
    )
    children = tuple(
        ChildSpec(child_id=f"c{index}", task="simulated", input="{}", limits=chance.choice(LIMITS))
        for index in range(total)
    )
    return Asked(kind, create, children)
