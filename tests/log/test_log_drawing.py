"""What is read of a stream for one decision: the same is decided as on all of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis.strategies import booleans
from tests.events.histories import History, histories
from tests.events.scenario import change, close, create, finish, pause, prepare, release, start, take

from events.commands import CancelChild, ChildSpec, CreateChildren, PrepareChildren, StartChild
from events.decide import decide_all
from events.errors import Place, StoreDamagedError, UsageError
from events.evolve import fold
from events.facts import ChildCreated, ChildPrepared, Fact, Within
from events.log import EventLog, FactBatch, MemoryRecorder, Recorder
from events.log.drawing import End, end_of, facts_about, joined, outlined, portrayed, prepared_of, sketched
from events.state import ParentState
from events.views import counts

ODD_IDS = ("a", 'quo"te', "back\\slash", "a/b", "é中", "a b", '"child_id":"a"')


def decision(state: ParentState, command: CancelChild) -> object:
    try:
        return decide_all(state, [command])[0]
    except UsageError as error:
        return str(error)


def kept(facts: list[Fact], recorder: Recorder) -> tuple[EventLog, End]:
    log = EventLog(recorder)
    log.append([FactBatch("p", 0, facts)])
    end = end_of(log, "p")
    assert end is not None
    return log, end


def prefixes(history: History) -> Iterator[list[Fact]]:
    for version in sorted({len(history.facts), len(history.facts) // 2, *islice(history.ends, 3)}):
        if version:
            yield list(history.facts[:version])


@given(history=histories())
@settings(max_examples=100, deadline=None, print_blob=True)
def test_what_is_drawn_is_what_all_of_the_stream_adds_up_to(history: History) -> None:
    for facts in prefixes(history):
        log, end = kept(facts, MemoryRecorder())
        state, sketch = fold(facts), sketched(log, "p", end)
        assert (end.version, end.at) == (len(facts), facts[-1].at)
        assert outlined(log, "p", end).version == sketch.version == len(facts)
        assert counts(sketch.state) == counts(state)
        assert (sketch.state.started_at, sketch.state.status) == (state.started_at, state.status)
        for child_id in islice(state.children, 4):
            command = CancelChild(at=end.at, child_id=child_id, reason="x")
            portrait = portrayed(log, "p", end, sketch, child_id)
            assert decision(portrait.state, command) == decision(state, command)


def adding(state: ParentState, at: int, specs: list[ChildSpec]) -> object:
    try:
        return decide_all(state, [PrepareChildren(at=at, children=tuple(specs)), CreateChildren(at=at)])[0]
    except UsageError as error:
        return str(error)


@given(history=histories(), many=booleans())
@settings(max_examples=100, deadline=None, print_blob=True)
def test_children_are_added_to_what_is_drawn_as_to_all_of_the_stream(history: History, *, many: bool) -> None:
    for facts in prefixes(history):
        log, end = kept(facts, MemoryRecorder())
        state = fold(facts)
        asked = [fact for fact in facts if isinstance(fact, ChildPrepared)]
        known = [
            ChildSpec(child_id=fact.child_id, task=fact.task, input=fact.input, limits=fact.limits)
            for fact in (asked if many else asked[-2:])
        ]
        specs = [*known, *(ChildSpec(child_id=f"new {n}", task="t", input="{}") for n in range(7 if many else 1))]
        for base in (outlined(log, "p", end), sketched(log, "p", end)):
            joint = joined(log, "p", end, base, [spec.child_id for spec in specs])
            assert joint.version == len(facts)
            for some in (specs, known, specs[-1:]):
                assert adding(joint.state, end.at, some) == adding(state, end.at, some)


def test_one_that_has_succeeded_is_known_by_what_it_was_to_do(recorder: Recorder) -> None:
    begun = [create(), prepare("a", "b"), release(), start("a"), finish("a")]
    log, end = kept(decide_all(fold(()), begun)[0], recorder)
    for ids in (["a"], ["a", *(f"new {n}" for n in range(9))]):
        state = joined(log, "p", end, outlined(log, "p", end), ids).state
        other = ChildSpec(child_id="a", task="t", input='"another"')
        assert adding(state, end.at, [other]) == "child 'a' was prepared before with other work"


def test_a_child_is_found_by_any_id_that_it_may_have(recorder: Recorder) -> None:
    facts, _ = decide_all(fold(()), [create(), prepare(*ODD_IDS), release(), close()])
    log, end = kept(facts, recorder)
    sketch = sketched(log, "p", end)
    for child_id in ODD_IDS:
        [found] = portrayed(log, "p", end, sketch, child_id).state.children
        assert found == child_id
        [asked] = prepared_of(log, "p", [child_id])
        assert asked.child_id == child_id
    assert {asked.child_id for asked in prepared_of(log, "p", [*ODD_IDS, "nobody"])} == set(ODD_IDS)
    assert not portrayed(log, "p", end, sketch, "nobody").state.children


def test_only_so_much_is_read_as_was_there(recorder: Recorder) -> None:
    facts, state = decide_all(fold(()), [create(), prepare("a", "b"), release(), close()])
    log, end = kept(facts, recorder)
    more, after = decide_all(state, [StartChild(at=end.at, child_id="a", worker="w")])
    later, _ = decide_all(after, [finish("a"), pause()])
    log.append([FactBatch("p", len(facts), [*more, *later])])
    drawn = sketched(log, "p", end).state
    assert (drawn.running_count, drawn.started_at, drawn.succeeded) == (0, None, 0)
    outline = outlined(log, "p", end)
    assert (outline.version, outline.state.paused) == (len(facts), False)
    portrait = portrayed(log, "p", end, sketched(log, "p", end), "a")
    assert "a" not in portrait.state.running
    portrait.add_fact("ChildStarted", more[0])
    assert (portrait.version, portrait.state.running_count) == (len(facts) + 1, 1)
    assert "a" in portrait.state.running


def test_an_end_is_where_the_stream_is_among_all_others(recorder: Recorder) -> None:
    facts, state = decide_all(fold(()), [create(), prepare("a", "b"), release(), close()])
    log, before = kept(facts, recorder)
    log.append([FactBatch("q", 0, facts[:1])])
    more, _ = decide_all(state, [StartChild(at=before.at + 5, child_id="a", worker="w")])
    log.append([FactBatch("p", len(facts), more)])
    assert before == End(len(facts), len(facts), facts[-1].at)
    assert end_of(log, "p") == End(len(facts) + 1, len(facts) + 2, before.at + 5)
    assert end_of(log, "q") == End(1, len(facts) + 1, facts[0].at)


def test_an_outline_has_all_that_happened_to_the_parent_as_a_whole(recorder: Recorder) -> None:
    facts, _ = decide_all(
        fold(()), [create(max_workers=2), prepare("a"), release(), close(), take(), pause(), change(weight=3)]
    )
    log, end = kept(facts, recorder)
    outline = outlined(log, "p", end).state
    assert (outline.max_workers, outline.weight, outline.owner, outline.epoch) == (2, 3, "me", 1)
    assert (outline.paused, outline.membership_closed) == (True, True)


def test_what_names_a_child_of_another_parent_is_not_about_ones_own(recorder: Recorder) -> None:
    within = Within(parent_id="outer", child_id="a", depth=1)
    facts, _ = decide_all(fold(()), [create().model_copy(update={"within": within}), prepare("a", "b"), release()])
    log, _ = kept(facts, recorder)
    assert [type(fact) for fact in facts_about(log, "p", "a")] == [ChildPrepared, ChildCreated]


def test_rows_that_hold_a_text_come_without_the_others(recorder: Recorder) -> None:
    facts, _ = decide_all(fold(()), [create(), prepare("a", "b"), release()])
    log, end = kept(facts, recorder)
    log.append([FactBatch("q", 0, facts)])
    stream = recorder.stream("p")
    assert recorder.holding("p", b'"child_id":"b"', end.position) == [stream[2], stream[4]]
    assert [row.version for row in recorder.holding("p", b'"child_id":"b"', 4)] == [3]
    assert recorder.holding("p", b'"child_id":"c"', end.position) == []


def test_a_parent_that_is_not_there_has_no_end(recorder: Recorder) -> None:
    assert end_of(EventLog(recorder), "p") is None


def test_a_stream_that_lacks_events_is_damaged() -> None:
    facts, _ = decide_all(fold(()), [create(), prepare("a", "b"), release(), close()])
    recorder = MemoryRecorder()
    log, end = kept(facts, recorder)
    outline = outlined(log, "p", end)
    del recorder._streams["p"].rows[2]
    with pytest.raises(StoreDamagedError) as caught:
        sketched(log, "p", end)
    assert caught.value.place == Place("p", None, None, "some of its events are missing")
    with pytest.raises(StoreDamagedError, match="missing"):
        joined(log, "p", end, outline, ["a"])
    del recorder._streams["p"].rows[-1]
    with pytest.raises(StoreDamagedError, match="missing"):
        end_of(log, "p")


def test_an_event_beyond_the_head_does_not_stand_for_the_one_at_the_head() -> None:
    facts, state = decide_all(fold(()), [create(), prepare("a", "b"), release(), close()])
    recorder = MemoryRecorder()
    log, _ = kept(facts, recorder)
    stream = recorder._streams["p"]
    head = stream.head
    more, _ = decide_all(state, [take()])
    log.append([FactBatch("p", len(facts), more)])
    stream.head = head
    del stream.rows[len(facts) - 1]
    with pytest.raises(StoreDamagedError, match="missing"):
        end_of(log, "p")
