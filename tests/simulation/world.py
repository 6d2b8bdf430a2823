"""One simulated machine from its first instant to the last: processes, users, faults, and then peace.

First everything that may go wrong goes wrong, and what is promised must hold (safety). Then the faults stop, and
everything must come to its end (liveness).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final

from actors.buckets import ThrottleRule
from actors.runtime import RuntimeActor
from actors.simulated import Scheduler, SimulatedDeathError
from events.errors import RunHaltedError, RunNotFoundError, RunOwnedError, StoreError
from events.log import Recorder
from events.projections.projection import Projection
from events.state import ParentState
from tests.simulation import calm
from tests.simulation.disk import Disk
from tests.simulation.faults import FaultyMeddler, draw_faults
from tests.simulation.parents import Asked, draw_parent
from tests.simulation.process import Process
from tests.simulation.process_death import ProcessDiedError
from tests.simulation.users import Users
from tests.simulation.watcher import Violation, Watcher

PEACE_SECONDS_MAX: Final = 900.0
"""How long everything may take once the faults have stopped, in simulated time."""
PEACE_STEPS_MAX: Final = 60_000
REST_SECONDS: Final = 8.0
"""How long after that nothing may be left of what ran."""
REST_STEPS: Final = 10


class World:
    """A machine under one seed."""

    throttles: Sequence[ThrottleRule] = ()
    """Limits by key, in every process."""
    projections: Sequence[Projection] = ()
    """What views are kept, by every process."""
    snapshot_events: int | None = None
    """After how many events a parent's next snapshot is kept; None: after more than any has."""
    nests: Sequence[float] = (0.0, 0.0, 0.3)
    """How many of a parent's children are parents themselves: one of these shares is drawn."""

    def __init__(self, seed: int, recorder: Recorder | None = None) -> None:
        self.seed = seed
        self.scheduler = Scheduler(seed)
        chance = self.chance = self.scheduler.random
        self.meddler = FaultyMeddler(draw_faults(chance), chance)
        self.calm = self.meddler.faults.calm
        self.disk = Disk(recorder)
        self.max_workers = chance.choice((1, 2, 3, 6))
        self.events: Counter[str] = Counter()
        """What happened to processes (crashes, pauses, closes, clock jumps), and what users thought better of."""
        self.parents: dict[str, Asked] = {
            name: draw_parent(chance, self.now(), self.nests)
            for name in ("a", "b", "c")[: chance.choice((1, 1, 2, 2, 3))]
        }
        self.watcher = Watcher(
            self.max_workers, self.disk, lambda: self.scheduler.elapsed_us, self._lives, self.parents
        )
        self.processes: list[Process] = []
        self._booted: list[Process] = []
        """All there ever were."""
        self.undead: set[str] = set()
        """Owners that are dead and count as alive: of another machine, say."""
        self._born = 0
        self.scheduler.meddler = self.meddler
        self.scheduler.died = self._died
        if self.calm:
            self.scheduler.quiet = self._look_for_idleness
        self.users = Users(self)

    def now(self) -> int:
        """Return the time at which users ask."""
        return 1_767_225_600_000_000 + self.scheduler.elapsed_us

    # Processes

    def boot(self) -> Process:
        """Start one more process."""
        self._born += 1
        process = Process(
            self.scheduler,
            self.disk,
            self.meddler,
            self.watcher,
            name=f"p{self._born}",
            max_workers=self.max_workers,
            owner_alive=self._owner_alive,
            throttles=self.throttles,
            projections=self.projections,
            snapshot_events=self.snapshot_events,
        )
        self.processes.append(process)
        self._booted.append(process)
        return process

    def bury(self) -> None:
        """Drop the processes that have died."""
        self.processes = [process for process in self.processes if process.alive]

    def _lives(self, owner: str) -> bool:
        return any(process.name == owner and process.alive for process in self.processes)

    def _owner_alive(self, owner: str) -> bool:
        return owner in self.undead or self._lives(owner)

    def _died(self, actor: RuntimeActor, error: BaseException) -> None:
        if not isinstance(error, SimulatedDeathError | StoreError | RunHaltedError | ProcessDiedError):
            self.watcher.break_promise("no-actor-dies-by-itself", f"{type(actor).__name__} died: {error!r}")

    def refused(self, parent_id: str, reply: Future[ParentState]) -> None:
        """Look at what somebody was refused with: only what the weather explains is in order."""
        error = reply.exception()
        if error is not None and not isinstance(error, RunHaltedError | RunOwnedError | RunNotFoundError | StoreError):
            self.watcher.break_promise("refused-for-a-reason", f"{parent_id}: {error!r}")

    # Living

    def live(self) -> None:
        """Live from the first instant to the last. Raises Violation."""
        self.boot()
        self.users.begin()
        while not self.users.tired:
            self._step()
        self._make_peace()
        until = self.scheduler.elapsed_us + PEACE_SECONDS_MAX * 1_000_000
        for _ in range(PEACE_STEPS_MAX):
            if self.watcher.settled_count == len(self.parents):
                break
            self._step()
            if self.scheduler.elapsed_us > until:
                break
        else:
            self.watcher.break_promise("everything-finishes", f"not settled in {PEACE_STEPS_MAX:,} steps")
        self._require_settled()
        self._rest()

    def dismantle(self) -> None:
        """Take everything apart once it is over: so it is freed at once, and no collector has to find it."""
        for process in self._booted:
            process.dismantle()
        for part in (self.scheduler, self.users.controllers, self.users, self.watcher, self.disk, self):
            vars(part).clear()

    def _step(self) -> None:
        self.scheduler.step()
        violation = self.watcher.violation
        if violation is not None:
            raise violation

    def _make_peace(self) -> None:
        self.meddler.faults = self.meddler.faults.healed()
        self.undead.clear()
        self.bury()
        for process in self.processes:
            process.executor.heal()
            if process.runtime.paused:
                process.runtime.resume()
            if process.closing:
                process.crash()
        self.bury()
        if not self.processes:
            self.boot()
        self.scheduler.note("world", "peace")
        if not self.calm and not self.events["jump"]:
            self.scheduler.quiet = lambda: calm.look_at_clocks(self)

    def _require_settled(self) -> None:
        stuck = [parent_id for parent_id in self.parents if not self.watcher.settled(parent_id)]
        if stuck:
            raise Violation("everything-finishes", f"{', '.join(stuck)} not settled after the faults stopped")

    def _rest(self) -> None:
        """Let a while pass, and look that nothing is left of what ran."""
        until = self.scheduler.elapsed_us + REST_SECONDS * 1_000_000
        while (left := self._left()) is not None:
            if not all(
                each.recount.settled for each in self.watcher.histories.values()
            ):  # somebody's wish to run it again came late
                until = self.scheduler.elapsed_us + REST_SECONDS * 1_000_000
            if self.scheduler.elapsed_us > until:
                raise Violation("nothing-is-left", left)
            for _ in range(REST_STEPS):
                self._step()
        for process in self.processes if self.calm else ():
            if process.executor.running_max > process.max_workers:
                raise Violation("bounded-together", f"{process.executor.running_max} attempts ran at a time")

    def _left(self) -> str | None:
        """Say what is left of parents that are settled."""
        for process in self.processes:
            live = list(process.system.directory.live)
            if live:
                return f"{process.name}: {', '.join(live)} settled and still alive"
            pool = process.pool()
            if pool is None:
                return f"{process.name}: there is no pool"
            if pool._free != process.max_workers or pool._holdings:
                return f"{process.name}: {pool._free} of {process.max_workers} slots are free"
            if self.meddler.drawn.orderly and not all(reply.done() for reply in process.replies):
                return f"{process.name}: somebody asked and was not answered"
            if self.calm and process.untold():
                return f"{process.name}: no engine was told of {process.untold()}"
        return None

    def _look_for_idleness(self) -> None:
        """In calm weather, whenever nobody has anything to say, nothing may idle and no clock be missed."""
        calm.look(self)
