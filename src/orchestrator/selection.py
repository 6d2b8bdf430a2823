"""Which children of a run are to run again: by outcome, by id, by the type of their error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from events.commands import Redrive
from events.decide_attempts import error_kinds
from events.errors import StepOrderError, UsageError
from events.facts import ChildFinished, ChildRedriven
from events.log.drawing import prepared_of
from events.log.reading import decoded
from events.log.store import EventLog
from events.strategy import OUTCOMES, Outcome
from orchestrator import given
from orchestrator.shown_text import shown

_AGAIN = tuple(outcome for outcome in OUTCOMES if outcome != "succeeded")
"""Outcomes after which a child may run again."""
_KINDS_SHOWN: Final = 6
_SUCCEEDED: Final = b'"outcome":"succeeded"'
"""As the catalogue writes it; within texts, quotes are escaped."""


class Selection(NamedTuple):
    """A filter over children that ended without success; a part that is None lets all of them through."""

    outcomes: tuple[Outcome, ...] | None = None
    ids: tuple[str, ...] | None = None
    error_types: tuple[str, ...] | None = None

    def command(self, log: EventLog, parent_id: str, reason: str, token: str, at: int) -> Redrive:
        """Return the command that redrives the children; those of some errors are looked up in the record.

        Raises:
            StepOrderError: no child has such an error.
        """
        ids = self.ids
        if self.error_types is not None:
            kinds = _kinds_of_errors(log, parent_id)
            if ids is not None:
                kinds = {child_id: kinds[child_id] for child_id in ids if child_id in kinds}
            wanted = [child_id for child_id, found in kinds.items() if not found.isdisjoint(self.error_types)]
            ids = tuple(_in_order(log, parent_id, wanted))
            if not ids:
                names = " or ".join(shown(name) for name in self.error_types)
                what = f"an error of the type {names}{_there_are(kinds.values())}"
                raise StepOrderError(f"no child that ended without success has {what}")
        return Redrive(at=at, reason=reason, outcomes=self.outcomes, child_ids=ids, token=token)


def selection(outcome: object = None, ids: object = None, error_type: object = None) -> Selection:
    """Return the filter that was asked for: each part one value or several.

    Raises:
        UsageError: something is no outcome, no text, or no type of errors; or nothing is left to be chosen.
    """
    outcomes = _several(outcome, "outcome")
    for each in outcomes or ():
        if each not in _AGAIN:
            raise UsageError(f"an outcome to redrive is one of {', '.join(_AGAIN)}, not {given.shown_value(each)}")
    chosen: Any = outcomes
    return Selection(chosen, _texts(ids, "ids"), _texts(error_type, "error_type"))


def _several(value: object, what: str) -> tuple[object, ...] | None:
    if value is None:
        return None
    if isinstance(value, str | type):
        return (value,)
    if not isinstance(value, Iterable):
        raise UsageError(f"{what} is a text or several, not {given.shown_value(value)}")
    values = tuple(value)
    if not values:
        raise UsageError(f"{what} is empty, so there is no child to run again")
    return values


def _texts(value: object, what: str) -> tuple[str, ...] | None:
    values = _several(value, what)
    if values is None:
        return None
    return tuple(each.__qualname__ if isinstance(each, type) else given.text(each, what) for each in values)


def _kinds_of_errors(log: EventLog, parent_id: str) -> dict[str, set[str]]:
    """Return the types of the error of each child that ended without success and was not put back since.

    What children have succeeded with is passed over undecoded: they never run again.
    """
    kinds: dict[str, set[str]] = {}
    for row in log.recorder.rows(parent_id, types=("ChildFinished", "ChildRedriven")):
        if row.type == "ChildFinished" and _SUCCEEDED in row.data:
            continue
        fact = decoded(row, log.catalogue, log.location)
        if isinstance(fact, ChildRedriven):
            kinds.pop(fact.child_id, None)
        elif isinstance(fact, ChildFinished):
            kinds[fact.child_id] = error_kinds(fact.error)
    return kinds


def _in_order(log: EventLog, parent_id: str, ids: Sequence[str]) -> list[str]:
    """Return children in index order."""
    return [asked.child_id for asked in sorted(prepared_of(log, parent_id, ids), key=attrgetter("index"))]


def _there_are(kinds: Iterable[set[str]]) -> str:
    """Say which types of errors there are, where there are any."""
    names = sorted(set().union(*kinds))
    more = ", ..." if len(names) > _KINDS_SHOWN else ""
    return f"; there are {', '.join(map(shown, names[:_KINDS_SHOWN]))}{more}" if names else ""
