"""The checks of a record in the words in which they speak, and the count over all parents, fact by fact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from events.commands import Command
from events.errors import InvariantBrokenError
from events.facts import (
    AttemptLost,
    CancelRequested,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    OwnershipReleased,
    OwnershipTaken,
    ParentDecided,
)
from events.invariants import INVARIANTS, HistoryCheck, LogCheck, check_history
from events.invariants import history as history_module
from events.invariants.promises import broken
from events.state import ParentState
from events.strategy import ANY, Outcome
from tests.events.scenario import (
    AT,
    SECOND,
    cancel,
    finish,
    give_up,
    lose,
    parent,
    pass_deadline,
    respond,
    spec,
    start,
    take,
)

ROOT = Path(__file__).resolve().parents[2]


def taken(owner: str = "me", epoch: int = 1) -> OwnershipTaken:
    return OwnershipTaken(at=AT, owner=owner, epoch=epoch)


def started(child_id: str = "a", attempt: int = 1) -> ChildStarted:
    return ChildStarted(at=AT, child_id=child_id, attempt=attempt, worker="w")


ENDS: Sequence[Fact] = (
    ChildFinished(at=AT, child_id="a", attempt=1, outcome="succeeded"),
    ChildRetryScheduled(at=AT, child_id="a", attempt=1, error="{}", not_before=AT),
    AttemptLost(at=AT, child_id="a", attempt=1, reason="killed"),
)


def test_every_invariant_is_in_the_reference_as_the_code_has_it() -> None:
    lines = (ROOT / "docs" / "reference" / "invariants.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert rows == [f"| `{name}` | {one.meaning} | {one.promise} |" for name, one in INVARIANTS.items()]


def counted(*facts: Fact, max_workers: int | None = None) -> LogCheck:
    check = LogCheck(max_workers)
    for position, fact in enumerate(facts, 1):
        check.take(position, "p", fact)
    return check


def test_nothing_was_counted_before_the_first_fact() -> None:
    check = LogCheck(1)
    assert (check.most_running, check.position) == (0, 0)
    with pytest.raises(InvariantBrokenError, match="position 0 comes after position 0"):
        check.take(0, "p", taken())
    check.take(1, "p", taken())
    assert check.position == 1


@pytest.mark.parametrize("end", ENDS, ids=lambda fact: type(fact).__name__)
def test_whatever_ends_an_attempt_makes_room_for_another(end: Fact) -> None:
    check = counted(taken(), started("a"), end, started("b"), max_workers=1)
    assert check.most_running == 1
    with pytest.raises(InvariantBrokenError, match="2 children of 'me' are running, more than its max_workers of 1"):
        check.take(9, "p", started("c"))


def test_what_is_nobodys_is_not_counted() -> None:
    assert counted(started("a"), started("b"), max_workers=1).most_running == 0
    check = counted(taken(), OwnershipReleased(at=AT), started("a"), started("b"), max_workers=1)
    assert check.most_running == 0


def test_an_end_of_what_was_not_counted_changes_nothing() -> None:
    check = counted(taken(), started("b"), *ENDS, max_workers=1)
    with pytest.raises(InvariantBrokenError):
        check.take(9, "p", started("a"))


def test_other_facts_leave_the_owner_as_it_is() -> None:
    check = counted(taken(), CancelRequested(at=AT, reason="x"), started("a"), max_workers=1)
    assert check.most_running == 1


def test_without_a_bound_the_most_are_only_counted() -> None:
    assert counted(taken(), started("a"), started("b"), ENDS[0], started("c")).most_running == 2


def test_no_more_is_kept_than_what_runs() -> None:
    check = counted(taken(), started("a"), ENDS[0])
    assert (len(check._running), len(check._counts)) == (0, 0)
    check = counted(started("a"), ENDS[0])  # nobody's
    assert (len(check._running), len(check._counts)) == (0, 0)


# Words


def test_a_finding_names_the_fact_and_its_child() -> None:
    facts = parent("a").given(take(), start("a")).facts
    with pytest.raises(InvariantBrokenError) as caught:
        check_history([*facts, started("a", 2)])
    assert caught.value.text == "ChildStarted of 'a': attempt 1 of the child is running"
    decided = parent("a").given(take(), start("a"), cancel()).facts
    with pytest.raises(InvariantBrokenError) as caught:
        check_history([*decided, CancelRequested(at=AT, reason="x")])
    assert caught.value.text == "CancelRequested: the parent is decided: cancelled"
    assert caught.value.version == len(decided) + 1


def test_a_broken_invariant_without_words_says_what_it_means() -> None:
    assert broken("bounded", "").text == INVARIANTS["bounded"].meaning
    assert broken("bounded", "so").text == "so"
    assert broken("bounded", "so").invariant == "bounded"


@pytest.mark.parametrize("error", [KeyError("a"), IndexError(), TypeError(), ValueError(), AttributeError()])
def test_a_core_that_cannot_fold_a_fact_is_found_out(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def apply(state: ParentState, fact: Fact) -> None:
        raise error

    monkeypatch.setattr(history_module, "apply", apply)
    with pytest.raises(InvariantBrokenError, match="the core cannot fold it: ") as caught:
        HistoryCheck().take(parent("a").facts[0])
    assert (caught.value.invariant, caught.value.version) == ("status-is-replay", 1)


@pytest.mark.parametrize("command", [cancel(), pass_deadline()], ids=["cancelled", "out of time"])
def test_nothing_starts_once_it_was_called_off_even_where_decided_parents_continue(command: Command) -> None:
    made = parent("a", "b", on_decided="continue", timeout_seconds=5.0).given(take(), start("a"), command)
    check_history(made.facts)
    check = HistoryCheck()
    for fact in made.facts:
        check.take(fact)
    assert check.recount.halting
    with pytest.raises(InvariantBrokenError) as caught:
        check.take(started("b"))
    assert caught.value.invariant == "nothing-starts"


def test_before_the_first_fact_a_record_is_pending_and_nothing_is_due() -> None:
    check = HistoryCheck()
    assert check.recount.status == "pending"
    check.finish()


# What a record may not say


RETRY = ChildLimits(max_attempts=2, initial_seconds=60)
FRAGILE = ChildLimits(fail_when_lost=True)
RUNNING = parent("a", "b", strategy=ANY, still_open=True).given(take(), start("a"), finish("a", "failed")).facts
LOST = parent(spec("a", FRAGILE), "b", strategy=ANY).given(take(), start("a"), start("b"), lose("a")).facts[:-1]
AGAIN = (
    parent(spec("a", ChildLimits(max_attempts=2)))
    .given(take(), start("a"), lose("a"), start("a"), finish("a", "failed", 2), start("a", at=AT + SECOND))
    .facts
)
"""The third attempt, and the second that counts."""
WAITS = parent(spec("a", RETRY)).given(start("a"), finish("a", "failed")).facts


def prepared(child_id: str) -> ChildPrepared:
    return ChildPrepared(at=AT, child_id=child_id, index=1, task="work", input="null")


def finished(child_id: str) -> ChildFinished:
    return ChildFinished(at=AT, child_id=child_id, attempt=1, outcome="failed", error="{}")


@pytest.mark.parametrize(
    ("facts", "fact", "invariant", "words"),
    [
        (
            parent("a").given(take(), give_up()).facts,
            OwnershipReleased(at=AT),
            "release-at-rest",
            "nobody owns the parent",
        ),
        (RUNNING, ParentDecided(at=AT, status="running", why=""), "decision-is-the-rule", "the rule says running"),
        (RUNNING[:-1], ParentDecided(at=AT, status="succeeded", why=""), "decision-is-the-rule", "says running"),
        (LOST, taken("you", 2), "lost-fails", "ChildFinished must follow first"),
        (LOST, finished("b"), "lost-fails", "ChildFinished must follow first"),
        (WAITS, started("a", 2), "retry-waits", "too early"),
        (parent("a").given(take(), start("a")).facts, ENDS[1], "retry-is-left", "it has no attempt left of 1 "),
        (AGAIN, ENDS[1].model_copy(update={"attempt": 3}), "retry-is-left", "it has no attempt left of 2 "),
    ],
)
def test_what_may_not_come_next_is_told_by_its_invariant(
    facts: Sequence[Fact], fact: Fact, invariant: str, words: str
) -> None:
    check = HistoryCheck()
    for good in facts:
        check.take(good)
    with pytest.raises(InvariantBrokenError, match=words) as caught:
        check.take(fact)
    assert caught.value.invariant == invariant


def test_a_child_that_has_ended_is_not_prepared_anew() -> None:
    open_parent = parent("a", "z", strategy=ANY, still_open=True).given(take(), start("a"), finish("a", "failed"))
    again = prepared("a").model_copy(update={"index": 2})
    with pytest.raises(InvariantBrokenError) as caught:
        check_history([*open_parent.facts, again])
    assert caught.value.invariant == "child-once"


def test_an_engine_that_nobody_owns_may_start_a_retry_before_its_time() -> None:
    engine = started("a", 2).model_copy(update={"worker": "engine"})
    check_history([*WAITS, engine])
    with pytest.raises(InvariantBrokenError, match="too early"):
        check_history([*WAITS, taken(), engine])


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "timed_out", "cancelled"])
def test_an_engine_may_report_any_end_of_a_child_late_and_an_owner_may_not(outcome: Outcome) -> None:
    decided = parent("a", "b", strategy=ANY).given(respond("a"))
    late = decided.given(respond("b", outcome)).facts
    check_history(late)
    with pytest.raises(InvariantBrokenError, match=f"its outcome should be skipped, not {outcome}"):
        check_history([*decided.facts, taken(), *late[len(decided.facts) :]])


def test_a_clock_that_stands_before_1970_breaks_nothing() -> None:
    made = parent("a").given(take(), start("a"), lose("a"), start("a"), finish("a", "succeeded", 2))
    check_history([fact.model_copy(update={"at": -1}) for fact in made.facts])
