"""What simulated users ask for: parents of every kind, drawn from the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random
from typing import Final, Literal

from events.commands import ChildSpec, CloseMembership, Command, CreateChildren, CreateParent, PrepareChildren
from events.facts import ChildLimits
from events.nested import NestedParent, nested_child
from events.state import NESTED_TASK
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
ON_DECIDED: Final[tuple[OnDecided, ...]] = ("cancel", "drain", "continue")
LIMITS: Final = (
    None,
    None,
    ChildLimits(max_attempts=2),
    ChildLimits(max_attempts=3, initial_seconds=0.5),
    ChildLimits(max_attempts=4, initial_seconds=1.0, backoff=3.0, max_seconds=4.0),
    ChildLimits(timeout_seconds=0.7, max_attempts=2),
    ChildLimits(fail_when_lost=True),
    ChildLimits(max_attempts=3, initial_seconds=1.0, jitter=0.8),
    ChildLimits(max_attempts=3, retry_on=("Simulated",)),
    ChildLimits(max_attempts=3, give_up_on=("Simulated", "Other")),
    ChildLimits(queue_timeout_seconds=1.5),
    ChildLimits(total_timeout_seconds=2.0, max_attempts=5, initial_seconds=0.3),
    ChildLimits(crashes_max=1, priority=5),
)
NESTED_LIMITS: Final = (None, ChildLimits(max_attempts=2), ChildLimits(max_attempts=3, initial_seconds=0.5))


@dataclass(frozen=True)
class Asked:
    """A parent as it is asked for."""

    kind: Kind
    create: CreateParent
    children: tuple[ChildSpec, ...]

    @cached_property
    def whole(self) -> tuple[Command, ...]:
        """Return the commands that create it with all its children; for the other kinds, without any."""
        if self.kind != "whole":
            return (self.create,)
        at = self.create.at
        added = (PrepareChildren(at=at, children=self.children), CreateChildren(at=at)) if self.children else ()
        return (self.create, *added, CloseMembership(at=at))


def draw_child(chance: Random, index: int, *, nests: float, depth: int) -> ChildSpec:
    """Draw one child, which is a parent itself with the chance `nests`, up to `depth` levels down."""
    child_id = f"c{index}"
    if nests and depth and chance.random() < nests:
        text = draw_nested(chance, nests=nests, depth=depth - 1).text()
        return ChildSpec(child_id=child_id, task=NESTED_TASK, input=text, limits=chance.choice(NESTED_LIMITS))
    return _plain_child(child_id, chance.choice(LIMITS))


@lru_cache(maxsize=1024)
def _plain_child(child_id: str, limits: ChildLimits | None) -> ChildSpec:
    """Return one of the children that are drawn again and again."""
    return ChildSpec(child_id=child_id, task="simulated", input="{}", limits=limits)


def draw_nested(chance: Random, *, nests: float, depth: int) -> NestedParent:
    """Draw a parent inside a parent."""
    strategy = chance.choice(STRATEGIES)
    total = chance.choice((0, 1, 2, 3))
    while impossible(strategy, total) is not None:
        total += 1
    return NestedParent(
        strategy=strategy,
        max_workers=chance.choice((None, 1, 2)),
        on_decided=chance.choice(ON_DECIDED),
        content="0" * 64,
        timeout_seconds=chance.choice((None, None, 4.0)),
        children=tuple(nested_child(draw_child(chance, index, nests=nests, depth=depth)) for index in range(total)),
    )


def draw_parent(chance: Random, at: int, nesting: Sequence[float]) -> Asked:
    """Draw one parent; one of `nesting` is the chance with which a child of it is a parent itself."""
    kind: Kind = chance.choice(("whole", "whole", "whole", "arriving", "stepwise"))
    strategy = chance.choice(STRATEGIES)
    total = chance.choice((0, 1, 2, 3, 4, 5, 6, 8, 11))
    while kind == "whole" and impossible(strategy, total) is not None:
        total += 1
    if kind == "stepwise" and not total:
        total = 2
    on_decided: OnDecided = chance.choice(ON_DECIDED)
    create = CreateParent(
        at=at,
        strategy=strategy,
        max_workers=chance.choice((1, 2, 3, 5)),
        on_decided=on_decided,
        content="simulated",
        timeout_seconds=chance.choice((None, None, None, 3.0, 20.0)),
        retry_budget=chance.choice((None, None, 0, 1, 3)),
        seed=chance.choice((None, 7)),
        weight=chance.choice((None, None, 3)),
        priority=chance.choice((None, None, 1)),
    )
    nests = 0.0 if kind == "stepwise" else chance.choice(nesting)
    children = tuple(draw_child(chance, index, nests=nests, depth=2) for index in range(total))
    return Asked(kind, create, children)
