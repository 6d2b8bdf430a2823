"""What must be so in calm weather, whenever nobody has anything to say: nothing idles, and every clock is heeded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from actors.parent import ParentActor
from events.frontier import frontier, stops
from events.state import ChildState, ParentState
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

LATE_US: Final = 100_000
"""How late a timer may be."""
LATE_IN_PEACE_US: Final = 30_000_000
"""The same where messages were late, and processes died, before."""
CANCELS_US: Final = 500_000
"""How long after its outer parent a parent may be undecided."""
STOPS_US: Final = 3_500_000
"""How long after it was asked to an attempt may run on, or a parent that it is, and those in it."""


def look(world: World) -> None:
    """Look at all processes."""
    for process in world.processes:
        pool = process.pool()
        if pool is None or process.closing or process.runtime.paused:
            continue
        if process.executor.kept:
            kept = ", ".join(f"{key.parent_id}/{key.child_id}" for key in process.executor.kept)
            world.watcher.break_promise("endings-are-recorded", f"{process.name} has ended {kept}, not on record")
        for actor in process.parents():
            _look_at(world, process, pool._free, actor)


def _look_at(world: World, process: Process, free: int, actor: ParentActor) -> None:
    state = actor._state
    if actor._reading or not actor._turns.mine(state):
        return
    due = frontier(state, len(actor._effects.retries._due))
    wanted, running = due.wanted, state.leaves_running
    if world.throttles:
        wanted = min(wanted, actor._effects.backlog.wanted(state))  # others are held back by their keys
    if wanted > running and (free > 0 or actor._effects.slots.allotment > running):
        text = f"{process.name}, {actor.parent_id}: {running} run, {wanted} could, {free} slots are free"
        world.watcher.break_promise("no-slot-idles", text)
    if due.skip:
        world.watcher.break_promise("no-slot-idles", f"{actor.parent_id}: children wait to be given up")
    _look_at_clocks(world, process, actor)
    if due.stop and state.decided_at is not None:
        for child_id, attempt in state.running.items():
            inner = world.watcher.histories.get(f"{actor.parent_id}/{child_id}")
            asked_at = world.watcher.stop_asked_at(actor.parent_id, state)
            asked_us = process.runtime.now() - max(asked_at, attempt.started_at)
            if inner is not None and inner.state.decision is None and asked_us > CANCELS_US:
                world.watcher.break_promise("cancels-go-down", f"{actor.parent_id}/{child_id} is not decided")


def look_at_clocks(world: World) -> None:
    """Look at all processes once the weather has calmed down: whatever happened before, each clock is heeded."""
    for process in world.processes:
        for actor in process.parents():
            if not actor._reading and actor._turns.mine(actor._state):
                _look_at_clocks(world, process, actor, LATE_IN_PEACE_US)


def _look_at_clocks(world: World, process: Process, actor: ParentActor, most_us: int = LATE_US) -> None:
    state = actor._state
    asked_at = world.watcher.stop_asked_at(actor.parent_id, state)
    for promise, what, late_us in _overdue(state, process.runtime.now(), asked_at):
        if late_us > most_us and world.watcher.late_us(late_us) > most_us:
            world.watcher.break_promise(promise, f"{actor.parent_id}: {what}, {late_us} us late")


def _overdue(state: ParentState, now: int, stop_asked_at: int) -> Iterator[tuple[str, str, int]]:
    """Yield what should have happened: which promise, what, and by how many microseconds it is late."""
    timeout = state.timeout_seconds
    if timeout is not None and state.decision is None and state.deadline_from is not None:
        yield "deadline-comes", "the deadline", now - state.deadline_from - int(timeout * 1_000_000)
    if state.timed and not state.halting:
        for child_id, child in state.children.items():
            if child.phase == "waiting":
                yield from _waits(state, child_id, child, now)
    if stops(state) and state.decided_at is not None:
        for child_id, running in state.running.items():
            if state.children[child_id].nested:
                continue  # that is decided already, and may let its children come to their ends
            asked_at = max(stop_asked_at, running.started_at)
            yield "what-is-asked-to-stop-stops", f"{child_id} runs", now - asked_at - STOPS_US


def _waits(state: ParentState, child_id: str, child: ChildState, now: int) -> Iterator[tuple[str, str, int]]:
    limits = None if child.prepared is None else child.prepared.limits
    if limits is None:
        return
    if limits.queue_timeout_seconds is not None and not state.paused:
        since = max(child.since, state.resumed_at)
        yield "queues-end", f"{child_id} waits", now - since - int(limits.queue_timeout_seconds * 1_000_000)
    if limits.total_timeout_seconds is not None and child.first_at:
        left = int(limits.total_timeout_seconds * 1_000_000)
        yield "whole-times-end", f"{child_id} waits", now - child.first_at - left
