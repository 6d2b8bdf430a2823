"""A parent's side of the pool: what it may run, what it tells, and how its workers are named."""

from __future__ import annotations

import pytest

from actors.messages import Allotment, Share
from actors.slots import Slots
from tests.actors.stage import Probe, Stage

REF = Probe(Stage()).actor_ref


def share(slots: Slots, wanted: int, used: int, *, again: bool = False) -> Share | None:
    return slots.share("p", REF, wanted, used, 0, again=again)


def test_the_newest_allotment_holds() -> None:
    slots = Slots()
    assert slots.allotment == 0
    slots.allot(Allotment(3, 1, REF))
    slots.allot(Allotment(2, 2, REF))
    slots.allot(Allotment(9, 2, REF))
    slots.allot(Allotment(8, 1, REF))
    assert slots.allotment == 2
    assert share(slots, 5, 0) == Share("p", REF, 5, 0, 2, 2, 0, 1)


def test_the_pool_is_told_once_and_again_where_it_is_to_be() -> None:
    slots = Slots()
    assert share(slots, 4, 0) == Share("p", REF, 4, 0, 0, 0, 0, 1)
    assert share(slots, 4, 0) is None
    assert share(slots, 4, 0, again=True) == Share("p", REF, 4, 0, 0, 0, 0, 2, again=True)
    assert share(slots, 3, 0) == Share("p", REF, 3, 0, 0, 0, 0, 3)
    slots.allot(Allotment(3, 1, REF))
    assert share(slots, 3, 0) == Share("p", REF, 3, 0, 3, 1, 0, 4)


def test_what_is_used_is_told_only_while_it_is_more_than_was_allotted() -> None:
    slots = Slots()
    slots.allot(Allotment(3, 1, REF))
    assert share(slots, 3, 0) is not None
    assert share(slots, 3, 3) is None
    slots.allot(Allotment(1, 2, REF))
    assert share(slots, 3, 3) == Share("p", REF, 3, 3, 1, 2, 0, 2)
    assert share(slots, 3, 2) == Share("p", REF, 3, 2, 1, 2, 0, 3)
    assert share(slots, 3, 1) == Share("p", REF, 3, 1, 1, 2, 0, 4)
    assert share(slots, 3, 0) is None


def test_what_is_not_wanted_is_given_up_for_good() -> None:
    slots = Slots()
    slots.allot(Allotment(5, 1, REF))
    share(slots, 2, 0)
    assert slots.allotment == 2
    share(slots, 5, 0)
    assert slots.allotment == 2


def test_what_is_told_again_says_everything_that_a_new_pool_inherits() -> None:
    slots = Slots()
    slots.allot(Allotment(5, 7, REF))
    share(slots, 5, 1)
    assert share(slots, 5, 1, again=True) == Share("p", REF, 5, 1, 5, 7, 0, 2, again=True)
    slots.allot(Allotment(4, 7, REF))
    assert slots.allotment == 5, "a new pool numbers its allotments on from there"
    slots.allot(Allotment(2, 8, REF))
    assert slots.allotment == 2


def test_a_worker_has_the_lowest_number_that_is_free() -> None:
    slots = Slots()
    assert [slots.take_worker(child) for child in "abcd"] == ["1", "2", "3", "4"]
    for child in "cab":
        slots.give_back(child)
    slots.give_back("a")
    slots.give_back("nobody")
    assert [slots.take_worker(child) for child in "wxyz"] == ["1", "2", "3", "5"]


@pytest.mark.parametrize(
    ("running", "names"),
    [
        ([], ["1", "2", "3"]),
        ([("a", "2"), ("b", "5")], ["1", "3", "4", "6"]),
        ([("a", "engine"), ("b", "1")], ["2", "3"]),
        ([("a", "1")], ["2", "3"]),
    ],
)
def test_after_a_restart_workers_are_named_on_from_the_record(running: list[tuple[str, str]], names: list[str]) -> None:
    slots = Slots()
    for child in "pqr":
        slots.take_worker(child)
    slots.reset_workers(running)
    assert [slots.take_worker(f"new-{number}") for number in range(len(names))] == names
    for child, worker in running:
        slots.give_back(child)
        if worker.isdecimal():
            assert slots.take_worker("again") == worker
