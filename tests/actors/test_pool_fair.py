"""The pool between parents of different weight and priority: who gets what is free, who has to give something up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fair_parts import Wish, fair_parts
from actors.messages import Allotment, ParentLeft, Rotate
from actors.pool import SLICE_PARENTS, SLICE_SECONDS, PoolActor
from actors.runtime import Address
from actors.slots import Slots
from tests.actors.stage import Probe, Stage


class Parent(Probe):
    """A parent that uses as many slots as it has, for children that end when the test says so."""

    def __init__(self, stage: Stage, pool: Address, name: str, wanted: int, weight: int, priority: int) -> None:
        super().__init__(stage)
        self.pool, self.name, self.wanted, self.weight, self.priority = pool, name, wanted, weight, priority
        self.slots = Slots()
        self.running = 0
        self.left = wanted
        """How many children it has yet to start."""

    def on_receive(self, message: Any) -> None:
        if isinstance(message, Allotment):
            self.slots.allot(message)
            self.go_on()

    def go_on(self, *, again: bool = False) -> None:
        """Tell the pool, start what may start, and tell it again."""
        self.say(again=again)
        started = max(0, min(self.slots.allotment - self.running, self.left))
        self.running, self.left = self.running + started, self.left - started
        self.say()

    def say(self, *, again: bool = False) -> None:
        share = self.slots.share(
            self.name,
            self.actor_ref,
            self.running + self.left,
            self.running,
            0,
            again=again,
            weight=self.weight,
            priority=self.priority,
        )
        if share is not None:
            self.pool.tell(share)

    def end(self, count: int = 1) -> None:
        """Let children end."""
        self.running -= min(count, self.running)
        self.go_on()


class House:
    """A pool and its parents on a stage."""

    def __init__(self, slots: int) -> None:
        self.stage = Stage()
        self.address = Address()
        self.slots = slots
        self.pool: PoolActor
        supervisor = Address()

        def make(runtime: Any) -> PoolActor:
            self.pool = PoolActor(runtime, self.stage.note_death, slots, lambda _: NOBODY, {}, supervisor, {})
            return self.pool

        self.address.ref = self.stage.spawn(make)
        self.parents: dict[str, Parent] = {}
        self.stage.play()

    def parent(self, name: str, wanted: int = 100, weight: int = 1, priority: int = 0) -> Parent:
        def make(runtime: Any) -> Parent:
            self.parents[name] = Parent(runtime, self.address, name, wanted, weight, priority)
            return self.parents[name]

        self.stage.spawn(make)
        self.parents[name].go_on()
        self.play()
        return self.parents[name]

    def play(self) -> None:
        self.stage.play()
        assert self.stage.deaths == []
        assert sum(parent.running for parent in self.parents.values()) <= self.slots

    def end(self, name: str, count: int = 1) -> None:
        self.parents[name].end(count)
        self.play()

    def slice(self, seconds: float = SLICE_SECONDS) -> None:
        """Let time pass until the pool looks round, if it means to."""
        self.stage.seconds += seconds
        if self.stage.take_timers(Rotate):
            self.address.tell(Rotate)
        self.play()

    def settle(self) -> None:
        """Let slices pass, and children end, until everybody has what it is to have."""
        for _ in range(4):
            self.slice()
            for parent in list(self.parents.values()):
                if parent.slots.allotment < parent.running:
                    self.end(parent.name, parent.running - parent.slots.allotment)
            self.play()

    def take_turn(self) -> str:
        """Let a slice pass and the only child that runs end; say whose child runs then."""
        self.slice()
        [running] = [name for name, parent in self.parents.items() if parent.running]
        self.end(running)
        [running] = [name for name, parent in self.parents.items() if parent.running]
        return running

    @property
    def running(self) -> dict[str, int]:
        return {name: parent.running for name, parent in self.parents.items()}


NOBODY: Any = None
"""No child is handed out here."""


def test_one_parent_alone_has_all_slots_and_no_timer_runs() -> None:
    house = House(8)
    house.parent("a")
    assert house.running == {"a": 8}
    assert house.stage.take_timers(Rotate) == []


def test_a_newcomer_gets_its_part_as_children_of_the_big_one_end_and_nothing_is_stopped() -> None:
    house = House(8)
    house.parent("big")
    house.parent("small", wanted=3)
    assert house.running == {"big": 8, "small": 0}
    house.slice(0.0)
    for ended in range(1, 4):
        house.end("big")
        assert house.running == {"big": 8 - ended, "small": ended}
    house.end("big")
    assert house.running == {"big": 5, "small": 3}, "the small one wants no more"


def test_parts_are_in_proportion_to_weight() -> None:
    house = House(8)
    house.parent("heavy", weight=3)
    house.parent("light")
    house.settle()
    assert house.running == {"heavy": 6, "light": 2}
    house.end("heavy")
    house.end("light")
    assert house.running == {"heavy": 6, "light": 2}, "and stay so: whoever ends a child starts the next one"
    assert house.stage.take_timers(Rotate) == [], "nobody has anything to give up"


def test_a_higher_priority_gets_every_slot_that_comes_free_until_it_wants_no_more() -> None:
    house = House(4)
    house.parent("low", weight=1_000)
    house.parent("high", wanted=3, priority=1)
    house.slice(0.0)
    for ended in range(1, 4):
        house.end("low")
        assert house.running == {"low": 4 - ended, "high": ended}
    house.end("low")
    assert house.running == {"low": 1, "high": 3}
    house.end("high")
    assert house.running == {"low": 2, "high": 2}, "what the higher one has no use for goes to the lower one"


def test_among_those_that_wait_the_higher_priority_is_first() -> None:
    house = House(1)
    house.parent("now", wanted=1)
    house.parent("low", wanted=1)
    house.parent("high", wanted=1, priority=5)
    house.end("now")
    assert house.running == {"now": 0, "low": 0, "high": 1}
    house.end("high")
    assert house.running == {"now": 0, "low": 1, "high": 0}


def test_weight_and_priority_may_change_while_parents_live() -> None:
    house = House(8)
    one, other = house.parent("one"), house.parent("other")
    house.settle()
    assert house.running == {"one": 4, "other": 4}
    one.weight = 3
    one.go_on()
    house.settle()
    assert house.running == {"one": 6, "other": 2}
    other.priority = 1
    other.go_on()
    house.settle()
    assert house.running == {"one": 0, "other": 8}


def test_where_there_are_fewer_slots_than_parents_they_take_turns() -> None:
    house = House(1)
    for name in "abc":
        house.parent(name)
    served: list[str] = []
    for _ in range(9):
        served.append(house.take_turn())
    assert {name: served.count(name) for name in "abc"} == {"a": 3, "b": 3, "c": 3}


def test_turns_of_a_heavier_parent_come_more_often() -> None:
    house = House(1)
    house.parent("heavy", weight=3)
    house.parent("light")
    served: list[str] = []
    for _ in range(40):
        served.append(house.take_turn())
    assert 28 <= served.count("heavy") <= 32


def test_a_newcomer_does_not_make_up_for_the_time_before_it_came() -> None:
    house = House(1)
    house.parent("old", wanted=10_000)
    house.parent("other", wanted=10_000)
    for _ in range(100):
        house.take_turn()
    house.parent("new")
    served: list[str] = []
    for _ in range(9):
        served.append(house.take_turn())
    assert 2 <= served.count("new") <= 4


def test_a_slot_of_one_that_left_goes_to_the_one_with_least_of_its_part() -> None:
    house = House(8)
    gone = house.parent("gone", wanted=2)
    house.parent("heavy", weight=3)
    house.parent("light")
    house.settle()
    gone.actor_stopped.set()
    gone.running = 0
    house.address.tell(ParentLeft("gone", gone.actor_ref))
    house.settle()
    assert house.running == {"gone": 0, "heavy": 6, "light": 2}


def test_slices_grow_longer_with_the_number_of_parents() -> None:
    house = House(1)
    for number in range(SLICE_PARENTS + 1):
        house.parent(str(number))
    house.slice(0.0)
    assert house.stage.take_timers(Rotate) == [pytest.approx(2 * SLICE_SECONDS)]


EVENTS = st.lists(st.tuples(st.sampled_from(("end", "slice", "more", "weight", "again", "leave")), st.integers(0, 9)))
MADE = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(-1, 1)), min_size=1, max_size=5)


@given(st.integers(1, 6), MADE, EVENTS)
def test_whatever_happens_slots_are_never_too_many_never_idle_and_fair_in_the_end(
    slots: int, made: list[tuple[int, int, int]], events: list[tuple[str, int]]
) -> None:
    house = House(slots)
    for number, (wanted, weight, priority) in enumerate(made):
        house.parent(str(number), wanted, weight, priority)
    for what, number in events:
        parent = house.parents[str(number % len(made))]
        if what == "slice":
            house.slice()
            continue
        if what == "end":
            parent.end()
        elif what == "more":
            parent.left += number
        elif what == "weight":
            parent.weight, parent.priority = 1 + number % 4, number % 3
        elif what == "leave":
            parent.left = 0
        parent.go_on(again=what == "again")
        house.play()
        waiting = [p for p in house.parents.values() if p.left and p.slots.allotment < p.running + p.left]
        assert house.pool._free == 0 or not waiting, "no slot idles while somebody wants one"
    for _ in range(3):
        house.settle()
    parents = list(house.parents.values())
    wishes = [Wish(p.running + p.left, p.weight, p.priority) for p in parents]
    parts = fair_parts(slots, wishes)
    if not parts.turns:
        assert [p.running for p in parents] == parts.slots
    assert house.pool._free == slots - sum(p.running for p in parents)
