"""What is measured: scenarios, their cases, who plays in them, what is shown, and what must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol


class Figure(NamedTuple):
    """A column of a table: something measured, as people want to read it."""

    heading: str
    measure: str
    """By what name the program gives it."""
    rate: bool = False
    """Whether it is seconds, to be shown as children a second."""
    a_child: bool = False
    """Whether it is shown divided by the number of children."""
    scale: float = 1.0
    digits: int = 0
    more: bool = False
    """Whether more is better, of what is no rate."""

    def shown(self, measured: float, count: int) -> float:
        """Return what to show of a measured value, of so many children."""
        if self.rate:
            return count / measured
        return measured * self.scale / (count if self.a_child else 1)

    @property
    def more_is_better(self) -> bool:
        """Whether a larger value is the better one."""
        return self.rate or self.more


RATE: Final = Figure("children/s", "seconds", rate=True)
SECONDS: Final = Figure("seconds", "seconds", digits=3)
PEAK: Final = Figure("peak memory, MiB", "peak_bytes", scale=1 / 2**20)
STORED: Final = Figure("bytes on disk a child", "store_bytes", a_child=True)
MEDIAN_MS: Final = Figure("median, ms", "median_ms", digits=2)
P99_MS: Final = Figure("99th percentile, ms", "p99_ms", digits=2)


class Entry(NamedTuple):
    """A player in a case, and what of the job is different for it."""

    player: str
    job: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Case:
    """One comparison: everybody has the same job, in turn, so many rounds."""

    name: str
    job: Mapping[str, Any]
    entries: tuple[Entry, ...]
    rounds: int = 5
    seconds_max: float = 120.0
    """After how many seconds a round is ended, and its player's part with it."""
    figures: tuple[Figure, ...] = (RATE,)


class Found(Protocol):
    """What targets are worked out from."""

    def median(self, case: str, player: str, figure: Figure) -> float | None:
        """Return the median that a player came to in a case; None where that was not measured."""
        ...


class Target(NamedTuple):
    """Something that must hold, as issue and documentation have it."""

    text: str
    found: Callable[[Found], float | None]
    required: float
    unit: str
    at_least: bool = True
    """Whether `required` is the least; otherwise it is the most."""
    guard: float | None = None
    """For ratios alone: beyond it something is wrong, and the run of the benchmarks fails."""

    def holds(self, value: float) -> bool:
        """Whether it holds."""
        return value >= self.required if self.at_least else value <= self.required

    def broken(self, value: float | None) -> bool:
        """Whether a ratio is so bad that the run fails."""
        if self.guard is None or value is None:
            return False
        return value < self.guard if self.at_least else value > self.guard


def at_most(
    text: str, found: Callable[[Found], float | None], required: float, unit: str, guard: float | None = None
) -> Target:
    """Return a target whose figure may be so large at the most."""
    return Target(text, found, required, unit, at_least=False, guard=guard)


@dataclass(frozen=True)
class Scenario:
    """A question, with the cases that answer it."""

    name: str
    title: str
    what: str
    """What is done and what is counted, in a sentence or two."""
    cases: Callable[[bool], tuple[Case, ...]]
    """The cases: all of them, or (given False) those of the quick run."""
    targets: tuple[Target, ...] = field(default=())


def entries(*players: str) -> tuple[Entry, ...]:
    """Return entries of players who all have the same job."""
    return tuple(Entry(player) for player in players)


def median(case: str, player: str, figure: Figure) -> Callable[[Found], float | None]:
    """Return how to find a median."""
    return lambda found: found.median(case, player, figure)


def ratio(
    above: tuple[str, str, Figure], below: tuple[str, str, Figure], times: float = 1.0
) -> Callable[[Found], float | None]:
    """Return how to find the ratio of two medians."""

    def of(found: Found) -> float | None:
        first, second = found.median(*above), found.median(*below)
        return None if first is None or not second else times * first / second

    return of
