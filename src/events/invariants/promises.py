"""The invariants by name: what each says, and the line of the contract that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from events.errors import InvariantBrokenError


class Invariant(NamedTuple):
    """Something that holds at every prefix of every record."""

    meaning: str
    promise: str
    """The words of the contract that it holds."""


_EVENTS: Final = "the events of a parent, in the order in which they may follow one another"
_RULE: Final = "a decision already made stands, whatever arrives later"
_SETTLED: Final = "settled: decided, and every child has an outcome"
_ATTEMPT: Final = "attempt: one execution of a child; 1, 2, 3 ..."
_STEPS: Final = "a step out of order is refused; creating children keeps index order"
_LOST: Final = "after a crash an interrupted child runs again (a new attempt) or fails, as its on_lost says"
_REST: Final = "children that never started end skipped; every child ends with exactly one outcome on record"
_RETRY: Final = "Retry(max_attempts, initial_seconds, backoff, max_seconds, jitter, retry_on, give_up_on)"
_CLOCK: Final = "total_timeout, queue_timeout"
_CANCEL: Final = "cancelled: one of the outcomes"
_PAUSE: Final = "Paused, Resumed"
_NESTED: Final = "a child that is itself parallel"
_REDRIVE: Final = "Redriven: children that did not succeed run again"
_REPLAY: Final = "status equals replay at every prefix"

INVARIANTS: Final[Mapping[str, Invariant]] = {
    "known-fact": Invariant("every fact is of a type that is known here", _EVENTS),
    "created-first": Invariant("the first fact, and only it, creates the parent", _EVENTS),
    "child-once": Invariant("a child is prepared once", _STEPS),
    "child-known": Invariant("what happens to a child happens to one that was prepared", _STEPS),
    "index-order": Invariant("children are prepared and created with the indexes 0, 1, 2 ...", _STEPS),
    "membership-closes": Invariant("membership closes once, over created children, and then none is added", _STEPS),
    "epoch-counts-up": Invariant("each taking of the ownership has the next epoch", "OwnershipTaken (owner, epoch)"),
    "takeover-loses": Invariant("who takes a parent over first puts on record as lost what ran in a slot", _LOST),
    "release-at-rest": Invariant(
        "an owner lets go only of a parent that it owns and of which nothing runs in a slot", _LOST
    ),
    "start-after-creation": Invariant("a child starts after it was created", _STEPS),
    "one-attempt-at-a-time": Invariant("a child is not started while an attempt of it runs", _ATTEMPT),
    "attempts-count-up": Invariant("the attempts of a child count 1, 2, 3 ..., in all facts about them", _ATTEMPT),
    "retry-waits": Invariant("a retry starts when it is due, not before", "ChildRetryScheduled (not before)"),
    "retry-is-left": Invariant("a retry is scheduled where the limits leave one", "no retry left"),
    "nothing-starts": Invariant("once the parent is decided so, nothing is started or run again", "start no more"),
    "bounded": Invariant(
        "a parent's running children are at most its max_workers",
        "at every prefix of the log, started-and-not-ended children <= the parent's max_workers",
    ),
    "ends-what-runs": Invariant("only an attempt that runs is retried or lost", _ATTEMPT),
    "one-outcome": Invariant(
        "a child has at most one outcome, and another one only after it was redriven", "at most one ChildFinished"
    ),
    "lost-fails": Invariant("a lost child that may not run again fails at once", _LOST),
    "ends-at-rest": Invariant(
        "a waiting child ends only once nothing starts any more, or by its own cancellation or clock", _REST
    ),
    "retry-is-allowed": Invariant("what is tried again is of a type that retry_on and give_up_on let pass", _RETRY),
    "backoff-is-kept": Invariant("a retry waits as long as its limits say, less no more than the jitter", _RETRY),
    "budget-is-kept": Invariant("the children of a parent have no more retries than its retry_budget", _RETRY),
    "crashes-end": Invariant("a child of which too many workers died fails at once", _LOST),
    "clock-given": Invariant("a waiting child times out only by a clock that it has", _CLOCK),
    "total-time-is-kept": Invariant("nothing starts, or is to start, once a child's whole time is over", _CLOCK),
    "cancel-is-asked-once": Invariant("a child is asked to stop at most once before it ends", _CANCEL),
    "cancelled-child-stays-down": Invariant(
        "a child that was asked to stop is not started again; where nothing of it runs it ends cancelled at once",
        _CANCEL,
    ),
    "progress-of-what-runs": Invariant("only an attempt that runs says how far it is", "heartbeat(progress, message)"),
    "late-is-after-the-end": Invariant("an attempt ends late once, after it was over, and flips nothing", _RULE),
    "pauses-take-turns": Invariant("a parent is paused where it goes on, and resumed where it is paused", _PAUSE),
    "paused-starts-nothing": Invariant("nothing is started while the parent is paused", _PAUSE),
    "changes-change": Invariant("a change of limits changes something", "LimitsChanged"),
    "nested-takes-no-slot": Invariant("only a child that is a parent itself is started without a slot", _NESTED),
    "redrive-after-settling": Invariant("only a settled parent is redriven, and no child is but with it", _REDRIVE),
    "redrive-names-children": Invariant("a redrive names the children that run again, one at least", _REDRIVE),
    "succeeded-stays": Invariant("what is redriven has ended, and not with success", _REDRIVE),
    "decided-stands": Invariant("a parent is decided once, and nothing is asked of it until it is redriven", _RULE),
    "decision-is-the-rule": Invariant("the decision is what the status rule says", "the status rule, 2 to 6"),
    "decision-follows": Invariant("a decision is on record at once where the rule makes one", "the status rule"),
    "closing-follows": Invariant(
        "a decision after which nothing starts closes the membership at once", "start no more"
    ),
    "settling-follows": Invariant("a parent is settled at once when its last child has ended", _SETTLED),
    "settled-is-over": Invariant("a settled parent is decided, closed, and has no open child", _SETTLED),
    "settled-is-the-end": Invariant(
        "when a parent is settled, nothing follows but a change of owner, a late ending, a redrive or its redaction",
        _SETTLED,
    ),
    "redacted-is-for-good": Invariant(
        "a settled parent is redacted once, and never redriven after that", "nothing reads what was destroyed"
    ),
    "deadline-given": Invariant("a deadline passes only where there is one", "the parent's own deadline passed"),
    "status-is-replay": Invariant("the core's fold gives the status that the rule gives", _REPLAY),
    "counts-are-replay": Invariant("the core's fold counts children as they are", _REPLAY),
    "work-is-replay": Invariant(
        "the core wants the slots that the parent can use, no more and no fewer", "max_workers"
    ),
    "positions-increase": Invariant("positions strictly increase", "position: strictly increasing in commit order"),
    "bounded-together": Invariant(
        "the running children of one orchestrator are at most its max_workers",
        "at every prefix of the log, over all parents of one orchestrator <= its own max_workers",
    ),
}
"""By the stable short names that errors, findings and reports give."""


def broken(name: str, text: str) -> InvariantBrokenError:
    """Return the error that says which invariant is broken, and how."""
    return InvariantBrokenError(text or INVARIANTS[name].meaning, invariant=name)
