"""A parent that is made asks for slots first, so that its first children start in the append that makes it."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from actors.directory import Tenure
from actors.messages import Allotment, Appended, Claim, Conflicted, Hand, Load, Share
from actors.runtime import deliver
from events.commands import Command
from events.errors import OrchestratorError
from events.facts import ChildStarted
from events.state import ParentState
from tests.actors.scenes import child_ids, making, shares, state_of
from tests.actors.stage import Scene
from tests.events.scenario import create, names, prepare, spec


def claimed(scene: Scene, *create: Command) -> Future[ParentState]:
    """Claim a parent, and stop where it has asked for slots."""
    reply: Future[ParentState] = Future()
    scene.ref.tell(Claim(create, False, reply))
    for _ in ("the claim", "the turn that it brings"):
        deliver(*scene.stage.queue.popleft())
    return reply


def test_with_slots_in_time_the_first_children_start_in_the_first_append() -> None:
    scene = Scene()
    scene.loaded()
    scene.pool.take(Share)
    claimed(scene, *making())
    scene.ref.tell(Allotment(2, 1, scene.pool.actor_ref))
    scene.stage.play()
    assert set(shares(scene)) == {(3, 0)}
    facts = scene.append()
    assert names(facts)[-3:] == ["OwnershipTaken", "ChildStarted", "ChildStarted"]
    assert scene.pool.take(Hand) == [], "no work begins before it is on record"
    scene.tell(Appended(len(facts), len(facts)))
    [hand] = scene.pool.take(Hand)
    assert [work.key.child_id for work in hand.run] == ["a", "b"]
    assert state_of(scene).running_count == 2


def test_while_the_first_append_is_under_way_its_children_keep_their_slots() -> None:
    scene = Scene()
    scene.loaded()
    claimed(scene, *making())
    scene.ref.tell(Allotment(2, 1, scene.pool.actor_ref))
    scene.stage.play()
    scene.append()
    scene.pool.take(Share)
    scene.allot(3, 2)
    assert [(share.wanted, share.used) for share in scene.pool.take(Share)] == [(3, 2)]


def test_without_slots_the_parent_is_made_all_the_same() -> None:
    scene = Scene()
    scene.loaded()
    claimed(scene, *making())
    scene.stage.play()
    assert names(scene.record())[-1] == "OwnershipTaken"
    scene.allot(1, 1)
    assert child_ids(scene.record(), ChildStarted) == ["a"]


def test_a_claim_that_is_refused_gives_its_slots_back() -> None:
    scene = Scene()
    scene.loaded()
    scene.pool.take(Share)
    reply = claimed(scene, create(), prepare(spec("a"), spec("a")))
    scene.ref.tell(Allotment(2, 1, scene.pool.actor_ref))
    scene.stage.play()
    with pytest.raises(OrchestratorError):
        reply.result(0)
    assert shares(scene)[-1] == (0, 0)
    assert scene.journal.heard == []


def test_a_parent_whose_id_is_new_is_made_without_a_look_at_the_record() -> None:
    scene = Scene(tenure=Tenure(fresh=True))
    assert scene.loader.heard == []
    scene.claim(*making())
    assert names(scene.append())[0] == "ParentCreated"
    scene.tell(Conflicted(0))
    assert scene.loader.take(Load), "somebody had that id after all"


def test_only_the_first_actor_of_such_a_parent_does_not_look() -> None:
    tenure = Tenure(fresh=True)
    assert Scene(tenure=tenure).loader.heard == []
    assert Scene(tenure=tenure).loader.take(Load)
