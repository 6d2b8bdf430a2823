"""What is read of a stream for one decision: the same is decided as on all of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given, settings
from tests.events.histories import History, histories
from tests.events.scenario import close, create, prepare, release

from events.commands import CancelChild, StartChild
from events.decide import decide_all
from events.errors import StoreDamagedError, UsageError
from events.evolve import fold
from events.facts import Fact
from events.log import EventLog, FactBatch, MemoryRecorder, Recorder
from events.log.drawing import End, end_of, outlined, portrayed, sketched
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


def test_a_child_is_found_by_any_id_that_it_may_have(recorder: Recorder) -> None:
    facts, _ = decide_all(fold(()), [create(), prepare(*ODD_IDS), release(), close()])
    log, end = kept(facts, recorder)
    sketch = sketched(log, "p", end)
    for child_id in ODD_IDS:
        [found] = portrayed(log, "p", end, sketch, child_id).state.children
        assert found == child_id
    assert not portrayed(log, "p", end, sketch, "nobody").state.children


def test_only_so_much_is_read_as_was_there(recorder: Recorder) -> None:
    facts, state = decide_all(fold(()), [create(), prepare("a", "b"), release(), close()])
    log, end = kept(facts, recorder)
    more, _ = decide_all(state, [StartChild(at=end.at, child_id="a", worker="w")])
    log.append([FactBatch("p", len(facts), more)])
    assert sketched(log, "p", end).state.running_count == 0
    assert outlined(log, "p", end).version == len(facts)
    portrait = portrayed(log, "p", end, sketched(log, "p", end), "a")
    assert "a" not in portrait.state.running
    portrait.add_fact("ChildStarted", more[0])
    assert (portrait.version, portrait.state.running_count) == (len(facts) + 1, 1)
    assert "a" in portrait.state.running


def test_a_parent_that_is_not_there_has_no_end(recorder: Recorder) -> None:
    assert end_of(EventLog(recorder), "p") is None


def test_a_stream_that_lacks_events_is_damaged() -> None:
    facts, _ = decide_all(fold(()), [create(), prepare("a", "b"), release(), close()])
    recorder = MemoryRecorder()
    log, end = kept(facts, recorder)
    del recorder._streams["p"].rows[2]
    with pytest.raises(StoreDamagedError, match="missing"):
        sketched(log, "p", end)
    del recorder._streams["p"].rows[-1]
    with pytest.raises(StoreDamagedError, match="missing"):
        end_of(log, "p")
