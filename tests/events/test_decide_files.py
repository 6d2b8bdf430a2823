"""Large payloads: the fact that has one says in which file it lies, and which it is makes work the same or other."""

from __future__ import annotations

import pytest

from events.commands import ChildSpec, FinishAttempt, RecordLateEnding, RecordResponse
from events.errors import ContentConflictError
from events.facts import AttemptEndedLate, ChildFinished, ChildLimits, ChildPrepared, ChildRetryScheduled
from events.payload_files import ref_to
from tests.events.scenario import AT, Given, create, finish, parent, prepare, spec, start

INPUT, OUTPUT, ERROR = ref_to(b"input"), ref_to(b"output"), ref_to(b"error")


def asked(child_id: str = "a") -> ChildSpec:
    return ChildSpec(child_id=child_id, task="work", input="", input_file=INPUT)


def test_a_child_is_prepared_with_the_file_of_its_input() -> None:
    made = Given().given(create())
    fact = ChildPrepared(at=AT, child_id="a", index=0, task="work", input="", input_file=INPUT)
    assert made.when(prepare(asked())) == [fact]


def test_the_same_input_is_the_same_work_wherever_it_lies() -> None:
    made = Given().given(create(), prepare(asked()))
    assert made.when(prepare(asked())) == []
    assert made.when(prepare(spec("a", input_text="input"))) == []
    plain = Given().given(create(), prepare(spec("a", input_text="input")))
    assert plain.when(prepare(asked())) == []
    for other in (spec("a"), asked().model_copy(update={"input_file": OUTPUT})):
        with pytest.raises(ContentConflictError, match="other work"):
            made.when(prepare(other))


def test_an_end_is_on_record_with_its_files() -> None:
    made = parent("a", "b").given(start("a"))
    end = FinishAttempt(
        at=AT, child_id="a", attempt=1, outcome="failed", error="{}", output_file=OUTPUT, error_file=ERROR
    )
    fact = ChildFinished(
        at=AT, child_id="a", attempt=1, outcome="failed", error="{}", output_file=OUTPUT, error_file=ERROR
    )
    assert made.when(end)[0] == fact


def test_a_failure_that_is_tried_again_is_on_record_with_its_file() -> None:
    made = parent(spec("a", ChildLimits(max_attempts=2))).given(start("a"))
    end = FinishAttempt(at=AT, child_id="a", attempt=1, outcome="failed", error="{}", error_file=ERROR)
    fact = ChildRetryScheduled(at=AT, child_id="a", attempt=1, error="{}", error_file=ERROR, not_before=AT)
    assert made.when(end) == [fact]


def test_a_response_is_on_record_with_its_files() -> None:
    response = RecordResponse(at=AT, child_id="a", outcome="failed", error="{}", output_file=OUTPUT, error_file=ERROR)
    fact = ChildFinished(
        at=AT, child_id="a", attempt=1, outcome="failed", error="{}", output_file=OUTPUT, error_file=ERROR
    )
    assert parent("a", "b").when(response)[1] == fact


def test_a_late_end_is_on_record_with_its_files() -> None:
    made = parent("a").given(start("a"), finish("a", "timed_out"))
    late = RecordLateEnding(
        at=AT, child_id="a", attempt=1, outcome="failed", error="{}", output_file=OUTPUT, error_file=ERROR
    )
    fact = AttemptEndedLate(
        at=AT, child_id="a", attempt=1, outcome="failed", error="{}", output_file=OUTPUT, error_file=ERROR
    )
    assert made.when(late) == [fact]
