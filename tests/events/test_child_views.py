"""What people see of a child while it runs, and of payloads that lie in files."""

from __future__ import annotations

import pytest

from events.errors import StoreDamagedError
from events.facts import AttemptLost, ChildFinished, ChildPrepared, ChildRetryScheduled, ChildStarted, Fact
from events.payload_files import PayloadRef, ref_to
from events.strategy import ANY
from events.views import ChildView, child_views
from tests.events.scenario import AT, finish, lose, parent, progress, redrive, start

INPUT, OUTPUT, ERROR = ref_to(b"input"), ref_to(b"output"), ref_to(b"error")
FILED = ChildPrepared(at=AT, child_id="a", index=0, task="t", input="", input_file=INPUT)
PLAIN = FILED.model_copy(update={"input": "[1]", "input_file": None})
START = ChildStarted(at=AT, child_id="a", attempt=1, worker="w")
TEXTS = {INPUT: '"in"', OUTPUT: '"out"', ERROR: '"err"'}


def seen(*facts: Fact) -> ChildView:
    """Return a child, with what lies in files fetched."""
    (view,) = child_views(facts, lambda child_id, what, ref: TEXTS[ref])
    return view


def test_what_lies_in_files_is_fetched() -> None:
    done = ChildFinished(at=AT, child_id="a", attempt=1, outcome="failed", output_file=OUTPUT, error_file=ERROR)
    view = seen(FILED, START, done)
    assert (view.input, view.output, view.error) == ('"in"', "out", "err")
    again = ChildRetryScheduled(at=AT, child_id="a", attempt=1, error="{}", error_file=ERROR, not_before=AT)
    assert seen(PLAIN, START, again).error == "err"


def test_what_is_fetched_is_asked_for_by_child_and_kind() -> None:
    asked: list[tuple[str, str, PayloadRef]] = []

    def fetch(child_id: str, what: str, ref: PayloadRef) -> str:
        asked.append((child_id, what, ref))
        return "null"

    done = ChildFinished(at=AT, child_id="a", attempt=1, outcome="failed", output_file=OUTPUT, error_file=ERROR)
    child_views([FILED, START, done], fetch)
    assert sorted(asked) == [("a", "error", ERROR), ("a", "input", INPUT), ("a", "output", OUTPUT)]


def test_what_came_last_counts_wherever_it_lies() -> None:
    again = ChildRetryScheduled(at=AT, child_id="a", attempt=1, error="{}", error_file=ERROR, not_before=AT)
    done = ChildFinished(at=AT, child_id="a", attempt=2, outcome="failed", output="1", error='"other"')
    view = seen(PLAIN, START, again, done)
    assert (view.input, view.output, view.error) == ("[1]", 1, "other")


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ([FILED], "input"),
        ([PLAIN, ChildFinished(at=AT, child_id="a", attempt=0, outcome="failed", output_file=OUTPUT)], "output"),
        ([PLAIN, ChildFinished(at=AT, child_id="a", attempt=0, outcome="failed", error_file=ERROR)], "error"),
    ],
)
def test_where_there_are_no_files_what_lies_in_one_is_damage(facts: list[Fact], what: str) -> None:
    with pytest.raises(StoreDamagedError, match=f"child 'a': its {what} lies in a file"):
        child_views(facts)


def test_how_far_a_child_is_shows_while_it_runs_and_no_longer() -> None:
    made = parent("a", "b", strategy=ANY).given(start("a"))
    assert [(view.progress, view.message) for view in child_views(made.facts)] == [(None, None)] * 2
    made = made.given(progress("a", 0.25, "a quarter"), progress("a", 0.5, "half"))
    (view, other) = child_views(made.facts)
    assert (view.progress, view.message, view.status, view.attempts) == (0.5, "half", "running", 1)
    assert (other.progress, other.message) == (None, None)
    for ending in (lose("a"), finish("a", "failed")):
        view = child_views(made.given(ending).facts)[0]
        assert (view.progress, view.message) == (None, None)


def test_a_redriven_child_waits_with_what_went_wrong_to_be_seen() -> None:
    made = parent("a").given(start("a"), finish("a", "failed"), redrive())
    (view,) = child_views(made.facts)
    assert (view.status, view.finished_at, view.error, view.attempts) == ("pending", None, {"type": "Wrong"}, 1)


def test_a_loss_leaves_the_error_of_the_attempt_before_to_be_seen() -> None:
    again = ChildRetryScheduled(at=AT, child_id="a", attempt=1, error='"first"', not_before=AT)
    lost = AttemptLost(at=AT, child_id="a", attempt=2, reason="killed")
    view = seen(PLAIN, START, again, START.model_copy(update={"attempt": 2}), lost)
    assert (view.status, view.error, view.attempts) == ("pending", "first", 2)
