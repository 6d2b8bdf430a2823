"""What a parent takes from its record when it comes to life, and that it does nothing before."""

from __future__ import annotations

from actors.directory import Tenure
from actors.journal import JournalActor
from actors.messages import Appended, Load, Loaded
from actors.parent import ParentActor
from actors.runtime import Begin, deliver
from events.decide import decide_all
from events.evolve import INITIAL
from tests.actors.scenes import Waiting, making
from tests.actors.stage import ME, Scene
from tests.events.scenario import AT, SECOND, take


def test_what_overtakes_the_first_message_waits_until_the_stream_is_read() -> None:
    scene = Scene()
    stage, waiting = scene.stage, Waiting(*making())
    ref = stage.spawn(lambda rt: ParentActor(rt, stage.note_death, "q", scene.around, scene.observers, Tenure()))
    ref.tell(waiting.request)
    stage.queue.rotate(1)
    deliver(*stage.queue.popleft())
    assert [envelope.message for _, envelope in stage.queue] == [Begin]
    stage.play()
    assert scene.loader.take(Load)[-1] == Load("q", ref, 0.0)
    assert scene.journal.heard == []
    assert not waiting.reply.done()


def test_a_second_answer_of_the_loader_is_of_no_account_while_the_first_facts_are_under_way() -> None:
    scene = Scene()
    scene.loaded()
    reply = scene.claim(*making())
    facts = scene.append()
    scene.pool.heard.clear()
    scene.tell(Loaded(decide_all(INITIAL, making())[1], 9))
    assert scene.observers.latest is None
    assert scene.pool.heard == []
    scene.tell(Appended(len(facts), 77))
    assert scene.observers.latest == (reply.result(0), 77)


def test_whether_we_work_on_a_parent_is_known_once_it_is_read() -> None:
    tenure = Tenure()
    scene = Scene(tenure=tenure)
    assert tenure.working is None
    scene.loaded(*making(), take(ME))
    assert tenure.working is False, "that was another life"
    scene.claim(*making())
    scene.record()
    assert tenure.working


def test_time_goes_on_from_the_latest_on_record() -> None:
    scene = Scene()
    state = decide_all(INITIAL, making())[1]
    scene.tell(Loaded(state, state.version, AT + 60 * SECOND))
    scene.claim(*making())
    assert [fact.at for fact in scene.append()] == [AT + 60 * SECOND]


def test_a_parent_and_its_journal_live_on_one_lane() -> None:
    assert ParentActor.lane == JournalActor.lane, "so that an append switches no thread"
