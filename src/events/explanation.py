"""Why a parent stands as it does: told by its history, as values and in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.error_words import error_words
from events.explanation_words import Clock, paragraph
from events.open_children import OpenChild, OpenChildren
from events.outlook import Outlook, outlook
from events.rule_words import rule_words
from events.story import NAMED_MAX, Ending, Mark, Story
from events.strategy import Outcome, Status
from events.views import Counts, counts, moment


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a run: where it is on record, when, and the reason that was given, if one was."""

    position: int
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EndedChildView:
    """A child that has ended, and how. `error` is what went wrong, in a few words; "" where nothing was said."""

    id: str
    outcome: Outcome
    attempts: int
    error: str
    position: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a run stands as it does at a point of its history. `text` says it in one paragraph."""

    id: str
    position: int
    version: int
    status: Status
    settled: bool
    rule: str
    """What must come true for the run to succeed, in words."""
    required: int
    """How many children must succeed."""
    counts: Counts
    """How many children were where when the run was decided; where they are, while it is not."""
    decided: Happening | None
    """The decision: on record, or brought about by the rule and on record with the next event; None before it."""
    cause: str | None
    """The type of the event that brought the decision about."""
    decided_by: EndedChildView | None
    """The child whose end decided the run, if one did."""
    unsuccessful: tuple[EndedChildView, ...]
    """The first of the other children that had ended without success by then."""
    cancelled: Happening | None
    deadline_passed: Happening | None
    deadline_at: datetime | None
    """When the run's own time is up, where that is limited and the run not decided."""
    paused: Happening | None
    waits_for: tuple[OpenChild, ...]
    """The first of the children that are open."""
    successes_missing: int | None
    """How many more children must succeed; None once the run is decided."""
    failures_left: int | None
    """With how many more children that end without success the run fails; None where none can, or it is decided."""
    waits_for_closing: bool
    """Whether the run can only succeed once no more children can be added to it."""
    max_workers: int
    timeout_seconds: float | None
    on_decided: str
    redrives: int
    text: str

    def __str__(self) -> str:
        return self.text


def explanation(parent_id: str, story: Story, clock: Clock | None = None) -> Explanation:
    """Return why a parent stands as it does after the last fact of a story.

    `clock` writes times for the text; in UTC when it is not given.

    Raises:
        StoreDamagedError: a time on record is outside all calendars.
    """
    text = paragraph(parent_id, story, clock or _utc)
    return Explanation(**_values(parent_id, story), text=text)


def _utc(at: int) -> str:
    return f"{moment(at):%Y-%m-%d %H:%M:%S} UTC"


def _values(parent_id: str, story: Story) -> dict[str, Any]:
    """Return the fields of an explanation, all but its text."""
    state, verdict = story.state, story.verdict
    ahead = None if verdict is not None else outlook(state)
    strategy = state.strategy if verdict is None else verdict.strategy
    tally = state.tally if verdict is None else verdict.tally
    return {
        "id": parent_id,
        "position": story.latest.position,
        "version": state.version,
        "status": state.status,
        "settled": state.settled,
        "rule": rule_words(strategy, tally),
        "required": strategy.required(tally.total),
        "counts": counts(state) if verdict is None else verdict.counts,
        "decided": None if verdict is None else Happening(verdict.position, moment(verdict.at)),
        "cause": None if verdict is None else verdict.cause.type,
        "decided_by": None if verdict is None else _ended(verdict.decider),
        "unsuccessful": _all_ended(story.unsuccessful if verdict is None else verdict.others),
        "cancelled": _happening(story.cancelled),
        "deadline_passed": _happening(story.deadline),
        "paused": None if state.settled else _happening(story.paused),
        "waits_for": OpenChildren(state, NAMED_MAX).named(state),
        **_ahead(ahead),
        "max_workers": state.max_workers,
        "timeout_seconds": state.timeout_seconds,
        "on_decided": state.on_decided,
        "redrives": state.redrives,
    }


def _ahead(ahead: Outlook | None) -> dict[str, Any]:
    if ahead is None:
        return dict.fromkeys(("deadline_at", "successes_missing", "failures_left")) | {"waits_for_closing": False}
    return {
        "deadline_at": moment(ahead.deadline_at),
        "successes_missing": ahead.missing,
        "failures_left": ahead.failures_left,
        "waits_for_closing": ahead.needs_closing,
    }


def _happening(mark: Mark | None) -> Happening | None:
    return None if mark is None else Happening(mark.position, moment(mark.at), mark.reason)


def _ended(ending: Ending | None) -> EndedChildView | None:
    if ending is None:
        return None
    return EndedChildView(ending.child_id, ending.outcome, ending.attempts, error_words(ending.error), ending.position)


def _all_ended(endings: tuple[Ending, ...]) -> tuple[EndedChildView | None, ...]:
    return tuple(_ended(ending) for ending in endings)
