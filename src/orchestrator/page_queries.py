"""What may be asked of runs and children: which of them, in which order, how many, after which one."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

from events.errors import UsageError
from events.strategy import OUTCOMES, Status
from events.views import ChildStatus
from orchestrator import given
from orchestrator.points import POSITION_MAX

RunOrder = Literal["created", "-created", "changed", "-changed"]
"""By creation, or by the latest event; with `-` the latest first."""
ChildOrder = Literal["index", "-index", "finished", "-finished", "duration", "-duration"]
"""By place in the run, by when they ended, or by how long their last attempt took; with `-` the other way round.

In all orders but that of the index, children that have not ended are left out.
"""

RUN_STATUSES: Final[tuple[str, ...]] = get_args(Status)
CHILD_STATUSES: Final[tuple[str, ...]] = get_args(ChildStatus)
RUN_ORDERS: Final[tuple[str, ...]] = get_args(RunOrder)
CHILD_ORDERS: Final[tuple[str, ...]] = get_args(ChildOrder)


class PageQuery(NamedTuple):
    """A page of runs, or of a run's children."""

    statuses: tuple[str, ...]
    """Only those of these statuses; of all, where there are none."""
    by: str
    """The order, without its sign."""
    descending: bool
    limit: int | None
    after: str | None
    """The id of the one that the page follows on."""

    @property
    def most(self) -> int:
        """How many there may be."""
        return POSITION_MAX if self.limit is None else self.limit


def run_query(status: object = None, order: object = None, limit: object = None, after: object = None) -> PageQuery:
    """Return a page of runs. Raises UsageError, which says the valid words."""
    return _query(_words(status, "status", RUN_STATUSES), order, RUN_ORDERS, limit, after)


def child_query(
    outcome: object = None, status: object = None, order: object = None, limit: object = None, after: object = None
) -> PageQuery:
    """Return a page of children. Raises UsageError, which says the valid words."""
    if outcome is not None and status is not None:
        raise UsageError("outcome and status are two names for the same thing: give one of them")
    name, words = ("outcome", outcome) if status is None else ("status", status)
    return _query(_words(words, name, CHILD_STATUSES), order, CHILD_ORDERS, limit, after)


def _query(
    statuses: tuple[str, ...], order: object, orders: tuple[str, ...], limit: object, after: object
) -> PageQuery:
    given.one_of(order, "order", orders)
    by = order if isinstance(order, str) else orders[0]
    return PageQuery(
        statuses=statuses,
        by=by.removeprefix("-"),
        descending=by.startswith("-"),
        limit=given.whole(limit, "limit", POSITION_MAX),
        after=None if after is None else given.text(after, "after"),
    )


def _words(value: object, name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return one word or several. Raises UsageError for any other, and for none at all."""
    if value is None:
        return ()
    asked: list[object] = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    for each in asked:
        if not isinstance(each, str) or each not in words:
            raise UsageError(f"{name} is one of {', '.join(words)}, or several of them, not {given.shown_value(each)}")
    if not asked:
        raise UsageError(f"{name} is empty: leave it out for all, or say one of {', '.join(words)}")
    return tuple(word for word in words if word in asked)


def not_ended(query: PageQuery) -> bool:
    """Whether nothing can be found, for what has not ended has no place in the order that was asked for."""
    return query.by != "index" and bool(query.statuses) and not set(query.statuses) & set(OUTCOMES)
