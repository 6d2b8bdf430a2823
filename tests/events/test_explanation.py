"""Explanations of random histories, at every prefix: nothing that they say may be wrong, by the status rule itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from events.commands import FinishAttempt
from events.evolve import INITIAL, evolve, fold
from events.explanation import EndedChildView, Explanation, explanation
from events.explanation_words import quoted
from events.facts import ChildFinished, ChildRedriven, Fact, ParentDecided
from events.outlook import failures_left
from events.rule_words import rule_words
from events.state import ParentState
from events.story import NAMED_MAX, Story
from events.strategy import ALL, ANY, FINAL_STATUSES, Strategy, Tally, calculate_status, too_many_failures
from tests.events.histories import History, histories
from tests.events.scenario import Given, cancel, finish, parent, pass_deadline, pause, redrive, skip, start
from tests.hostile.effort import tries

PERCENTS = st.sampled_from([0.0, 0.1, 20.0, 33.3, 99.9, 100.0])
BEYOND = 40
"""More children than any history has."""


def told(facts: Sequence[Fact]) -> Iterator[tuple[Story, ParentState, Explanation]]:
    """Explain every prefix; an event's position is its version."""
    story, state = Story(), INITIAL
    for position, fact in enumerate(facts, 1):
        state = evolve(state, fact)
        story.take(fact, position, state)
        yield story, state, explanation("r", story)


def numbers(pattern: str, text: str) -> tuple[int, ...] | None:
    """Return the numbers that a pattern finds in a text; None where it finds nothing."""
    found = re.search(pattern, text)
    return None if found is None else tuple(int(each.replace(",", "")) for each in found.groups())


@tries(100)
@given(histories())
def test_nothing_that_an_explanation_says_is_wrong(history: History) -> None:
    for story, state, view in told(history.facts):
        assert (view.status, view.settled, view.version) == (state.status, state.settled, state.version)
        assert (view.decided is not None) == (state.status in FINAL_STATUSES)
        assert "\n" not in view.text
        if view.decided is None:
            check_ahead(state, view)
        else:
            check_decision(history.facts[: view.version], view)
        check_endings(history.facts[: view.version], view)
        check_text(story, state, view)
    event(f"ends {history.statuses[-1]}")


def check_ahead(state: ParentState, view: Explanation) -> None:
    """Hold what is said to be missing against the rule, for parents that go on in just that way."""
    strategy, tally = state.strategy, state.tally
    assert view.successes_missing is not None
    for more in range(view.successes_missing + 1):
        then = tally._replace(succeeded=tally.succeeded + more, open_membership=False)
        if not view.waits_for_closing:
            then = then._replace(open_membership=tally.open_membership)
        assert (calculate_status(strategy, then) == "succeeded") == (more == view.successes_missing)
    check_failures(strategy, tally, view.failures_left)


def check_failures(strategy: Strategy, tally: Tally, left: int | None) -> None:
    """Let children end without success one by one: it must fail with the one that is said."""
    for more in range(1, BEYOND if left is None else left + 1):
        failed = tally.failed + more
        total = max(tally.total, tally.succeeded + failed) if tally.open_membership else tally.total
        status = calculate_status(strategy, tally._replace(failed=failed, total=total, started=True))
        assert (status == "failed") == (more == left)


def check_decision(facts: Sequence[Fact], view: Explanation) -> None:
    """Hold a decision against what is on record, and against the rule just before it."""
    assert view.decided is not None
    decision = next((fact for fact in reversed(facts) if isinstance(fact, ParentDecided)), None)
    if view.version and isinstance(facts[view.decided.position - 1], ParentDecided):
        assert decision is facts[view.decided.position - 1]
        assert view.decided_by is None or view.decided_by.id == decision.child_id
        assert (view.decided_by is None) == (decision.child_id is None)
    if view.decided_by is not None:
        before = fold(facts[: view.decided_by.position - 1])
        assert before.decision is None
        assert before.status not in FINAL_STATUSES, "without this child's end it was not decided"


def check_endings(facts: Sequence[Fact], view: Explanation) -> None:
    """Hold every child that is named against the event that is named with it."""
    named: list[EndedChildView] = [*view.unsuccessful, *([view.decided_by] if view.decided_by else [])]
    for child in named:
        fact = facts[child.position - 1]
        assert isinstance(fact, ChildFinished)
        assert (fact.child_id, fact.outcome, fact.attempt) == (child.id, child.outcome, child.attempts)
        until = view.version if view.decided is None else view.decided.position
        put_back = [each.child_id for each in facts[child.position : until] if isinstance(each, ChildRedriven)]
        assert child.id not in put_back
    assert all(child.outcome != "succeeded" for child in view.unsuccessful)
    lost = view.counts.failed + view.counts.timed_out + view.counts.cancelled + view.counts.skipped
    lost -= view.decided_by is not None and view.decided_by.outcome != "succeeded"
    assert len({child.id for child in view.unsuccessful}) == min(lost, NAMED_MAX)


def check_text(story: Story, state: ParentState, view: Explanation) -> None:
    """Hold the numbers that the words have against the values, and against the state."""
    text, now = view.text, view.counts
    assert all(1 <= int(each.replace(",", "")) <= view.version for each in re.findall(r"position ([\d,]+)", text))
    lost = now.failed + now.timed_out + now.cancelled + now.skipped
    pairs = {
        r"([\d,]+) of ([\d,]+) child(?:ren)? succeeded so far": (now.succeeded, now.total),
        r"([\d,]+) of ([\d,]+) child(?:ren)? had succeeded": (now.succeeded, now.total),
        r"([\d,]+) of ([\d,]+) child(?:ren)? had ended without success": (lost, now.total),
        r"no more than ([\d,]+) could succeed, and ([\d,]+) had to": (now.total - lost, view.required),
        r"([\d,]+) child(?:ren)? (?:is|are) still open": (state.total - state.ended,),
        r"It fails once ([\d,]+) more": (view.failures_left,),
        r"it succeeds once ([\d,]+) more": (view.successes_missing,),
        r"It succeeds once ([\d,]+) more": (view.successes_missing,),
        r"; (?:[\d,]+ ended without success(?:,| and) )?([\d,]+) runs?\b": (now.running,),
        r"which is ([\d,]+) of": (view.required,),
    }
    for pattern, expected in pairs.items():
        found = numbers(pattern, text)
        assert found in (None, expected), (pattern, text)
    verdict = story.verdict
    if verdict is not None and verdict.status == "failed":
        too_many = too_many_failures(verdict.strategy, verdict.tally)
        assert ("which is more than was allowed" in text) == too_many
    if "could succeed, and" in text:
        assert now.total - lost < view.required
    closed = calculate_status(state.strategy, state.tally._replace(open_membership=False))
    if "that would not decide it" in text:
        assert closed not in FINAL_STATUSES
    if "its rule would say that it" in text:
        assert f"its rule would say that it {closed}" in text
    assert "audit verify" not in text, "every decision of these histories follows from its rule"


@st.composite
def limited(draw: st.DrawFn) -> tuple[Strategy, Tally]:
    """Draw a rule with a limit of failures, and counts under which it is not decided."""
    total = draw(st.integers(1, 30))
    succeeded = draw(st.integers(0, total))
    failed, more = draw(st.integers(0, total - succeeded)), draw(st.booleans())
    tally = Tally(total, succeeded, failed, started=True, open_membership=more)
    limit = draw(st.sampled_from(["none", "count", "percent", "share"]))
    by_count = draw(st.booleans())
    strategy = Strategy(
        kind="threshold",
        count=draw(st.integers(1, 30)) if by_count else None,
        percent=None if by_count else draw(st.sampled_from([0.5, 10.0, 33.3, 50.0, 100.0])),
        max_failures=draw(st.integers(0, 30)) if limit == "count" else None,
        max_failures_percent=draw(PERCENTS) if limit in ("percent", "share") else None,
        min_finished=draw(st.integers(1, 30)) if limit == "share" else None,
    )
    return draw(st.sampled_from([strategy, strategy, strategy, ALL, ANY])), tally


@tries(300)
@given(limited())
def test_how_many_failures_are_left_by_every_kind_of_rule(drawn: tuple[Strategy, Tally]) -> None:
    strategy, tally = drawn
    if calculate_status(strategy, tally) in FINAL_STATUSES:
        return
    check_failures(strategy, tally, failures_left(strategy, tally))


# The words


def said(given_parent: Given) -> str:
    """Return the last of its explanations."""
    return list(told(given_parent.facts))[-1][2].text


def failed(child_id: str, error: str, attempt: int = 1) -> FinishAttempt:
    return finish(child_id, "failed", attempt).model_copy(update={"error": error})


BAD_ROW = '{"type":"ValueError","message":"bad\\nrow"}'
ENDED = "2023-11-14 22:13:20 UTC"


def test_a_run_that_failed() -> None:
    three = parent("a", "b", "c", max_workers=2, timeout_seconds=90.0)
    over = three.given(start("a"), start("b"), finish("a"), failed("b", BAD_ROW), skip())
    assert said(over) == (
        f"Run 'r' failed at position 13 ({ENDED}). Its rule was that all of its 3 children succeed."
        " Child 'b' failed at position 12 after 1 attempt (ValueError: bad row), and that decided it."
        " 1 of 3 children had ended without success by then, so not all of them could succeed any more."
        " Its limits: 2 children at a time, 90 s in all."
        " Since then 1 was skipped. Every child has an outcome since position 15."
    )


def test_a_run_that_succeeded_with_some_that_failed() -> None:
    rule = Strategy(kind="threshold", percent=50.0)
    over = parent("a", "b", "c", "d", strategy=rule).given(
        *map(start, "abcd"), failed("b", "null"), finish("c"), finish("a")
    )
    assert said(over) == (
        f"Run 'r' succeeded at position 18 ({ENDED})."
        " Its rule was that at least 50%, which is 2 of its 4 children, succeed."
        " Child 'a' succeeded at position 17 after 1 attempt, and that decided it."
        " 2 of 4 children had succeeded by then, and 2 had to."
        " The one without success: 'b' failed at position 15 after 1 attempt."
        " Its limits: 10 children at a time."
        " 1 child is still open: 'd' (attempt 1 runs since 2023-11-14 22:13:20 UTC)."
    )


def test_a_run_that_was_cancelled() -> None:
    assert said(parent("a", "b").given(start("a"), finish("a"), cancel(), skip())) == (
        f"Run 'r' was cancelled at position 10 ({ENDED}). Its rule was that all of its 2 children succeed."
        " Somebody asked for it to be cancelled at position 9 ('enough'); by then 1 of 2 children had succeeded."
        " Its limits: 10 children at a time. Since then 1 was skipped."
        " Every child has an outcome since position 12."
    )


def test_a_run_whose_time_ran_out() -> None:
    assert said(parent("a", timeout_seconds=1.5).given(start("a"), pass_deadline())) == (
        f"Run 'r' timed out at position 7 ({ENDED}). Its rule was that its only child succeeds."
        " Its deadline of 1.5 s passed at position 6; by then 0 of 1 child had succeeded."
        " Its limits: 10 children at a time, 1.5 s in all."
        f" 1 child is still open: 'a' (attempt 1 runs since {ENDED})."
    )


def test_a_run_with_more_failures_than_allowed() -> None:
    rule = Strategy(kind="threshold", count=1, max_failures=1)
    over = parent("a", "b", "c", strategy=rule, on_decided="continue").given(
        *map(start, "abc"), failed("b", "[]"), failed("a", '{"type":"Gone"}')
    )
    assert said(over) == (
        f"Run 'r' failed at position 14 ({ENDED}). Its rule was that at least 1 of its 3 children succeeds, and that"
        " no more than 1 ends without success. Child 'a' failed at position 13 after 1 attempt (Gone), and that"
        " decided it. 2 of 3 children had ended without success by then, which is more than was allowed."
        " The other one without success: 'b' failed at position 12 after 1 attempt."
        f" Its limits: 10 children at a time. 1 child is still open: 'c' (attempt 1 runs since {ENDED})."
    )


def test_a_run_that_goes_on_after_a_redrive() -> None:
    again = parent("a", "b").given(
        start("a"), failed("a", BAD_ROW), skip(), redrive("a"), start("a"), finish("a", attempt=2)
    )
    assert said(again) == (
        f"Run 'r' failed at position 14 ({ENDED}). Its rule was that all of its 2 children succeed."
        " It was decided when it was redriven (position 13)."
        " 1 of 2 children had ended without success by then, so not all of them could succeed any more."
        " The one without success: 'b' was skipped at position 10 without a start."
        " Its limits: 10 children at a time. Since then 1 succeeded."
        " Every child has an outcome since position 17."
        " It was redriven once: at position 12 ('once more'), when it had failed at position 9 and 1 child was put"
        " back."
    )


def test_a_run_that_is_under_way() -> None:
    rule = Strategy(kind="threshold", count=2)
    three = parent("a", "b", "c", strategy=rule, timeout_seconds=60.0)
    going = three.given(start("a"), failed("a", BAD_ROW), pause())
    assert said(going) == (
        "Run 'r' is running, and paused since position 11 ('lunch')."
        " Its rule is that at least 2 of its 3 children succeed."
        " 0 of 3 children succeeded so far; 1 ended without success and 2 wait for a start."
        " The one without success: 'a' failed at position 10 after 1 attempt (ValueError: bad row)."
        " 2 children are still open: 'b' (not started); 'c' (not started)."
        " It succeeds once 2 more children succeed. It fails once 1 more child ends without success."
        " Its limits: 10 children at a time, 60 s in all."
        " It may be cancelled at any time, and its own time is up at 2023-11-14 22:14:20 UTC."
    )


def test_a_run_that_more_children_may_be_added_to() -> None:
    assert said(parent("a", strategy=ANY, still_open=True)) == (
        "Run 'r' has not begun. Its rule is that at least 1 of its children (1 so far) succeeds."
        " 0 of 1 child succeeded so far; 1 waits for a start. 1 child is still open: 'a' (not started)."
        " It succeeds once 1 more child succeeds."
        " No number of children that end without success decides it while more may be added."
        " More children may be added; were it closed now, that would not decide it."
        " Its limits: 10 children at a time. It may be cancelled at any time."
    )


def test_texts_of_users_stay_on_one_line_and_short() -> None:
    assert quoted("a\n\tb") == "'a b'"
    assert len(quoted("x" * 10_000)) < 300
    over = parent("a").given(start("a"), failed("a", json.dumps({"type": "E", "message": "m\n" * 5_000})))
    assert len(said(over)) < 1_000


@pytest.mark.parametrize(
    ("strategy", "tally", "words"),
    [
        (ALL, Tally(0, 0, 0, started=False), "all of its children succeed (there are none)"),
        (ALL, Tally(1, 0, 0, started=False, open_membership=True), "all of its children (1 so far) succeed"),
        (
            Strategy(kind="threshold", percent=33.3, max_failures_percent=10.0),
            Tally(30, 0, 0, started=False),
            "at least 33.3%, which is 10 of its 30 children, succeed,"
            " and that no more than 10% of them, which is 3, end without success",
        ),
        (
            Strategy(kind="threshold", count=1, max_failures_percent=5.0, min_finished=20),
            Tally(1_000, 0, 0, started=False),
            "at least 1 of its 1,000 children succeeds, and that no more than 5% of those that have ended did so"
            " without success, judged once 20 have ended",
        ),
    ],
)
def test_rules_in_words(strategy: Strategy, tally: Tally, words: str) -> None:
    assert rule_words(strategy, tally) == words
