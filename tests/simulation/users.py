"""The users of a simulated machine: they start, follow, cancel and report, and they kill, stop and close processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from events.commands import (
    Cancel,
    CloseMembership,
    Command,
    CreateChildren,
    PrepareChildren,
    RecordResponse,
)
from events.errors import UsageError
from events.state import ParentState
from events.strategy import Outcome
from tests.simulation.controllers import Controllers
from tests.simulation.parents import Asked
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

ASK_SECONDS: Final = 2.0
"""How often a user asks after a parent."""
YEAR_US: Final = 365 * 86_400 * 1_000_000
PROCESSES_MAX: Final = 3


class Users:
    """Everybody who does something to the machine, at times drawn from the seed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance
        self._left = self._chance.randint(4, 14)
        self.tired = False
        """Whether the users have done all they wanted to do to the machine."""
        self.controllers = Controllers(world, self)
        self._fickle = self._chance.choice((0.0, 0.4, 0.9))
        """How often users think better of what they asked for."""
        self._busy = self._chance.choice((0.2, 0.5, 0.8))
        """How often users do what upsets things."""

    def begin(self) -> None:
        """Ask for all parents, and keep asking."""
        for parent_id, asked in self._world.parents.items():
            self._ask(parent_id, asked)
        self._world.scheduler.call_later(self._chance.random(), self._act)

    def somewhere(self) -> Process | None:
        """Return some process that is open."""
        open_ones = [process for process in self._world.processes if process.alive and not process.closing]
        return self._chance.choice(open_ones) if open_ones else None

    # What users ask for

    def _ask(self, parent_id: str, asked: Asked) -> None:
        """Ask for a parent until it is settled; whoever does not answer is asked again later."""
        world = self._world
        within = f"{parent_id}/"
        inside = [  # nested ones, too
            (known, history)
            for known, history in world.watcher.histories.items()
            if known == parent_id or known.startswith(within)
        ]
        if self.tired and inside and all(history.recount.settled for _, history in inside):
            return
        process = self.somewhere()
        for known, history in inside:
            alone = known != parent_id and world.watcher.settled(parent_id) and not history.recount.settled
            if alone and process is not None:  # somebody redrove it by itself
                process.claim(known)
            if history.state.paused and self._chance.random() < 0.3:
                self.controllers.resume(known)
        if process is not None and not world.watcher.settled(parent_id):
            if asked.kind == "stepwise":
                self._step(process, parent_id, asked)
            else:
                self._claim(process, parent_id, asked)
        world.scheduler.call_later(ASK_SECONDS * (0.5 + self._chance.random()), lambda: self._ask(parent_id, asked))

    def _claim(self, process: Process, parent_id: str, asked: Asked) -> None:
        take_over = self._world.undead and self._chance.random() < 0.3
        reply = process.claim(parent_id, asked.whole, take_over=bool(take_over))
        reply.add_done_callback(lambda reply: self._world.refused(parent_id, reply))
        history = self._world.watcher.histories.get(parent_id)
        if asked.kind == "arriving" and history is not None:
            self._arrive(process, parent_id, asked, history.state)

    def _arrive(self, process: Process, parent_id: str, asked: Asked, state: ParentState) -> None:
        """Add some more children, or say that there are no more."""
        if state.membership_closed:
            return
        at, total = self._world.now(), len(asked.children)
        if state.total < total and not state.halting:
            upto = self._chance.randint(state.total + 1, total)
            more: tuple[Command, ...] = (PrepareChildren(at=at, children=asked.children[:upto]), CreateChildren(at=at))
            if upto == total and self._chance.random() < 0.5:
                more = (*more, CloseMembership(at=at, arriving=True))
        else:
            more = (CloseMembership(at=at, arriving=True),)
        self.late(process.request(parent_id, *more), parent_id)

    def late(self, reply: Future[ParentState], parent_id: str) -> None:
        """Let a request be refused where it came too late; anything else must be the weather."""

        def on_reply(done: Future[ParentState]) -> None:
            if not isinstance(done.exception(), UsageError):
                self._world.refused(parent_id, done)

        reply.add_done_callback(on_reply)

    def _step(self, process: Process, parent_id: str, asked: Asked) -> None:
        """Do the next step of an engine that runs the children by itself, some of them twice or out of order."""
        at = self._world.now()
        history = self._world.watcher.histories.get(parent_id)
        if history is None:
            steps: list[tuple[Command, ...]] = [(asked.create,), (PrepareChildren(at=at, children=asked.children),)]
        elif history.state.created < len(asked.children):
            steps = [(PrepareChildren(at=at, children=asked.children), CreateChildren(at=at))]
        else:
            closing = () if history.state.membership_closed else ((CloseMembership(at=at, arriving=True),),)
            steps = [*closing, *((self._response(at, parent_id, asked),) for _ in range(3))]
        for step in steps:
            self.late(process.request(parent_id, *step), parent_id)
        if history is not None and (history.state.halting or history.state.owner is not None):
            self.late(process.claim(parent_id), parent_id)  # somebody has to see to the rest

    def _response(self, at: int, parent_id: str, asked: Asked) -> RecordResponse:
        spec = self._chance.choice(asked.children)
        outcome: Outcome = "failed" if self._chance.random() < self._world.meddler.faults.failing else "succeeded"
        return RecordResponse(at=at, child_id=spec.child_id, outcome=outcome)

    # What users do to the machine

    def _act(self) -> None:
        self._left -= 1
        self.tired = self._left <= 0
        if self.tired:
            return
        acts: tuple[Callable[[], None], ...] = (self._crash,) * 3 + (self._pause, self._close, self._jump)
        mild: tuple[Callable[[], None], ...] = (self._boot, self._cancel, self._lie)
        self._world.bury()
        if self._busy and not self._world.calm and self._chance.random() < self._busy:
            self._chance.choice(acts)()
        elif self._chance.random() < 0.3:
            self._chance.choice(mild)()
        elif self._chance.random() < self._fickle:
            self.controllers.act()
        if not any(process.alive and not process.closing for process in self._world.processes):
            self._world.boot()
        self._world.scheduler.call_later(self._chance.random() * 1.2, self._act)

    def _boot(self) -> None:
        if len(self._world.processes) < PROCESSES_MAX:
            self._world.boot()

    def _crash(self) -> None:
        self._world.events["crash"] += 1
        self._chance.choice(self._world.processes).crash() if self._world.processes else None

    def _pause(self) -> None:
        process = self.somewhere()
        if process is None or process.runtime.paused:
            return
        self._world.events["pause"] += 1
        process.runtime.pause()
        if self._chance.random() < 0.7:
            self._world.undead.add("nobody")  # somebody else may take over what it owns
            self._boot()
            for parent_id, asked in self._world.parents.items():
                other = self.somewhere()
                if other is not None and other is not process and asked.kind != "stepwise":
                    other.claim(parent_id, asked.whole, take_over=True)
        self._world.scheduler.call_later(self._chance.random() * 6.0, process.runtime.resume)

    def _close(self) -> None:
        process = self.somewhere()
        if process is not None:
            self._world.events["close"] += 1
            process.close()
            self._world.scheduler.call_later(self._chance.random() * 2.0, process.crash)

    def _jump(self) -> None:
        self._world.events["jump"] += 1
        self._world.watcher.clock_jumped = True
        far = self._chance.choice((2_000_000, 3_600_000_000, YEAR_US))
        self._world.scheduler.clock_jump_us += self._chance.randint(-far, far)
        self._world.scheduler.note("world", "clock jumps", f"{self._world.scheduler.clock_jump_us}")

    def _cancel(self) -> None:
        process = self.somewhere()
        parent_id = self._chance.choice(list(self._world.parents))
        if process is not None and self._world.watcher.version(parent_id):
            then = (Cancel(at=self._world.now(), reason="simulated"),)
            self.late(process.claim(parent_id, then=then), parent_id)

    def _lie(self) -> None:
        """Let dead owners count as alive for a while: they cannot be asked."""
        if self._world.calm:
            return
        names = {f"p{number}" for number in range(1, 9)}
        self._world.undead |= names
        self._world.scheduler.call_later(4.0, lambda: self._world.undead.difference_update(names))
