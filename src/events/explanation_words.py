"""The paragraph of an explanation: why a parent stands as it does, in plain words and nothing but what is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from events.error_words import error_words
from events.open_children import OpenChild, OpenChildren
from events.outlook import Outlook, outlook
from events.rule_words import many, number, rule_words
from events.state import ParentState
from events.story import NAMED_MAX, Ending, Mark, Story, Verdict
from events.strategy import FINAL_STATUSES, OUTCOMES, Outcome, Status, calculate_status, too_many_failures
from events.views import counts, microseconds

Clock = Callable[[int], str]
"""How a time is written: microseconds since 1970 in, text out."""

_TEXT_CHARS_MAX: Final = 200
_NOT: Final[dict[Status, str]] = {"pending": "has not begun", "running": "is running"}
_DID: Final[dict[str, str]] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "was cancelled",
    "timed_out": "timed out",
    "skipped": "was skipped",
}
_HAD: Final[dict[str, str]] = _DID | {"cancelled": "been cancelled"}
_WHEN: Final = {
    "MembershipClosed": "It was decided when its number of children became final",
    "LimitsChanged": "It was decided when its rule was changed",
    "Redriven": "It was decided when it was redriven",
    "ChildRedriven": "It was decided when it was redriven",
    "OwnershipTaken": "It was decided when it was taken over, from what was on record by then",
}
"""What brought a decision about that no child did."""


def paragraph(parent_id: str, story: Story, clock: Clock) -> str:
    """Return the paragraph."""
    verdict = story.verdict
    waiting = OpenChildren(story.state, NAMED_MAX).named(story.state)
    sentences = _of_open(story, waiting, clock) if verdict is None else _of_decided(story, verdict, waiting, clock)
    return " ".join([f"Run {quoted(parent_id)} {_opening(story, verdict, clock)}.", *sentences])


def quoted(text: str) -> str:
    """Return a user's text in quotes: on one line, and shortened where it is long."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= _TEXT_CHARS_MAX else f"{flat[:_TEXT_CHARS_MAX]}…")


def _opening(story: Story, verdict: Verdict | None, clock: Clock) -> str:
    if verdict is None:
        paused = (
            f", and paused since position {story.paused.position:,}{_because(story.paused)}" if story.paused else ""
        )
        return f"{_NOT[story.state.status]}{paused}"
    if verdict.recorded:
        return f"{_DID[verdict.status]} at position {verdict.position:,} ({clock(verdict.at)})"
    return (
        f"{_DID[verdict.status]} by its rule at position {verdict.position:,} ({clock(verdict.at)}),"
        " though its decision is not on record yet"
    )


def _because(mark: Mark) -> str:
    return f" ({quoted(mark.reason)})" if mark.reason else ""


# A parent that is decided


def _of_decided(story: Story, verdict: Verdict, waiting: Sequence[OpenChild], clock: Clock) -> Iterator[str]:
    changed = story.rule_changed
    since = f", as changed at position {changed.position:,}" if changed else ""
    yield f"Its rule was that {rule_words(verdict.strategy, verdict.tally)}{since}."
    if not verdict.agrees:
        yield "How its children stood then does not bear that status out: check the record with `audit verify`."
    yield from _reason(story, verdict)
    yield from _others(verdict)
    yield _limits(story.state)
    yield from _afterwards(story, verdict)
    yield from _waits_for(waiting, _open_count(story.state), clock)
    yield from _before(story)


def _reason(story: Story, verdict: Verdict) -> Iterator[str]:
    """Say what decided it, and how things stood then."""
    total, succeeded = verdict.tally.total, verdict.tally.succeeded
    if verdict.status in ("cancelled", "timed_out"):
        yield f"{_from_outside(story, verdict.status)}; by then {_so_many(succeeded, total)} had succeeded."
        return
    if verdict.decider is not None:
        yield f"Child {_ending(verdict.decider)}, and that decided it."
    else:
        yield f"{_WHEN.get(verdict.cause.type, 'It was decided')} (position {verdict.cause.position:,})."
    if verdict.status == "succeeded":
        required = verdict.strategy.required(total)
        yield f"{_so_many(succeeded, total)} had succeeded by then, and {required:,} had to."
    elif verdict.agrees:
        yield _failed_because(verdict)


def _from_outside(story: Story, status: Status) -> str:
    if status == "cancelled":
        asked = story.cancelled
        return (
            "Its record lacks the request"
            if asked is None
            else (f"Somebody asked for it to be cancelled at position {asked.position:,}{_because(asked)}")
        )
    passed = story.deadline
    seconds = story.state.timeout_seconds
    limit = "" if seconds is None else f" of {number(seconds)} s"
    where = "" if passed is None else f" at position {passed.position:,}"
    return f"Its deadline{limit} passed{where}"


def _failed_because(verdict: Verdict) -> str:
    strategy, tally = verdict.strategy, verdict.tally
    ended = f"{_so_many(tally.failed, tally.total)} had ended without success by then"
    if too_many_failures(strategy, tally):
        return f"{ended}{_of_ended(verdict)}, which is more than was allowed."
    if strategy.kind == "all":
        return f"{ended}, so not all of them could succeed any more."
    left = tally.total - tally.failed
    return f"{ended}, so no more than {left:,} could succeed, and {strategy.required(tally.total):,} had to."


def _of_ended(verdict: Verdict) -> str:
    """Say how many had ended in all, where the limit counts among those."""
    if verdict.strategy.min_finished is None:
        return ""
    return f", of {verdict.tally.succeeded + verdict.tally.failed:,} that had ended"


def _so_many(some: int, total: int) -> str:
    return f"{some:,} of {many(total, 'child', 'children')}"


def _others(verdict: Verdict) -> Iterator[str]:
    """Name the others that had ended without success: all of them, or the first few."""
    decider = verdict.decider
    count = verdict.tally.failed - (decider is not None and decider.outcome != "succeeded")
    yield from _unsuccessful(verdict.others, count, "other " if count < verdict.tally.failed else "")


def _unsuccessful(named: Sequence[Ending], count: int, other: str) -> Iterator[str]:
    if not named:
        return
    some = "; ".join(_ending(ending) for ending in named)
    if count == len(named):
        yield f"The {other}{'one' if count == 1 else f'{count:,}'} without success: {some}."
    else:
        yield f"Among the {count:,} {other}ones without success: {some}."


def _ending(ending: Ending) -> str:
    """Return `'b' failed at position 211 after 3 attempts (ValueError: bad row)`."""
    error = error_words(ending.error)
    why = f" ({_short(error)})" if error else ""
    tries = "without a start" if not ending.attempts else f"after {many(ending.attempts, 'attempt', 'attempts')}"
    return f"{quoted(ending.child_id)} {_DID[ending.outcome]} at position {ending.position:,} {tries}{why}"


def _short(text: str) -> str:
    return quoted(text)[1:-1]


def _limits(state: ParentState) -> str:
    """Say which limits there are beside the rule."""
    parts = [f"{many(state.max_workers, 'child', 'children')} at a time"]
    if state.timeout_seconds is not None:
        parts.append(f"{number(state.timeout_seconds)} s in all")
    if state.retry_budget is not None:
        parts.append(f"{many(state.retry_budget, 'retry', 'retries')} over all children")
    return f"Its limits: {', '.join(parts)}."


def _afterwards(story: Story, verdict: Verdict) -> Iterator[str]:
    """Say what became of the children that were open when it was decided."""
    state = story.state
    if not verdict.recorded:
        return
    now = counts(state)
    ended = [(name, getattr(now, name) - getattr(verdict.counts, name)) for name in OUTCOMES]
    parts = [f"{count:,} {_were(name, count)}" for name, count in ended if count]
    asked = story.cancelled
    if asked is not None and asked.position > verdict.position:
        yield f"What went on after that was asked to stop at position {asked.position:,}{_because(asked)}."
    if parts:
        yield f"Since then {_joined(parts)}."
    if story.settled is not None:
        yield f"Every child has an outcome since position {story.settled.position:,}."


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _were(outcome: Outcome, count: int) -> str:
    if outcome in ("cancelled", "skipped"):
        return f"{'was' if count == 1 else 'were'} {outcome}"
    return outcome.replace("_", " ")


def _before(story: Story) -> Iterator[str]:
    """Tell of the redrives before."""
    count = story.state.redrives
    if not count:
        return
    told = "; ".join(
        f"at position {each.position:,} ({quoted(each.reason)}), when it had {_HAD[each.status_before]} at position"
        f" {each.decided_before:,} and {many(each.children, 'child was', 'children were')} put back"
        for each in story.redrives
    )
    latest = "" if count == len(story.redrives) else f", the latest {len(story.redrives)} of them"
    yield f"It was redriven {'once' if count == 1 else f'{count:,} times'}{latest}: {told}."


# A parent that is not decided


def _of_open(story: Story, waiting: Sequence[OpenChild], clock: Clock) -> Iterator[str]:
    state, ahead = story.state, outlook(story.state)
    now, changed = counts(state), story.rule_changed
    since = f", as changed at position {changed.position:,}" if changed else ""
    yield f"Its rule is that {rule_words(state.strategy, state.tally)}{since}."
    yield f"{_so_many(now.succeeded, now.total)} succeeded so far{_the_rest(state)}."
    yield from _unsuccessful(story.unsuccessful, state.tally.failed, "")
    yield from _waits_for(waiting, _open_count(state), clock)
    yield _success_ahead(ahead)
    yield from _failure_ahead(state, ahead)
    yield _limits(state)
    yield _from_outside_ahead(ahead, clock)
    yield from _before(story)


def _the_rest(state: ParentState) -> str:
    now, failed = counts(state), state.tally.failed
    parts = [
        *([f"{failed:,} ended without success"] if failed else []),
        *([f"{now.running:,} {'runs' if now.running == 1 else 'run'}"] if now.running else []),
        *([f"{now.pending:,} {'waits' if now.pending == 1 else 'wait'} for a start"] if now.pending else []),
    ]
    return f"; {_joined(parts)}" if parts else ""


def _success_ahead(ahead: Outlook) -> str:
    more = f"{many(ahead.missing, 'more child', 'more children')} {'succeeds' if ahead.missing == 1 else 'succeed'}"
    if not ahead.needs_closing:
        return f"It succeeds once {more}."
    if not ahead.missing:
        return "It succeeds once no more children can be added and all of that still holds."
    return f"As things stand, it succeeds once {more} and no more children can be added."


def _failure_ahead(state: ParentState, ahead: Outlook) -> Iterator[str]:
    strategy, tally = state.strategy, state.tally
    if ahead.failures_left is None:
        yield "No number of children that end without success decides it while more may be added."
    else:
        more = many(ahead.failures_left, "more child", "more children")
        verb = "ends" if ahead.failures_left == 1 else "end"
        before = " and none succeeds before" if strategy.min_finished is not None else ""
        yield f"It fails once {more} {verb} without success{before}."
    if strategy.min_finished is not None:
        yield "Whichever way a child ends, the share of those without success is judged anew with it."
    if tally.open_membership:
        closed = calculate_status(strategy, tally._replace(open_membership=False))
        then = f"its rule would say that it {_DID[closed]}" if closed in FINAL_STATUSES else "that would not decide it"
        yield f"More children may be added; were it closed now, {then}."


def _open_count(state: ParentState) -> int:
    return state.total - state.ended


def _waits_for(waiting: Sequence[OpenChild], count: int, clock: Clock) -> Iterator[str]:
    """Name the open children: all of them, or the first few."""
    if not waiting:
        return
    named = "; ".join(_open_child(child, clock) for child in waiting)
    which = many(count, "child is", "children are")
    yield f"{which} still open{'' if count == len(waiting) else ', among them'}: {named}."


def _open_child(child: OpenChild, clock: Clock) -> str:
    name = quoted(child.id)
    if child.started_at is not None:
        return f"{name} (attempt {child.attempts:,} runs since {clock(microseconds(child.started_at))})"
    if child.not_before is not None:
        due = clock(microseconds(child.not_before))
        return f"{name} (to run again after {many(child.attempts, 'attempt', 'attempts')}, not before {due})"
    if child.attempts:
        return f"{name} (to run again after {many(child.attempts, 'attempt', 'attempts')})"
    return f"{name} (not started)"


def _from_outside_ahead(ahead: Outlook, clock: Clock) -> str:
    due = "" if ahead.deadline_at is None else f", and its own time is up at {clock(ahead.deadline_at)}"
    return f"It may be cancelled at any time{due}."
