"""What changed in a parent between two points of its history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from events.facts import Fact
from events.state import ParentState, Phase
from events.strategy import Strategy
from events.views import ChildStatus, Counts, counts


class Change(NamedTuple):
    """One field of a run that is not what it was."""

    field: str
    """Its name, that of a group before it: `status`, `counts.running`, `limits.max_workers`, `owner`."""
    before: Any
    after: Any


class ChildThen(NamedTuple):
    """How a child stood at a point."""

    status: ChildStatus
    attempts: int


@dataclass(frozen=True, slots=True)
class ChildChange:
    """A child that is not what it was. `before` or `after` is None where there was no such child yet."""

    id: str
    index: int
    """Its place in the run, from 0."""
    before: ChildThen | None
    after: ChildThen | None


@dataclass(frozen=True, slots=True)
class RunThen:
    """A point of a run's history: its last event at or before that point."""

    position: int
    version: int


@dataclass(frozen=True, slots=True)
class RunDiff:
    """What changed in a run from one point of its history to another, which may be the earlier one."""

    id: str
    a: RunThen
    b: RunThen
    events: int
    """How many events of the run lie in between."""
    changes: tuple[Change, ...]
    """The fields of the run that differ."""
    children: tuple[ChildChange, ...]
    """The children that differ, in index order."""

    def turned(self) -> RunDiff:
        """Return the same change the other way round."""
        children = tuple(ChildChange(child.id, child.index, child.after, child.before) for child in self.children)
        changes = tuple(Change(change.field, change.after, change.before) for change in self.changes)
        return RunDiff(self.id, self.b, self.a, self.events, changes, children)


class Comparison:
    """Compares states of a parent, later ones with the one it began at; constant work for each fact in between."""

    def __init__(self, parent_id: str, state: ParentState, position: int) -> None:
        """Begin at a state that holds at a position."""
        self._id = parent_id
        self._began = RunThen(position, state.version)
        self._before = portrait(state)
        self._children: dict[str, ChildThen | None] = {}
        """How those children were then about which there was a fact since."""

    def take(self, before: ParentState, fact: Fact) -> None:
        """Take one more fact, and the state before it."""
        child_id = getattr(fact, "child_id", None)
        if isinstance(child_id, str) and child_id not in self._children:
            self._children[child_id] = _child(before, child_id)

    def difference(self, state: ParentState, position: int) -> RunDiff:
        """Return what is different at a state that holds at a position, after the last fact that was taken."""
        now = portrait(state)
        changes = tuple(
            Change(field, self._before[field], now[field]) for field in now if self._before[field] != now[field]
        )
        changed = [
            ChildChange(child_id, state.children[child_id].place, before, after)
            for child_id, before in self._children.items()
            if child_id in state.children and before != (after := _child(state, child_id))
        ]
        return RunDiff(
            id=self._id,
            a=self._began,
            b=RunThen(position, state.version),
            events=state.version - self._began.version,
            changes=changes,
            children=tuple(sorted(changed, key=_index)),
        )


def _index(child: ChildChange) -> int:
    return child.index


def _child(state: ParentState, child_id: str) -> ChildThen | None:
    child = state.children.get(child_id)
    return None if child is None else ChildThen(seen(child.phase), child.attempts)


def seen(phase: Phase) -> ChildStatus:
    """Return a child's status as people see it."""
    return "pending" if phase == "prepared" or phase == "waiting" else phase


def portrait(state: ParentState) -> dict[str, Any]:
    """Return what is compared of a parent, by name, as plain values."""
    decision = state.decision
    numbers = counts(state)
    return {
        "status": state.status,
        "decided": decision is not None,
        "settled": state.settled,
        "decided_by": None if decision is None else decision.child_id,
        **{f"counts.{name}": getattr(numbers, name) for name in Counts._fields},
        "strategy": _strategy(state.strategy),
        "required": state.strategy.required(state.total),
        "limits.max_workers": state.max_workers,
        "limits.weight": state.weight,
        "limits.priority": state.priority,
        "on_decided": state.on_decided,
        "open_to_children": not state.membership_closed,
        "paused": state.paused and not state.settled,
        "cancel_requested": state.cancel_requested,
        "deadline_passed": state.deadline_passed,
        "retries": state.retries,
        "redrives": state.redrives,
        "owner": state.owner,
        "epoch": state.epoch,
    }


def _strategy(strategy: Strategy) -> dict[str, Any]:
    return strategy.model_dump(exclude_none=True)
