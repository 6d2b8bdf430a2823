"""Which child starts next: by priority, by keys that have room, and nested ones without a slot."""

from __future__ import annotations

import random

import pytest

from actors.buckets import ThrottleRule
from actors.directory import Tenure
from actors.effects import Effects
from actors.messages import Appended, Conflicted, KeyFree, LoadedNews, Request, Share, Tick
from events.commands import ChildSpec, Command, FinishAttempt, LoseAttempt, Pause, Resume, StartChild
from events.decide import decide_all
from events.evolve import INITIAL
from events.facts import ChildFinished, ChildLimits, ChildStarted
from events.state import NESTED_TASK, NESTED_WORKER, ParentState
from events.strategy import ANY, Outcome
from tests.actors.scenes import BAD, GOOD, begun, child_ids, end, making, shares, state_of
from tests.actors.stage import ME, Scene
from tests.events.scenario import AT, SECOND, create, finish, prepare, release, spec, start, take

HOSTS = (ThrottleRule("host:*", max_running=1),)


def wish(child_id: str, priority: int | None = None, *keys: str) -> ChildSpec:
    return spec(child_id, ChildLimits(priority=priority, keys=keys or None))


def inner(child_id: str, priority: int | None = None) -> ChildSpec:
    return spec(child_id, ChildLimits(priority=priority), task=NESTED_TASK)


def started(scene: Scene) -> list[str]:
    """Put what was decided on record; return who was started."""
    return child_ids(scene.record(), ChildStarted)


def test_the_highest_priority_starts_first_then_by_index() -> None:
    scene = begun(wish("a"), wish("b", 5), wish("c", -1), wish("d", 5), wish("e"))
    scene.allot(3, 1)
    assert started(scene) == ["b", "d", "a"]
    end(scene, ("b", 1, GOOD), ("a", 1, GOOD))
    assert started(scene) == ["e", "c"]


def test_within_a_priority_those_to_run_again_come_first_the_one_that_is_due_for_longest_before() -> None:
    scene = begun(
        *(spec(name, ChildLimits(priority=1, max_attempts=2)) for name in "abc"), wish("d", 1), wish("e", 2), wish("f")
    )
    scene.allot(4, 1)
    assert started(scene) == ["e", "a", "b", "c"]
    end(scene, ("c", 1, BAD), ("a", 1, BAD))
    assert started(scene) == ["d", "f"], "a retry is on record before it starts again"
    end(scene, ("b", 1, GOOD), ("e", 1, GOOD))
    assert started(scene) == ["c", "a"]


TWO_OF_ONE = (wish("a", 0, "host:x"), wish("b", 0, "host:x"))


def test_children_whose_key_is_taken_are_passed_over_until_it_is_given_back() -> None:
    scene = begun(
        wish("a", 0, "host:x"), wish("b", 0, "host:x"), wish("c", 0, "host:y"), wish("d"), scene=Scene(throttles=HOSTS)
    )
    scene.allot(4, 1)
    assert started(scene) == ["a", "c", "d"]
    assert shares(scene)[-1][0] == 3, "the one that is held back wants no slot"
    end(scene, ("c", 1, GOOD))
    assert child_ids(scene.record(), ChildStarted) == [], "another host makes no difference"
    end(scene, ("a", 1, GOOD))
    assert child_ids(scene.record(), ChildFinished) == ["a"]
    assert shares(scene)[-1][0] == 2, "a slot is asked for again as soon as the key is free"
    scene.allot(2, 2)
    assert started(scene) == ["b"]


def test_a_child_with_several_keys_needs_room_in_all_of_them() -> None:
    scene = begun(
        wish("a", 0, "host:x"),
        wish("b", 0, "host:y", "host:x"),
        wish("c", 0, "host:y"),
        wish("d", 0, "host:x", "host:z"),
        scene=Scene(throttles=HOSTS),
    )
    scene.allot(4, 1)
    assert started(scene) == ["a", "c"]
    end(scene, ("a", 1, GOOD))
    scene.record()
    scene.allot(4, 2)
    assert started(scene) == ["d"], "b waits for both of its keys, and keeps nobody from using one of them"
    end(scene, ("c", 1, GOOD), ("d", 1, GOOD))
    scene.record()
    scene.allot(4, 3)
    assert started(scene) == ["b"]


def test_keys_that_nobody_limits_make_no_difference() -> None:
    scene = begun(wish("a", None, "disk"), wish("b", None, "disk"), scene=Scene(throttles=HOSTS))
    scene.allot(2, 1)
    assert started(scene) == ["a", "b"]
    assert shares(scene)[-1][0] == 2


def test_a_nested_parent_needs_a_place_and_no_slot() -> None:
    scene = begun("a", inner("n"), "b", inner("m"), max_workers=3)
    facts = scene.record()
    assert [(fact.child_id, fact.worker) for fact in facts if isinstance(fact, ChildStarted)] == [
        ("n", NESTED_WORKER),
        ("m", NESTED_WORKER),
    ]
    scene.allot(3, 1)
    assert started(scene) == ["a"], "only one place is left"
    assert scene.is_quiet


def test_a_nested_parent_that_comes_in_the_turn_that_frees_a_slot_takes_none() -> None:
    scene = Scene()
    scene.loaded()
    scene.claim(create(max_workers=1), prepare("a"), release())
    scene.record()
    scene.allot(1, 1)
    assert started(scene) == ["a"]
    scene.ref.tell(Request((prepare(inner("n")), release())))
    end(scene, ("a", 1, GOOD))
    assert child_ids(scene.append(), ChildFinished) == ["a"]
    scene.tell(Appended(scene.sent.expected_version + len(scene.sent.facts), 99))
    [start_of_n] = [fact for fact in scene.record() if isinstance(fact, ChildStarted)]
    assert (start_of_n.child_id, start_of_n.worker) == ("n", NESTED_WORKER)


def test_a_nested_parent_leaves_the_slot_to_a_leaf_that_starts_in_the_same_turn() -> None:
    scene = begun("x", inner("m"), inner("n"), "a", max_workers=2, strategy=ANY)
    assert started(scene) == ["m"]
    scene.allot(1, 1)
    assert started(scene) == ["x"]
    end(scene, ("x", 1, BAD), ("m", 1, BAD))
    assert started(scene) == ["n", "a"]


def test_a_child_whose_whole_time_is_up_when_it_is_to_start_leaves_its_place_to_the_next_one() -> None:
    late = spec("a", ChildLimits(priority=1, total_timeout_seconds=10.0))
    scene = begun(late, wish("b"), wish("c"), max_workers=1, strategy=ANY)
    scene.allot(1, 1)
    assert started(scene) == ["a"]
    scene.request(LoseAttempt(at=AT, child_id="a", attempt=1, reason="killed"))
    assert started(scene) == ["b"], "a retry is on record before it starts again"
    scene.stage.at += 20 * SECOND  # by the wall clock alone, which was set forward
    end(scene, ("b", 1, BAD))
    facts = scene.record()
    assert child_ids(facts, ChildFinished) == ["b", "a"]
    assert [(fact.child_id, fact.worker) for fact in facts if isinstance(fact, ChildStarted)] == [("c", "1")]


def test_room_that_a_parent_was_told_of_and_cannot_use_is_passed_on_after_its_turn() -> None:
    scene = Scene(throttles=HOSTS)
    throttles = scene.around.throttles
    assert throttles is not None
    [bucket] = throttles.buckets(("host:x",))
    throttles.take("other", "z", [bucket])
    begun(wish("a", 0, "host:x"), scene=scene)
    scene.request(Pause(at=AT, reason="lunch"))
    scene.record()
    throttles.wait(bucket, "third", scene.supervisor.actor_ref)
    throttles.give("other", "z")
    scene.stage.play()
    assert scene.supervisor.take(KeyFree) == [KeyFree(bucket)]


def test_with_no_free_place_nothing_starts() -> None:
    scene = begun("a", inner("n", 1), max_workers=1)
    assert started(scene) == ["n"]
    scene.allot(1, 1)
    assert scene.is_quiet


def test_the_last_place_is_kept_for_a_leaf_that_comes_first_and_waits_for_a_slot() -> None:
    scene = begun("a", inner("n"), max_workers=1)
    assert scene.is_quiet
    assert shares(scene)[-1][0] == 1
    scene.allot(1, 1)
    assert started(scene) == ["a"]
    scene = begun("a", inner("n"), max_workers=2)
    assert started(scene) == ["n"]
    scene.allot(1, 1)
    assert started(scene) == ["a"]


def test_a_paused_parent_starts_nothing_and_goes_on_where_it_was() -> None:
    scene = begun(wish("a"), wish("b", 1))
    scene.request(Pause(at=AT, reason="lunch"))
    scene.record()
    assert shares(scene)[-1] == (0, 0)
    scene.allot(1, 1)
    assert scene.is_quiet
    scene.request(Resume(at=AT))
    scene.record()
    scene.allot(1, 2)
    assert started(scene) == ["b"]


def test_what_was_taken_for_a_turn_that_did_not_come_on_record_is_started_by_the_next_one() -> None:
    scene = begun(wish("a", 1, "host:x"), wish("b", 0, "host:x"), wish("c"), scene=Scene(throttles=HOSTS))
    scene.allot(2, 1)
    assert child_ids(scene.append(), ChildStarted) == ["a", "c"]
    scene.tell(Conflicted(scene.sent.expected_version))
    scene.tell(LoadedNews(()))
    scene.allot(2, 2)
    assert started(scene) == ["a"]
    assert started(scene) == ["c"]
    end(scene, ("a", 1, GOOD))
    scene.record()
    scene.allot(2, 3)
    assert started(scene) == ["b"], "and the key was not lost on the way"


def test_a_parent_that_is_read_back_goes_on_in_the_same_order() -> None:
    scene = Scene(tenure=Tenure(working=True), throttles=HOSTS)
    retried = spec("r", ChildLimits(max_attempts=2, initial_seconds=1, priority=3))
    children = (retried, wish("a", 1, "host:x"), wish("b", 2, "host:x"), wish("c"), wish("d", 1))
    scene.loaded(*making(*children), take(ME), start("r"), finish("r", "failed"), start("a"))
    scene.allot(3, 1)
    assert started(scene) == ["d", "c"], "b waits for the key that a holds by the record"
    scene.stage.seconds += 1.0
    scene.stage.at += SECOND
    end(scene, ("d", 1, GOOD))
    assert started(scene) == ["r"]


def test_a_message_that_got_lost_is_made_up_for_by_a_tick() -> None:
    scene = Scene(throttles=HOSTS)
    throttles = scene.around.throttles
    assert throttles is not None
    held = throttles.buckets(("host:x",))
    throttles.take("other", "z", held)
    begun(wish("a", 0, "host:x"), scene=scene)
    scene.allot(1, 1)
    assert scene.is_quiet
    held[0].waiting.clear()  # as if we had been told, and had not heard
    throttles.give("other", "z")
    scene.stage.play()
    assert scene.is_quiet
    scene.pool.heard.clear()
    scene.tell(Tick)
    assert scene.pool.take(Share)[-1].wanted == 1
    scene.allot(1, 2)
    assert started(scene) == ["a"]


# Against a model: whatever happened, the next one is the best of those that may start


def best(state: ParentState, due: list[str], leaves: int, places: int = 50) -> list[str]:
    """Return, of every kind that may start, who is first; nobody where the last place is for one without a slot."""
    found: list[tuple[int, bool, int, str]] = []
    without_slot: set[str] = set()
    for child_id, child in state.children.items():
        prepared = child.prepared
        new = child.untouched
        if prepared is None or child.phase != "waiting" or (not new and child_id not in due):
            continue
        if prepared.task != NESTED_TASK and leaves <= 0:
            if places > 1:
                continue
            without_slot.add(child_id)
        priority = (prepared.limits and prepared.limits.priority) or 0
        found.append((-priority, new, child.place if new else due.index(child_id), child_id))
    ordered = [child_id for *_, child_id in sorted(found)]
    return [] if ordered and ordered[0] in without_slot else ordered


@pytest.mark.parametrize("seed", range(40))
def test_at_every_step_the_best_child_is_next_after_a_death_too(seed: int) -> None:
    chance = random.Random(seed)
    children = [
        spec(
            f"c{number}",
            ChildLimits(priority=chance.choice((None, 1, 2, -1)), max_attempts=3),
            task=chance.choice(("work", "work", NESTED_TASK)),
        )
        for number in range(chance.randint(1, 12))
    ]
    children.append(inner("n"))
    _, state = decide_all(INITIAL, (*making(*children, max_workers=50, on_decided="continue"), take(ME)))
    bench = Bench(state)
    for _ in range(60):
        if chance.random() < 0.1:
            bench.die()
        leaves, places = chance.choice((0, 1, 1, 3)), chance.choice((1, 2, 50))
        if bench.backlog.plain:  # what is left has no priority: the state alone says who is next
            assert bench.backlog.some(bench.state, AT, 1) == best(bench.state, bench.due(), 1)[:1]
            continue
        expected = best(bench.state, bench.due(), leaves, places)
        following = bench.backlog.take(bench.state, leaves, places)
        assert (following and following.child_id) == (expected[0] if expected else None)
        if following is not None:
            if chance.random() < 0.2:
                bench.backlog.settle(started=False)
                bench.backlog.end_turn(in_vain=True)
            else:
                bench.decide(StartChild(at=AT, child_id=following.child_id, worker="w"), settle=True)
        for child_id, running in list(bench.state.running.items()):
            if chance.random() < 0.4:
                bench.decide(*ending(chance, child_id, running.attempt))


def ending(chance: random.Random, child_id: str, attempt: int) -> list[Command]:
    if chance.random() < 0.3:
        return [LoseAttempt(at=AT, child_id=child_id, attempt=attempt, reason="killed")]
    outcome: Outcome = chance.choice(("succeeded", "failed"))
    return [FinishAttempt(at=AT, child_id=child_id, attempt=attempt, outcome=outcome, output=None, error=None)]


class Bench:
    """A backlog by itself, with the retries that it looks at."""

    def __init__(self, state: ParentState) -> None:
        self.scene = Scene()
        self.state = state
        self.die()

    def die(self) -> None:
        """Let another actor take over, which knows nothing but the state."""
        effects = Effects("p", self.scene.ref, self.scene.stage, self.scene.around, self.scene.observers, Tenure())
        effects.begin(self.state, 1, AT)
        self.effects, self.backlog = effects, effects.backlog

    def due(self) -> list[str]:
        return list(self.effects.retries.due())

    def decide(self, *commands: Command, settle: bool = False) -> None:
        facts, self.state = decide_all(self.state, commands)
        if settle:
            self.backlog.settle(started=True)
            self.backlog.end_turn(in_vain=False)
        self.effects.cause(facts, self.state, 1, {}, mine=True, ago_seconds=0.0)


def test_what_is_left_when_all_is_over_is_nothing() -> None:
    scene = begun(*(wish(name, None, "host:x") for name in "abc"), scene=Scene(throttles=HOSTS))
    for number in range(1, 4):
        scene.allot(1, number)
        scene.record()
        [running] = list(state_of(scene).running)
        end(scene, (running, 1, GOOD))
        scene.record()
    throttles = scene.around.throttles
    assert throttles is not None
    assert throttles._held == {}
    assert state_of(scene).settled
