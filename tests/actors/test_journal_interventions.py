"""What is asked of another process's parent: the journal decides it in the store, and says what came of it."""

from __future__ import annotations

from actors.messages import AppendFailed, Conflicted, Intervene, Intervened
from events.commands import Command
from events.decide import decide_all
from events.errors import ClosedError, StepOrderError
from events.evolve import INITIAL
from events.facts import CancelRequested, ParentDecided
from events.log.store import FactBatch
from events.state import ParentState
from tests.actors.service_set import MAKING, Counting, Set
from tests.events.scenario import cancel, cancel_child, names, pause, progress, start, take


def theirs(scene: Set) -> ParentState:
    """Put a parent of somebody else on record, and return its state."""
    facts, state = decide_all(INITIAL, [*MAKING, take("ann"), start("a")])
    scene.log.append([FactBatch("p", 0, facts)])
    return state


def more(scene: Set, state: ParentState, *commands: Command) -> None:
    """Let its owner put something on record."""
    scene.log.append([FactBatch("p", state.version, decide_all(state, commands)[0])])


def test_what_is_asked_is_decided_on_the_record_as_it_is(scene: Set) -> None:
    ref, state = scene.parent("p"), theirs(scene)
    more(scene, state, progress("a"))
    scene.tell(scene.journal, Intervene("p", state, ((cancel(),),), 7, ref))
    [said] = scene.parents["p"].heard
    assert isinstance(said, Intervened)
    assert (said.number, said.position, said.refused) == (7, said.state.version, {})
    assert names(said.facts)[0] == "ChildProgressed", "what was missed comes first"
    assert [type(fact) for fact in said.facts[1:3]] == [CancelRequested, ParentDecided]
    assert [record.fact for record in scene.log.read("p", after_version=state.version)] == list(said.facts)


def test_what_is_refused_is_said_by_its_place(scene: Set) -> None:
    ref, state = scene.parent("p"), theirs(scene)
    scene.tell(scene.journal, Intervene("p", state, ((pause(), cancel_child("nobody")), (pause(),)), 1, ref))
    [said] = scene.parents["p"].heard
    assert isinstance(said, Intervened)
    assert names(said.facts) == ["Paused"]
    assert [(place, type(error)) for place, error in said.refused.items()] == [(0, StepOrderError)]


def test_where_the_parent_has_changed_hands_nothing_is_decided(scene: Set, counting: Counting) -> None:
    ref, state = scene.parent("p"), theirs(scene)
    more(scene, state, take("bob"))
    before = scene.log.head("p")
    scene.tell(scene.journal, Intervene("p", state, ((cancel(),),), 1, ref))
    assert scene.parents["p"].heard == [Conflicted(state.version)]
    assert scene.log.head("p") == before


def test_where_the_store_cannot_be_used_it_fails_at_the_version_that_was_known(scene: Set) -> None:
    ref, state = scene.parent("p"), theirs(scene)
    scene.log.recorder.close()
    scene.tell(scene.journal, Intervene("p", state, ((cancel(),),), 1, ref))
    [said] = scene.parents["p"].heard
    assert isinstance(said, AppendFailed)
    assert said.expected_version == state.version
    assert isinstance(said.error, ClosedError)
