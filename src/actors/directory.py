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
class Live:
    """One live parent. Only the supervisor changes it."""

    ref: Ref
    observers: Observers
    restarts: int = 0
    working: bool = False
    """Whether the actor that died was working on the parent."""
    error: BaseException | None = None
    """What the actor died of, until the supervisor has seen to it."""
    backlog: list[Any] | None = field(default=None)
    """Messages that wait for the actor's next life; None while it is alive."""


class Directory:
    """Live parents by id, and the observers of every parent that somebody cares about."""

    def __init__(self, hearing: Callable[[str, Listener], Hearing]) -> None:
        self._hearing = hearing
        self.live: dict[str, Live] = {}
        self.draining = False
        """Whether parents are to start no more children."""
        self._observers: WeakValueDictionary[str, Observers] = WeakValueDictionary()
        self._lock = threading.Lock()

    def observers(self, parent_id: str) -> Observers:
        """Return the one set of observers of a parent, for as long as somebody holds it."""
        with self._lock:
            found = self._observers.get(parent_id)
            if found is None or found.halted is not None:
                found = self._observers[parent_id] = Observers(parent_id, self._hearing)
            return found

    def note_death(self, parent_id: str, ref: Ref, error: BaseException, *, working: bool) -> None:
        """Note that a parent's actor died. It stands here until it is seen to, whoever dies meanwhile."""
        live = self.live.get(parent_id)
        if live is not None and live.ref is ref:
            live.error, live.working = error, working

    def snapshot(self) -> list[str]:
        """Return the ids of the live parents, from any thread."""
        return list(self.live)
