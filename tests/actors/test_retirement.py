"""Parents that have nothing left to do: asked to go, and what may come between or get lost."""

from __future__ import annotations

from concurrent.futures import Future

from actors.messages import Append, Claim, Loaded, LoadFailed, MayGo, ParentLeft, Retire, Retired, RetryDue, ToParent
from actors.runtime import Ref
from events.evolve import INITIAL
from tests.actors.crew import MAKING, MISTAKE, Crew
from tests.actors.stage import Probe


def over(crew: Crew) -> Ref:
    """Return a parent that finds that there is no such parent, and is about to say that it may go."""
    crew.tell(ToParent("p", RetryDue))
    ref = crew.live().ref
    ref.tell(Loaded(INITIAL, 0))
    return ref


def ask(crew: Crew) -> None:
    """Let somebody ask for the parent, and the supervisor hear of it in its turn."""
    crew.supervisor.tell(ToParent("p", Claim(MAKING, attach=True, reply=Future())))


def test_a_parent_that_has_something_to_do_after_all_stays(crew: Crew) -> None:
    crew.claim()
    ref = crew.live().ref
    crew.tell(MayGo("p", ref))
    assert crew.live().ref is ref
    assert ref.is_alive()
    assert crew.service("pool").take(ParentLeft) == []
    crew.tell(Retired("p", ref, gone=True))
    assert crew.live().ref is ref, "it has answered"


def test_a_wish_to_go_that_is_told_twice_loses_nothing_that_came_between(crew: Crew) -> None:
    first = over(crew)
    crew.lose(MayGo)
    crew.supervisor.tell(MayGo("p", first))
    ask(crew)
    crew.tell(MayGo("p", first))
    assert not first.is_alive()
    crew.live().ref.tell(Loaded(INITIAL, 0))
    crew.stage.play()
    assert len(crew.service("journal").take(Append)) == 1


def test_the_answer_of_an_earlier_incarnation_is_not_taken_for_its_own(crew: Crew) -> None:
    first = over(crew)
    crew.lose(MayGo)
    crew.tell(MayGo("p", first), Retired("p", Probe(crew.stage).actor_ref, gone=True))
    assert crew.service("pool").take(ParentLeft) == [ParentLeft("p", first)]


def test_a_parent_that_was_not_told_to_go_is_told_again(crew: Crew) -> None:
    first = over(crew)
    crew.lose(Retire)
    crew.stage.play()
    assert first.is_alive()
    crew.look(1.0)
    assert not first.is_alive()
    assert crew.directory.live == {}


def test_a_parent_that_nobody_asked_to_go_is_left_alone(crew: Crew) -> None:
    first = over(crew)
    crew.lose(MayGo)
    crew.look(1.0)
    assert first.is_alive()


def test_a_parent_that_went_unheard_is_gone_and_what_came_meanwhile_begins_another(crew: Crew) -> None:
    first = over(crew)
    crew.lose(Retired)
    crew.stage.play()
    assert list(crew.directory.live) == ["p"]
    ask(crew)
    crew.look(1.0)
    second = crew.live().ref
    assert second is not first
    assert second.is_alive()
    assert crew.ring() == [], "it did not die"
    assert crew.service("pool").take(ParentLeft) == [ParentLeft("p", first)]
    second.tell(Loaded(INITIAL, 0))
    crew.stage.play()
    assert len(crew.service("journal").take(Append)) == 1


def test_a_parent_that_dies_before_it_can_go_is_brought_to_life_again(crew: Crew) -> None:
    first = over(crew)
    crew.lose(Retire)
    first.tell(LoadFailed(MISTAKE))
    crew.stage.play()
    crew.look(1.0)
    assert list(crew.directory.live) == ["p"], "it has not gone"
    assert crew.service("pool").take(ParentLeft) == []
    assert crew.ring() == [0.05]
    assert crew.live().ref.is_alive()
