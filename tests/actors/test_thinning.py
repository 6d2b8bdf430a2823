"""What attempts say of their progress, and how much of it reaches the record."""

from __future__ import annotations

from actors.executors.work import Progress
from actors.messages import Tick
from actors.thinning import PROGRESS_SECONDS, Thinning
from events.facts import ChildProgressed
from tests.actors.scenes import GOOD, end, key, say, with_slots


def test_the_first_word_goes_through_at_once_and_of_the_next_ones_the_latest() -> None:
    thinning = Thinning()
    thinning.offer({key("a"): Progress(0.1)})
    assert thinning.take(0.0) == {key("a"): Progress(0.1)}
    for part in (0.2, 0.3, 0.4):
        thinning.offer({key("a"): Progress(part)})
        assert thinning.take(PROGRESS_SECONDS * part) == {}
    assert thinning.take(PROGRESS_SECONDS) == {key("a"): Progress(0.4)}
    assert thinning.take(PROGRESS_SECONDS * 9) == {}, "nothing was said since"


def test_each_attempt_is_thinned_out_by_itself() -> None:
    thinning = Thinning()
    thinning.offer({key("a"): Progress(0.1)})
    thinning.take(0.0)
    thinning.offer({key("a"): Progress(0.2), key("b"): Progress(0.5), key("a", 2): Progress(0.0)})
    assert thinning.take(0.1) == {key("b"): Progress(0.5), key("a", 2): Progress(0.0)}


def test_what_is_over_is_forgotten() -> None:
    thinning = Thinning()
    thinning.offer({key("a"): Progress(0.1)})
    thinning.take(0.0)
    thinning.offer({key("a"): Progress(0.2)})
    thinning.forget([key("a"), key("b")])
    assert thinning.take(100.0) == {}


def test_a_parent_puts_progress_on_record_and_the_rest_with_its_next_look() -> None:
    scene = with_slots(2)
    say(scene, "a", Progress(0.25, "a quarter"))
    (fact,) = scene.record()
    assert isinstance(fact, ChildProgressed)
    assert (fact.child_id, fact.attempt, fact.progress, fact.message) == ("a", 1, 0.25, "a quarter")
    say(scene, "a", Progress(0.5))
    assert scene.is_quiet
    scene.stage.seconds += PROGRESS_SECONDS
    scene.tell(Tick)
    (fact,) = scene.record()
    assert isinstance(fact, ChildProgressed)
    assert fact.progress == 0.5


def test_progress_of_what_does_not_run_is_passed_over() -> None:
    scene = with_slots(2)
    say(scene, "c", Progress(0.5))
    say(scene, "a", Progress(0.5), attempt=2)
    say(scene, "nobody", Progress(0.5))
    assert scene.is_quiet


def test_progress_that_comes_with_the_end_is_not_on_record() -> None:
    scene = with_slots(2)
    end(scene, ("a", 1, GOOD))
    scene.record()
    say(scene, "a", Progress(1.0))
    assert not [fact for fact in scene.journal.heard if isinstance(fact, ChildProgressed)]
