"""What users ask of parents that live: pause, resume, change, cancel one child, run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from events.commands import CancelChild, ChangeLimits, Command, Pause, Redrive, Resume
from events.strategy import Outcome
from tests.simulation.parents import STRATEGIES

if TYPE_CHECKING:
    from tests.simulation.users import Users
    from tests.simulation.world import World

_OUTCOMES: Final[tuple[tuple[Outcome, ...] | None, ...]] = (None, None, ("failed",), ("skipped", "cancelled"))
PAUSE_SECONDS_MAX: Final = 4.0


class Controllers:
    """Users with second thoughts, at times drawn from the seed."""

    def __init__(self, world: World, users: Users) -> None:
        self._world = world
        self._users = users
        self._chance = world.chance
        self.deeds: Final[tuple[Callable[[str], None], ...]] = (
            self._pause,
            self._change,
            self._cancel_child,
            self._redrive,
            self._redrive,
        )

    def act(self) -> None:
        """Ask one thing of one parent, nested ones included."""
        known = list(self._world.watcher.histories)
        if known:
            self._chance.choice(self.deeds)(self._chance.choice(known))

    def _request(self, parent_id: str, *commands: Command) -> None:
        process = self._users.somewhere()
        if process is not None:
            self._users.late(process.request(parent_id, *commands), parent_id)

    def _pause(self, parent_id: str) -> None:
        self._request(parent_id, Pause(at=self._world.now(), reason="simulated"))
        self._world.events["user pauses"] += 1
        later = self._chance.random() * PAUSE_SECONDS_MAX
        self._world.scheduler.call_later(later, lambda: self.resume(parent_id))

    def resume(self, parent_id: str) -> None:
        """Let a parent go on."""
        self._request(parent_id, Resume(at=self._world.now()))

    def _change(self, parent_id: str) -> None:
        self._world.events["user changes"] += 1
        strategy = self._chance.choice((None, *STRATEGIES))
        workers = self._chance.choice((None, 1, 2, 4, 7))
        weight = self._chance.choice((None, 1, 5))
        self._request(
            parent_id, ChangeLimits(at=self._world.now(), strategy=strategy, max_workers=workers, weight=weight)
        )

    def _cancel_child(self, parent_id: str) -> None:
        children = list(self._world.watcher.histories[parent_id].state.children)
        if children:
            self._world.events["user cancels a child"] += 1
            running = list(self._world.watcher.histories[parent_id].state.running)
            child_id = self._chance.choice(running or children)
            self._request(parent_id, CancelChild(at=self._world.now(), child_id=child_id, reason="simulated"))
            victim = self._users.somewhere()
            if victim is not None and not self._world.calm and self._chance.random() < 0.6:
                late = self._chance.random() * 0.1
                self._world.scheduler.call_later(late, lambda: None if self._users.tired else victim.crash())

    def _redrive(self, parent_id: str) -> None:
        process = self._users.somewhere()
        if process is None:
            return
        if not self._world.watcher.settled(parent_id) and self._chance.random() < 0.8:
            return  # it will be refused, as it should be now and then
        self._world.events["user redrives"] += 1
        redrive = Redrive(at=self._world.now(), reason="simulated", outcomes=self._chance.choice(_OUTCOMES))
        self._users.late(process.claim(parent_id, then=(redrive,)), parent_id)
