"""The real parent, pool, journal and supervisor actors under a seed: crashes at any point, the same trace twice."""

from __future__ import annotations

import random

import pytest

from events.evolve import INITIAL, evolve
from events.facts import ChildFinished, ChildLimits
from events.invariants import check_history
from events.strategy import ALL, ANY, Strategy
from tests.simulation.world import World, creation
from tests.support.bounds import most_running

STRATEGIES = (
    ALL,
    ANY,
    Strategy(kind="threshold", count=3),
    Strategy(kind="threshold", percent=50.0, max_failures=2),
)
PARENTS = ("a", "b", "c")
SEEDS = 300


def play(seed: int) -> World:
    """Run three parents to their end in one world, with up to three crashes at random points."""
    chance = random.Random(seed)
    world = World(seed, max_workers=3, failing=0.2, losing=0.05)
    asked = {
        parent_id: creation(
            chance.randint(3, 12),
            chance.choice(STRATEGIES),
            max_workers=chance.randint(1, 4),
            on_decided=chance.choice(["cancel", "drain", "continue"]),
            timeout_seconds=chance.choice([None, None, 3.0]),
            limits=chance.choice([None, ChildLimits(max_attempts=3, initial_seconds=0.5)]),
            at=world.runtime.now(),
        )
        for parent_id in PARENTS
    }
    for life in range(chance.randint(1, 4)):
        if life:
            world.crash()
        for parent_id, commands in asked.items():
            world.claim(parent_id, commands)
        if chance.random() < 0.2:
            world.cancel(chance.choice(PARENTS))
        for _ in range(chance.randint(1, 150)):
            world.runtime.step()
    watched = [world.system.observers(parent_id) for parent_id in PARENTS]
    for parent_id, commands in asked.items():
        world.claim(parent_id, commands)
    world.runtime.run_until(
        lambda: all(one.latest is not None and one.latest[0].settled for one in watched), steps_max=20_000
    )
    return world


@pytest.mark.parametrize("batch", range(10))
def test_every_seed_ends_well_whatever_crashes(batch: int) -> None:
    for seed in range(batch * SEEDS // 10, (batch + 1) * SEEDS // 10):
        world = play(seed)
        where = f"seed {seed}"
        for parent_id in PARENTS:
            facts = world.facts(parent_id)
            check_history(facts)
            state = INITIAL
            for fact in facts:
                state = evolve(state, fact)
            assert state.settled, where
            latest = world.system.observers(parent_id).latest
            assert latest is None or latest[0].status == state.status, where


def test_a_seed_plays_the_same_trace_twice() -> None:
    for seed in range(20):
        assert play(seed).runtime.trace == play(seed).runtime.trace, f"seed {seed}"


def test_different_seeds_play_different_traces() -> None:
    assert play(1).runtime.trace != play(2).runtime.trace


def test_children_over_all_parents_never_exceed_the_pool() -> None:
    for seed in range(100):
        world = World(seed, max_workers=3, failing=0.3)
        for parent_id in PARENTS:
            world.claim(parent_id, creation(8, ALL, max_workers=8, on_decided="continue"))
        world.runtime.run_until(lambda world=world: world.settled(*PARENTS), steps_max=20_000)  # type: ignore[misc]
        assert most_running(world.log) <= 3, f"seed {seed}"
        assert world.executor.running_max <= 3, f"seed {seed}"


def test_finished_children_never_run_again_after_a_crash() -> None:
    for seed in range(50):
        world = World(seed, failing=0.0)
        commands = creation(6, ALL, max_workers=2)
        world.claim("a", commands)
        world.runtime.run_until(lambda world=world: len(world.facts("a")) > 24, steps_max=5_000)  # type: ignore[misc]
        finished = {fact.child_id for fact in world.facts("a") if isinstance(fact, ChildFinished)}
        world.crash()
        world.claim("a", commands)
        world.runtime.run_until(lambda world=world: world.settled("a"), steps_max=5_000)  # type: ignore[misc]
        assert finished.isdisjoint(key.child_id for key in world.executor.ran), f"seed {seed}"


def test_a_crash_between_append_and_adoption_loses_nothing() -> None:
    """Crash after every single delivery of one run: each time it goes on to the same decision."""
    steps = 0
    while True:
        world = World(7, failing=0.0)
        commands = creation(4, ALL, max_workers=2)
        world.claim("a", commands)
        for _ in range(steps):
            world.runtime.step()
        done = world.settled("a")
        world.crash()
        world.claim("a", commands)
        world.runtime.run_until(lambda world=world: world.settled("a"), steps_max=5_000)  # type: ignore[misc]
        facts = world.facts("a")
        check_history(facts)
        assert sum(isinstance(fact, ChildFinished) for fact in facts) == 4, f"crash after step {steps}"
        if done:
            return
        steps += 1
