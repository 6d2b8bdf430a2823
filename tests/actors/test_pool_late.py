"""Messages that reach the pool late, or its successor: what is of no account any more, and what still is."""

from __future__ import annotations

from typing import Any

from actors.executors.work import AttemptKey, Work
from actors.messages import Hand, ParentLeft, Share
from actors.pool import PoolActor
from actors.runtime import Address, Ref
from tests.actors.stage import Probe, Stage
from tests.support.noting import NotingExecutor

WORK = Work(AttemptKey("p", "a", 1), 0, "work", "null")


class Pool:
    """A pool of two slots with one executor that notes what it gets."""

    def __init__(self, *heirs: str) -> None:
        self.stage = Stage()
        self.executor, self.other = NotingExecutor(), NotingExecutor()
        self.actor: PoolActor
        lived = {parent_id: self.parent() for parent_id in heirs}

        def make(runtime: Any) -> PoolActor:
            executors = {"noting": self.executor, "other": self.other}
            note, find = self.stage.note_death, lambda _: self.executor
            self.actor = PoolActor(runtime, note, 2, find, executors, Address(), lived)
            return self.actor

        self.ref = self.stage.spawn(make)
        self.stage.play()

    def parent(self) -> Ref:
        return self.stage.spawn(lambda _: Probe(self.stage))

    def tell(self, message: Any) -> None:
        self.ref.tell(message)
        self.stage.play()
        assert self.stage.deaths == []


def wanting(ref: Ref, wanted: int, sequence: int, *, used: int = 0, handed: int = 0) -> Share:
    return Share("p", ref, wanted, used, used, 0, handed, sequence)


def over(pool: Pool) -> Ref:
    """Let a parent run a child to its end, and want nothing then."""
    ref = pool.parent()
    pool.tell(wanting(ref, 1, 1))
    pool.tell(Hand("p", ref, [WORK], [], 1))
    pool.tell(Hand("p", ref, [], [WORK.key], 2))
    pool.tell(Share("p", ref, 0, 0, 0, 1, 2, 2))
    assert pool.actor._holdings == {}
    return ref


def test_a_late_share_takes_no_slots_and_a_late_hand_out_runs_nothing() -> None:
    pool = Pool()
    ref = over(pool)
    pool.tell(wanting(ref, 1, 1))
    pool.tell(Hand("p", ref, [WORK], [], 1))
    assert pool.actor._holdings == {}
    assert pool.executor.works == [WORK], "it ran once"


def test_a_late_hand_out_runs_nothing_where_the_parent_wants_slots_again() -> None:
    pool = Pool()
    ref = over(pool)
    pool.tell(wanting(ref, 1, 3))
    pool.tell(Hand("p", ref, [WORK], [], 1))
    assert pool.executor.works == [WORK], "it ran once"
    pool.tell(Hand("p", ref, [WORK], [], 3))
    assert pool.executor.works == [WORK, WORK], "this one is new"


def test_another_life_of_the_parent_begins_to_count_anew() -> None:
    pool = Pool()
    over(pool)
    ref = pool.parent()
    pool.tell(wanting(ref, 1, 1))
    pool.tell(Hand("p", ref, [WORK], [], 1))
    assert pool.executor.works == [WORK, WORK]


def test_nothing_is_kept_of_parents_that_left() -> None:
    pool = Pool()
    ref = over(pool)
    pool.tell(ParentLeft("p", ref))
    assert pool.actor._parted == {}


def test_endings_are_forgotten_where_work_was_given_and_by_a_new_pool_everywhere() -> None:
    pool = Pool()
    over(pool)
    assert (pool.executor.forgotten, pool.other.forgotten) == ([WORK.key], [])
    successor = Pool("p")  # it does not know to whom the pool before gave the work
    successor.tell(Hand("p", successor.parent(), [], [WORK.key], 2))
    assert (successor.executor.forgotten, successor.other.forgotten) == ([WORK.key], [WORK.key])
