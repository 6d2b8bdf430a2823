"""The status rule: from counts to the parent's status. The only place where a status is computed.

(`events.invariants` computes it once more to check this one; decision 0010 says why.)

The rule is section 2 of the contract; `docs/lifecycle.md` explains it. It looks at counts alone, so the order in
which children end never matters.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from events.model import Model

Status = Literal["pending", "running", "succeeded", "failed", "cancelled", "timed_out"]
"""Where a parent is: the last four are final."""

Outcome = Literal["succeeded", "failed", "timed_out", "cancelled", "skipped"]
"""How a child ended."""

OnDecided = Literal["cancel", "drain", "continue"]
"""What happens to the children that are still open once the parent is decided."""

FINAL_STATUSES: Final[frozenset[str]] = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
OUTCOMES: Final[tuple[Outcome, ...]] = ("succeeded", "failed", "timed_out", "cancelled", "skipped")


class Strategy(Model):
    """How child outcomes become the parent's status.

    `kind` is `all` (every child must succeed), `any` (one is enough) or `threshold` (`count` children, or `percent`
    of all children, 0 < percent <= 100). A threshold may also carry `max_failures` (children) or
    `max_failures_percent`: the parent fails as soon as more have ended without success. That percentage is one of
    all children; with `min_finished` it is one of the children that have ended, judged once so many have.
    """

    kind: Literal["all", "any", "threshold"]
    count: int | None = Field(default=None, ge=1)
    percent: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    max_failures: int | None = Field(default=None, ge=0)
    max_failures_percent: float | None = Field(default=None, ge=0, le=100, allow_inf_nan=False)
    min_finished: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        details = (self.count, self.percent, self.max_failures, self.max_failures_percent, self.min_finished)
        if self.kind != "threshold":
            if any(detail is not None for detail in details):
                raise ValueError(f"strategy {self.kind!r} takes no count, percent or failure limit: use a threshold")
            return self
        if (self.count is None) == (self.percent is None):
            raise ValueError("a threshold needs either a count or a percent, and not both")
        if self.max_failures is not None and self.max_failures_percent is not None:
            raise ValueError("max_failures is either a count or a percent, not both")
        if self.min_finished is not None and self.max_failures_percent is None:
            raise ValueError("min_finished only makes sense with a max_failures in percent")
        return self

    def required(self, total: int) -> int:
        """How many of `total` children must succeed."""
        if self.kind == "all":
            return total
        if self.kind == "any":
            return 1
        if self.count is not None:
            return self.count
        return _share(self.percent or 0.0, total)

    def waits_for_membership(self) -> bool:
        """Whether success depends on how many children there will be (`all`, and thresholds in percent)."""
        return self.kind == "all" or self.percent is not None


ALL: Final = Strategy.model_construct(kind="all")  # as checked ones are, without building the model for them
ANY: Final = Strategy.model_construct(kind="any")


@lru_cache(maxsize=1024)
def _share(percent: float, total: int) -> int:
    """Return ceil(total * percent / 100), exactly: 33.3 means 333/1000, not the nearest binary float."""
    return ceil(total * Fraction(str(percent)) / 100)


class Tally(NamedTuple):
    """What the rule looks at. Counts are numbers of children."""

    total: int
    succeeded: int
    failed: int
    """Ended for good in any other way: failed, timed out, cancelled or skipped."""
    started: bool
    """Whether any child ever started or ended."""
    open_membership: bool = False
    """Whether children may still be added."""
    cancel_requested: bool = False
    deadline_passed: bool = False
    decided: Status | None = None
    """The decision on record, if there is one."""


def calculate_status(strategy: Strategy, tally: Tally) -> Status:
    """Return the parent's status: rules 1 to 6 of the contract, in their order."""
    if tally.decided is not None:
        return tally.decided
    if tally.cancel_requested:
        return "cancelled"
    if tally.deadline_passed:
        return "timed_out"
    required = strategy.required(tally.total)
    if tally.succeeded >= required and not (tally.open_membership and strategy.waits_for_membership()):
        return "succeeded"
    if _out_of_reach(strategy, tally, required) or too_many_failures(strategy, tally):
        return "failed"
    return "running" if tally.started else "pending"


def _out_of_reach(strategy: Strategy, tally: Tally, required: int) -> bool:
    """Rule 4: the children still open cannot bring the successes to what is required."""
    if tally.open_membership and strategy.kind != "all":
        return False
    return tally.total - tally.failed < required


def too_many_failures(strategy: Strategy, tally: Tally) -> bool:
    """Whether a threshold's failure limit is exceeded."""
    if strategy.max_failures is not None:
        return tally.failed > strategy.max_failures
    percent = strategy.max_failures_percent
    if percent is None:
        return False
    ended = tally.succeeded + tally.failed
    if strategy.min_finished is not None:
        return ended >= strategy.min_finished and tally.failed * 100 > Fraction(str(percent)) * ended
    return not tally.open_membership and tally.failed * 100 > Fraction(str(percent)) * tally.total


def impossible(strategy: Strategy, total: int) -> str | None:
    """Say why `total` children can never satisfy the strategy, or None where they can."""
    required = strategy.required(total)
    if required <= total:
        return None
    noun = "success" if required == 1 else "successes"
    child = "child" if total == 1 else "children"
    return f"needs at least {required} {noun}, has {total} {child}"
