"""Which parents are alive, and who watches them. Shared by the supervisor and the face; outlives both actors."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from actors.observers import Observers
from actors.runtime import Ref


@dataclass
class Tenure:
    """Whether this process works on a parent. It outlives the parent's actor, which may die and be made anew."""

    working: bool = False
    """Whether we took the parent over and have worked on it since without a break."""


@dataclass
class Live:
    """One live parent. Only the supervisor changes it."""

    ref: Ref
    observers: Observers
    restarts: int = 0
    tenure: Tenure = field(default_factory=Tenure)
    retiring: bool = False
    """Whether the actor was asked to go and has not answered."""
    backlog: list[Any] | None = field(default=None)
    """Messages that wait for the actor's next life, or for its answer; None while it takes them itself."""


@dataclass
class Burial:
    """A halted parent whose interrupted attempts are not yet on record as lost, so that its slots are not free."""

    ref: Ref
    """Its last actor."""
    due_at: float
    """When to try again, by the monotonic clock."""
    hopeless: bool
    """Whether its record may be beyond repair, so that it is not tried for ever."""
    tries: int = 0


class Directory:
    """Live parents by id, halted ones, and the observers of every parent that somebody cares about."""

    def __init__(self) -> None:
        self.live: dict[str, Live] = {}
        self.halted: dict[str, Burial] = {}
        self.draining = False
        """Whether no more children are to be started, because the orchestrator is closing."""
        self._observers: WeakValueDictionary[str, Observers] = WeakValueDictionary()
        self._lock = threading.Lock()

    def observers(self, parent_id: str) -> Observers:
        """Return the one set of observers of a parent, for as long as somebody holds it."""
        with self._lock:
            found = self._observers.get(parent_id)
            if found is None or found.halted is not None:
                found = self._observers[parent_id] = Observers(parent_id)
            return found

    def snapshot(self) -> dict[str, None]:
        """Return the ids of the live parents, from any thread."""
        return dict.fromkeys(list(self.live))
