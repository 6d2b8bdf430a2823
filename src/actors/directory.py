"""Which parents are alive, and who watches them. Shared by the supervisor and the face; outlives both actors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from actors.hearing import Hearing, Listener
from actors.observers import Observers
from actors.runtime import Ref


@dataclass
class Tenure:
    """The work of our process on a parent. It outlives the parent's actor, which may die and be made anew."""

    working: bool | None = None
    """Whether we took the parent over, on record, and have worked on it since without a break; None: not known yet."""
    over: bool = False
    """Whether the parent was halted: its actor has nothing to do with it any more, even if it was not told so yet."""
    wanted: bool = False
    """Whether somebody here asked for the parent to be worked on, by us or by whoever owns it."""
    fresh: bool = False
    """Whether nothing can be on record of the parent yet, so that its first actor need not look."""
    deadline: float | None = None
    """When the parent's own time is up, by the monotonic clock; so it stays, whichever actor looks after it."""
    deadline_from: int | None = None
    """From when on that time counts, by the record."""
    waits: dict[str, float] = field(default_factory=dict)
    """Until when children wait to be run again, by the monotonic clock."""


@dataclass
class Live:
    """One live parent. Only the supervisor changes it."""

    ref: Ref
    observers: Observers
    restarts: int = 0
    tenure: Tenure = field(default_factory=Tenure)
    error: BaseException | None = None
    """What the actor died of, until the supervisor has seen to it."""
    burying: bool = False
    """Whether the actor only puts on record what a halt interrupted, and nobody has come for the parent since."""
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
    tries: int
    """How often that was tried."""


class Directory:
    """Live parents by id, halted ones, and the observers of every parent that somebody cares about."""

    def __init__(self, hearing: Callable[[str, Listener], Hearing]) -> None:
        self._hearing = hearing
        self.live: dict[str, Live] = {}
        self.halted: dict[str, Burial] = {}
        self.leftover: dict[Ref, BaseException] = {}
        """Actors of halted parents that may live on, for they may not have heard of it, and why they were halted."""
        self.draining = False
        """Whether no more children are to be started, because the orchestrator is closing."""
        self._observers: WeakValueDictionary[str, Observers] = WeakValueDictionary()
        self._lock = threading.Lock()

    def observers(self, parent_id: str) -> Observers:
        """Return the one set of observers of a parent, for as long as somebody holds it."""
        with self._lock:
            found = self._observers.get(parent_id)
            if found is None or found.halted is not None:
                found = self._observers[parent_id] = Observers(parent_id, self._hearing)
            return found

    def note_death(self, parent_id: str, ref: Ref, error: BaseException) -> None:
        """Note that a parent's actor died. It stands here until it is seen to, whoever dies meanwhile."""
        live = self.live.get(parent_id)
        if live is not None and live.ref is ref:
            live.error = error

    def snapshot(self) -> dict[str, None]:
        """Return the ids of the live parents, from any thread."""
        return dict.fromkeys(list(self.live))
