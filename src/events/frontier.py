"""What should be under way now, from the state alone.

The same answer serves a first run, a retry and a restart, so going on after a crash has no code of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from events.state import ParentState


class Frontier(NamedTuple):
    """What is to be done for a parent next."""

    stop: bool
    """Ask whatever is running to stop."""
    skip: bool
    """Give the children that will not run any more their outcome."""
    wanted: int
    """How many slots the parent can use now: running children and those that could start, up to `max_workers`."""


def frontier(state: ParentState, retries_due: int | None = None) -> Frontier:
    """Return what is to be done next. Constant work.

    With `retries_due`, only so many of the children that are to run again want a slot yet. Children that are parents
    themselves want none.
    """
    return Frontier(stops(state), skips(state), wanted(state, retries_due))


def stops(state: ParentState) -> bool:
    """Whether what runs is to be asked to stop."""
    return state.stopping and state.running_count > 0


def skips(state: ParentState) -> bool:
    """Whether children that will not run any more are to be given their outcome."""
    return state.halting and state.ended + state.running_count < state.total


def wanted(state: ParentState, retries_due: int | None = None) -> int:
    """Return how many slots the parent can use now; see `frontier`."""
    running = state.leaves_running
    if state.paused or state.halting:
        return running
    again = state.requeued_count - state.nested_requeued
    if retries_due is not None:
        again = min(retries_due, again)
    startable = state.created - state.next_index - state.ahead - state.nested_untouched + again
    places = max(0, state.max_workers - state.running_count)
    return running + min(places, max(0, startable))


def startable(state: ParentState, now: int, due: Iterable[str] | None = None) -> Iterator[str]:
    """Yield the ids of children that may be started at `now` (microseconds since 1970), best first.

    Children that are to run again come first, then the others by index. The caller takes as many as it has slots.
    `due` says which children may run again, where somebody has timed their waits better than the wall clock can.
    """
    if state.halting or state.paused:
        return
    if due is not None:
        yield from (child_id for child_id in due if child_id in state.requeued)
    elif state.requeued_count:
        yield from (child_id for child_id, not_before in state.requeued.items() if not_before <= now)
    index = state.next_index
    while index < state.created:
        child_id = state.order[index]
        if state.children[child_id].untouched:
            yield child_id
        index += 1
