"""What every scenario asks of the record that it leaves. The only place that asks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from events.evolve import fold
from events.facts import ChildFinished, ChildRedriven, Fact
from events.invariants import check_history
from events.log import EventLog, open_log
from events.state import ParentState
from tests.support.bounds import most_running

Told = Mapping[tuple[str, str], str]
"""Outcomes that somebody was told are on record, by run and child."""


class Verdict(NamedTuple):
    """What a record shows."""

    states: Mapping[str, ParentState]
    told: int

    @property
    def settled(self) -> int:
        """How many runs are over."""
        return sum(state.settled for state in self.states.values())


def judge(log: EventLog, *, max_workers: int | None, told: Told | None = None) -> Verdict:
    """Check a whole log. Raises AssertionError where a run's history breaks a promise, or something told is lost.

    Without `max_workers` the cap over all runs is not looked at: orchestrators of different caps wrote the log.
    """
    told = {} if told is None else told
    states: dict[str, ParentState] = {}
    finished: dict[tuple[str, str], str] = {}
    for parent_id, _ in log.recorder.parents():
        facts = [record.fact for record in log.read(parent_id)]
        check_history(facts)
        _check_times(parent_id, facts)
        ended = [fact for fact in facts if isinstance(fact, ChildFinished)]
        _check_ends(parent_id, facts)
        finished |= {(parent_id, fact.child_id): fact.outcome for fact in ended}
        states[parent_id] = fold(facts)
    lost = {key: outcome for key, outcome in told.items() if finished.get(key) != outcome}
    assert not lost, f"told, but not on record: {lost}"
    most = most_running(log)
    assert max_workers is None or most <= max_workers, f"{most} children ran at a time, {max_workers} may"
    return Verdict(states, len(told))


def judge_file(store: Path, *, max_workers: int | None, told: Told | None = None) -> Verdict:
    """Check the log in a file; see `judge`."""
    with open_log(store) as log:
        return judge(log, max_workers=max_workers, told=told)


def _check_ends(parent_id: str, facts: list[Fact]) -> None:
    """A child ends once, and once more each time that it was redriven."""
    over: set[str] = set()
    for fact in facts:
        if isinstance(fact, ChildFinished):
            assert fact.child_id not in over, f"a child of {parent_id!r} ended twice"
            over.add(fact.child_id)
        elif isinstance(fact, ChildRedriven):
            over.remove(fact.child_id)


def _check_times(parent_id: str, facts: list[Fact]) -> None:
    """Times of one run never go back, whatever the clocks did."""
    latest = 0
    for version, fact in enumerate(facts, 1):
        assert fact.at >= latest, f"version {version} of {parent_id!r} is {latest - fact.at} µs before the one before"
        latest = fact.at
