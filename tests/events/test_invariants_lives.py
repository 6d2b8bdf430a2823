"""The checks of a record find what may not happen in a life: retries, clocks, pauses, cancellations, redrives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from events.errors import InvariantBrokenError
from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    ChildCancelRequested,
    ChildFinished,
    ChildLimits,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    LimitsChanged,
    OwnershipTaken,
    ParentDecided,
    Paused,
    Redacted,
    Redriven,
    Resumed,
)
from events.invariants import INVARIANTS, HistoryCheck, LogCheck, check_history
from events.strategy import ANY, Outcome
from tests.events.scenario import (
    AT,
    SECOND,
    cancel,
    cancel_child,
    change,
    crash,
    expire,
    finish,
    late,
    lose,
    parent,
    pause,
    progress,
    redrive,
    resume,
    skip,
    spec,
    start,
    take,
)
from tests.events.test_invariants import BROKEN, CORES

TWICE: Final = ChildLimits(max_attempts=2)
SHORT: Final = ChildLimits(max_attempts=3, total_timeout_seconds=5.0, initial_seconds=1.0)
QUEUED: Final = ChildLimits(queue_timeout_seconds=5.0)
PICKY: Final = ChildLimits(max_attempts=3, retry_on=("OSError",), give_up_on=("BrokenPipeError",))
WAITING: Final = ChildLimits(max_attempts=9, initial_seconds=10, backoff=2, max_seconds=30, jitter=0.5)


def started(child_id: str = "a", attempt: int = 1, *, at: int = AT, worker: str = "w") -> ChildStarted:
    return ChildStarted(at=at, child_id=child_id, attempt=attempt, worker=worker)


def again(attempt: int = 1, error: str = "{}", *, wait_seconds: float = 0) -> ChildRetryScheduled:
    later = AT + int(wait_seconds * SECOND)
    return ChildRetryScheduled(at=AT, child_id="a", attempt=attempt, error=error, not_before=later)


def ended(
    outcome: Outcome, error: str | None = None, attempt: int = 1, *, at: int = AT, child_id: str = "a"
) -> ChildFinished:
    return ChildFinished(at=at, child_id=child_id, attempt=attempt, outcome=outcome, error=error)


def timed_out(kind: str, attempt: int = 0) -> ChildFinished:
    return ended("timed_out", f'{{"type":"{kind}"}}', attempt)


def late_end(child_id: str, attempt: int = 1) -> AttemptEndedLate:
    return AttemptEndedLate(at=AT, child_id=child_id, attempt=attempt, outcome="failed")


def lost(attempt: int = 1, **how: object) -> AttemptLost:
    return AttemptLost.model_validate({"at": AT, "child_id": "a", "attempt": attempt, "reason": "died", **how})


def again_after(*waits: float) -> list[Fact]:
    """Return the record of a child that ran and failed so often, with these waits but for the last."""
    record = list(parent(spec("a", WAITING)).given(start("a")).facts)
    now = AT
    for attempt, seconds in enumerate(waits, 1):
        later = now + int(seconds * SECOND)
        record.append(ChildRetryScheduled(at=now, child_id="a", attempt=attempt, error="{}", not_before=later))
        record.append(started("a", attempt + 1, at=later))
        now = later
    return record[:-1]


REDACTED: Final = Redacted(at=AT, reason="asked for")
REDRIVEN: Final = Redriven(at=AT, reason="once more", on_decided="cancel")
FAILED: Final = parent(*"ab", strategy=ANY).given(take(), start("a"), finish("a", "failed")).facts
OVER: Final = parent(*"ab", strategy=ANY).given(start("a"), finish("a", "failed"), start("b"), finish("b")).facts
RUNS: Final = parent(spec("a", TWICE), "b", strategy=ANY).given(take(), start("a")).facts
PAUSED: Final = parent("a", spec("q", QUEUED), "b").given(take(), start("a"), pause()).facts
SPENT: Final = parent(spec("a", TWICE), spec("b", TWICE), retry_budget=1).given(start("b"), finish("b", "failed")).facts
LATE: Final = parent(*"ab").given(take(), start("a"), finish("a", "timed_out"), late("a")).facts
OF_ONE: Final = parent("a", on_decided="drain").given(start("a"), finish("a", "failed")).facts

WRONG: Final[list[tuple[str, Sequence[Fact], Sequence[Fact], str]]] = [
    ("retry-is-allowed", parent(spec("a", PICKY)).given(start("a")).facts, [again(error='{"type":"X"}')], "not tried"),
    (
        "retry-is-allowed",
        parent(spec("a", PICKY)).given(start("a")).facts,
        [again(error='{"type":"BrokenPipeError","bases":["OSError"]}')],
        "given up",
    ),
    ("retry-is-allowed", parent(spec("a", PICKY)).given(start("a")).facts, [again(error="?")], "not tried again"),
    ("backoff-is-kept", parent(spec("a", TWICE)).given(start("a")).facts, [again(wait_seconds=1)], "should be 0 to 0"),
    ("backoff-is-kept", again_after(10, 20)[:-1], again_after(10, 9.9)[-1:], "should be 10 to 20"),
    ("backoff-is-kept", again_after(10, 20)[:-1], again_after(10, 20.1)[-1:], "should be 10 to 20"),
    ("backoff-is-kept", again_after(10, 20, 30)[:-1], again_after(10, 20, 31)[-1:], "should be 15 to 30"),
    ("budget-is-kept", (*SPENT, started("a")), [again()], "retry_budget of 1 is spent"),
    (
        "crashes-end",
        RUNS[:-1],
        [
            started(),
            *[f for n in (1, 2) for f in (lost(n, signal="SIGKILL"), started("a", n + 1))],
            lost(3, exit_code=1),
            started("a", 4),
        ],
        "ChildFinished must follow",
    ),
    (
        "crashes-end",
        parent(spec("a", ChildLimits(crashes_max=1))).given(start("a")).facts,
        [lost(exit_code=0), ended("cancelled")],
        "outcome should be failed",
    ),
    ("clock-given", parent("a", "b", strategy=ANY).facts, [timed_out("QueueTimedOut")], "how long it waits"),
    ("clock-given", parent(spec("a", QUEUED), "b").facts, [timed_out("TotalTimedOut")], "its whole time"),
    ("clock-given", parent(spec("a", SHORT), "b").facts, [timed_out("TotalTimedOut")], "its whole time"),
    ("clock-given", PAUSED, [ended("timed_out", '{"type":"QueueTimedOut"}', 0, child_id="q")], "how long it waits"),
    ("ends-at-rest", parent(spec("a", QUEUED)).facts, [ended("failed", '{"type":"QueueTimedOut"}', 0)], "still be"),
    ("ends-at-rest", parent(spec("a", QUEUED)).facts, [timed_out("Other")], "may still be started"),
    (
        "total-time-is-kept",
        parent(spec("a", SHORT)).given(start("a"), lose("a")).facts,
        [started("a", 2, at=AT + 5 * SECOND)],
        "whole time is over",
    ),
    ("total-time-is-kept", parent(spec("a", SHORT)).given(start("a")).facts, [again(wait_seconds=5)], "by then"),
    (
        "cancel-is-asked-once",
        parent("a", "b").given(start("a"), cancel_child("a")).facts,
        [ChildCancelRequested(at=AT, child_id="a", reason="")],
        "asked to stop before",
    ),
    (
        "start-after-creation",
        parent("a", still_open=True).facts[:2],
        [ChildCancelRequested(at=AT, child_id="a", reason="")],
        "not created",
    ),
    (
        "cancelled-child-stays-down",
        parent(spec("a", TWICE)).given(start("a"), cancel_child("a")).facts,
        [again()],
        "asked",
    ),
    (
        "cancelled-child-stays-down",
        RUNS,
        [ChildCancelRequested(at=AT, child_id="b", reason=""), started("b")],
        "must fol",
    ),
    (
        "cancelled-child-stays-down",
        RUNS,
        [ChildCancelRequested(at=AT, child_id="b", reason=""), ended("skipped", attempt=0, child_id="b")],
        "should be cancelled",
    ),
    (
        "cancelled-child-stays-down",
        parent("a", "b").given(start("a"), cancel_child("a")).facts,
        [lost(), started("a", 2)],
        "must follow",
    ),
    ("progress-of-what-runs", FAILED[:-1], [ChildProgressed(at=AT, child_id="a", attempt=2)], "2 is not running"),
    ("progress-of-what-runs", FAILED, [ChildProgressed(at=AT, child_id="b", attempt=1)], "1 is not running"),
    ("one-outcome", FAILED, [ChildProgressed(at=AT, child_id="a", attempt=1)], "ended already"),
    ("late-is-after-the-end", RUNS, [late_end("a")], "not over"),
    ("late-is-after-the-end", RUNS, [late_end("b")], "not over"),
    ("late-is-after-the-end", OVER, [late_end("b", 2)], "not over"),
    ("late-is-after-the-end", LATE, [late_end("a")], "late before"),
    ("child-known", LATE, [late_end("z")], "no child 'z'"),
    ("pauses-take-turns", PAUSED, [Paused(at=AT, reason="")], "paused already"),
    ("pauses-take-turns", RUNS, [Resumed(at=AT)], "not paused"),
    ("paused-starts-nothing", PAUSED, [started("b")], "is paused"),
    ("changes-change", RUNS, [LimitsChanged(at=AT)], "as it was"),
    ("changes-change", RUNS, [LimitsChanged(at=AT, max_workers=10, strategy=ANY, weight=1, priority=0)], "as it was"),
    (
        "decided-stands",
        parent(*"ab", strategy=ANY).given(start("a"), start("b"), finish("a")).facts,
        [LimitsChanged(at=AT, strategy=ANY)],
        "decided: succeeded",
    ),
    ("nested-takes-no-slot", parent("a").facts, [started(worker="nested")], "no parent itself"),
    ("nested-takes-no-slot", parent(spec("a", task="parallel")).facts, [started(worker="1")], "the slot of '1'"),
    ("redrive-after-settling", FAILED, [REDRIVEN], "not settled"),
    ("redrive-after-settling", OVER, [ChildRedriven(at=AT, child_id="a")], "no redrive was just begun"),
    ("redrive-after-settling", OVER, [Redriven(at=AT, reason="", on_decided="drain")], "was made cancel"),
    ("redrive-names-children", OVER, [REDRIVEN, ParentDecided(at=AT, status="succeeded", why="")], "must follow"),
    ("redrive-names-children", OVER, [REDRIVEN, OwnershipTaken(at=AT, owner="me", epoch=1)], "must follow"),
    ("succeeded-stays", OVER, [REDRIVEN, ChildRedriven(at=AT, child_id="b")], "without success"),
    ("succeeded-stays", OVER, [REDRIVEN, *[ChildRedriven(at=AT, child_id="a")] * 2], "without success"),
    ("child-known", OVER, [REDRIVEN, ChildRedriven(at=AT, child_id="z")], "no child 'z'"),
    (
        "attempts-count-up",
        OF_ONE,
        [Redriven(at=AT, reason="", on_decided="drain"), ChildRedriven(at=AT, child_id="a"), started("a", 1)],
        "should be 2",
    ),
    ("redacted-is-for-good", FAILED, [REDACTED], "open"),
    ("redacted-is-for-good", OVER, [REDACTED, REDACTED], "before"),
    ("redacted-is-for-good", OVER, [REDACTED, REDRIVEN], "was redacted"),
    ("settled-is-the-end", OVER, [REDACTED, Paused(at=AT, reason="")], "settled"),
    ("settled-is-the-end", OVER, [Paused(at=AT, reason="")], "settled"),
]


@pytest.mark.parametrize(("invariant", "good", "wrong", "words"), WRONG)
def test_what_may_not_come_next_is_found(
    invariant: str, good: Sequence[Fact], wrong: Sequence[Fact], words: str
) -> None:
    check = HistoryCheck()
    for fact in (*good, *wrong[:-1]):
        check.take(fact)
    with pytest.raises(InvariantBrokenError, match=words) as caught:
        check.take(wrong[-1])
    assert (caught.value.invariant, caught.value.version) == (invariant, len(good) + len(wrong))


def test_every_invariant_is_broken_somewhere() -> None:
    named = {case.invariant for case in BROKEN} | {name.strip() for name in CORES} | {wrong[0] for wrong in WRONG}
    assert named | {"bounded-together", "positions-increase"} == set(INVARIANTS)


def test_a_life_with_everything_in_it_passes() -> None:
    made = (
        parent(spec("a", TWICE), spec("b", QUEUED), spec("c", SHORT), "d", spec("e", task="parallel"), retry_budget=1)
        .given(take(), start("a"), pause(), progress("a"), finish("a", "failed"), resume(), start("a"), crash("a", 2))
        .given(change(max_workers=2), expire("b"), skip(), late("a", 2), redrive("a", "b"), start("a"))
        .given(finish("a", "succeeded", 3), start("b"), finish("b"), redrive(), cancel_child("d"))
    )
    check_history(made.facts)


def test_a_redrive_has_its_own_attempts_retries_and_budget() -> None:
    made = parent(spec("a", TWICE), retry_budget=1).given(start("a"), finish("a", "failed"), start("a"))
    made = made.given(finish("a", "failed", 2), redrive(), start("a"), finish("a", "failed", 3), start("a"))
    check_history(made.given(finish("a", "failed", 4)).facts)
    assert made.state.children["a"].attempts == 4


def test_a_record_that_was_cut_within_a_redrive_or_a_cancellation_can_be_taken_over() -> None:
    over = parent(*"ab").given(cancel(), skip())
    for made in (over.given(redrive()), parent(*"ab").given(cancel_child("a"))):
        for version in range(1, len(made.facts) + 1):
            check = HistoryCheck(cut_anywhere=True)
            for fact in made.facts[:version]:
                check.take(fact)
            check.take(OwnershipTaken(at=AT, owner="me", epoch=1))


def test_parents_that_run_within_others_take_no_slot_of_their_owner() -> None:
    check = LogCheck(max_workers=1)
    facts = [OwnershipTaken(at=AT, owner="me", epoch=1), *(started(name, worker="nested") for name in "abc")]
    for position, fact in enumerate([*facts, started("d"), ended("succeeded"), ended("failed")], 1):
        check.take(position, "p", fact)
    assert check.most_running == 1
    with pytest.raises(InvariantBrokenError):
        check.take(99, "p", started("e"))
