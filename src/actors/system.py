"""One orchestrator's actors, put together: the same way in real life and in a simulation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from actors.announcer import AnnouncerActor
from actors.buckets import ThrottleRule
from actors.directory import Directory
from actors.executors.filing import FilingExecutor
from actors.executors.work import AttemptKey, Executor
from actors.hearing import Hearing, Listener
from actors.journal import JournalActor
from actors.loader import LoaderActor
from actors.messages import Drain, Heard, News, Project, Snap, ToParent
from actors.nesting import NestedExecutor
from actors.observers import Observers
from actors.pool import PoolActor
from actors.projector import Nudge, ProjectorActor
from actors.runtime import Address, Begin, OnDeath, Ref, Runtime, RuntimeActor, tell
from actors.snapshots import EVENTS_MIN, SnapshotRules
from actors.snapshotter import SnapshotterActor
from actors.supervisor import MEMORY_SECONDS, RESTART_SECONDS, RESTARTS_MAX, Service, SupervisorActor
from actors.surroundings import Surroundings
from actors.throttles import Throttles
from events.limits import Limits
from events.log.recent import Recent
from events.log.store import EventLog
from events.projections.engine import ProjectionEngine


class ActorSystem:
    """Supervisor, journal, loader, pool and parents over one log.

    Args:
        runtime: what the actors run on.
        log: where facts go.
        owner: who we are, on record.
        owner_alive: whether an owner on record still lives.
        max_workers: how many children may run at a time over all parents.
        executors: what runs children, by name.
        executor_of: the name of the executor for a task, or None where the task is not known here.
        limits: see `Limits`.
        watch_seconds: how often to look whether another process appended.
        end_leftovers: ends what may still run of attempts that a gone owner started.
        throttles: limits by key that hold over all parents.
        views: what keeps the views of the log, where any are kept.
        snapshot_events: after how many events a parent's next snapshot is kept, at the earliest; 10,000 when not given.

    """

    _announcer: Ref | None = None
    _snapshotter: Ref | None = None

    def __init__(
        self,
        runtime: Runtime,
        log: EventLog,
        *,
        owner: str,
        owner_alive: Callable[[str], bool],
        max_workers: int,
        executors: Mapping[str, Executor],
        executor_of: Callable[[str], str | None],
        limits: Limits,
        watch_seconds: float = 0.2,
        end_leftovers: Callable[[str, Sequence[AttemptKey]], None] = lambda _, __: None,
        throttles: Sequence[ThrottleRule] = (),
        views: ProjectionEngine | None = None,
        snapshot_events: int | None = None,
    ) -> None:
        self.runtime: Final = runtime
        self.directory: Final = Directory(self._make_hearing)
        self.nested_begun: Callable[[Observers], None] = lambda _: None
        """Told of each parent inside another before it is begun, or gone on with; on an actor's thread."""
        self._lock = threading.Lock()
        self._limits = limits
        self._deaths: list[float] = []  # when supervisors died of late
        self._log = log
        self._max_workers = max_workers
        self._executors: Final = self._filing(executors)
        self._executor_of = executor_of
        self._watch_seconds = watch_seconds
        self._views = views
        self._projector = Address()
        self._surroundings = Surroundings(
            owner=owner,
            owner_alive=owner_alive,
            task_known=lambda task: executor_of(task) is not None,
            nested=NestedExecutor(self, limits.id_chars_max, max_workers),
            end_leftovers=end_leftovers,
            limits=limits,
            live_runs=lambda: len(self.directory.live),
            throttles=Throttles(throttles, runtime) if throttles else None,
            snapshots=SnapshotRules(snapshot_events or EVENTS_MIN, self._snap),
        )

    def _filing(self, executors: Mapping[str, Executor]) -> dict[str, FilingExecutor]:
        """Return executors that see to the files of large payloads."""
        payloads, most = self._log.all_payloads, self._limits.inline_bytes_max
        return {name: FilingExecutor(each, payloads, inline_bytes_max=most) for name, each in executors.items()}

    def begin(self) -> None:
        """Begin the supervisor, which begins all others."""
        self._spawn_supervisor()
        self._log.recorder.on_change(self._announce)

    def drain(self) -> None:
        """Let parents start no more children, those yet to come included."""
        self.directory.draining = True
        self._surroundings.supervisor.tell(Drain)

    def stop_reading(self) -> None:
        """Read no more inputs: what waits for one is lost."""
        for executor in self._executors.values():
            executor.stop_reading()

    def end_filing(self) -> None:
        """See to what is yet to be written of endings; the executors have been closed."""
        for executor in self._executors.values():
            executor.end()

    def project_last(self) -> None:
        """Take one more batch into the views, now that nothing is appended any more."""
        self._projector.tell(Project)

    def leave_all(self, error: BaseException) -> None:
        """Tell those who wait for a parent that nobody works on it here any more."""
        for parent_id in self.directory.snapshot():
            live = self.directory.live.get(parent_id)
            if live is not None:
                live.observers.halt(error)

    def tell_parent(self, parent_id: str, message: Any) -> None:
        """Tell a parent, which is brought to life if need be."""
        self._surroundings.supervisor.tell(ToParent(parent_id, message))

    def observers(self, parent_id: str) -> Observers:
        """Return the observers of a parent. Hold them while you wait for something."""
        return self.directory.observers(parent_id)

    def _make_hearing(self, parent_id: str, listener: Listener) -> Hearing:
        return Hearing(parent_id, listener, self._let_hear, self._limits.listener_backlog_max)

    def _let_hear(self, hearing: Hearing) -> None:
        if self._announcer is None:
            with self._lock:
                if self._announcer is None:
                    self._announcer = self.runtime.spawn(lambda runtime: AnnouncerActor(runtime, lambda *_: None))
        self._announcer.tell(Heard(hearing))

    def _snap(self, snap: Snap) -> None:
        """Have a snapshot kept by the snapshotter, which begins with the first one."""
        if self._snapshotter is None:
            with self._lock:
                if self._snapshotter is None:
                    self._snapshotter = self.runtime.spawn(self._make_snapshotter)
        tell(self._snapshotter, snap)

    def _make_snapshotter(self, runtime: Runtime) -> SnapshotterActor:
        return SnapshotterActor(runtime, lambda *_: None, self._log, lambda: self.directory.draining)

    def _supervisor_died(self, actor: RuntimeActor, error: BaseException) -> None:
        """Begin another one, which finds the parents in the directory. One that dies again and again halts them all."""
        now = self.runtime.monotonic()
        self._deaths = [at for at in self._deaths if now - at < MEMORY_SECONDS] + [now]
        if len(self._deaths) > RESTARTS_MAX and isinstance(actor, SupervisorActor):
            actor.halt_all(error)
        self._spawn_supervisor()

    def _spawn_supervisor(self) -> None:
        """Make a supervisor. It takes messages at once, but after many deaths it looks about only after a while."""
        supervisor = SupervisorActor(
            self.runtime, self._supervisor_died, self._surroundings, self.directory, self._services()
        )
        self.runtime.begin(supervisor)
        ref = self._surroundings.supervisor.ref = supervisor.actor_ref
        if len(self._deaths) <= 1:
            ref.tell(Begin)
        else:
            self.runtime.tell_later(RESTART_SECONDS * 2 ** min(len(self._deaths), 6), ref, Begin)

    def _services(self) -> tuple[Service, ...]:
        around = self._surroundings
        return (
            Service("journal", around.journal, self._make_journal),
            Service("loader", around.loader, lambda rt, died: LoaderActor(rt, died, self._log, around.loading)),
            Service("pool", around.pool, self._make_pool),
            *self._projectors(),
        )

    def _projectors(self) -> Iterator[Service]:
        """Yield the service that keeps views, where any are kept; whatever is appended nudges it."""
        engine, loading = self._views, self._surroundings.loading
        if engine is not None:
            nudge = Nudge(self._projector)
            self._log.recent = Recent(nudge)

            def make(runtime: Runtime, on_death: OnDeath) -> ProjectorActor:
                return ProjectorActor(runtime, on_death, engine, nudge, loading, self._watch_seconds)

            yield Service("projector", self._projector, make, vital=False)

    def _make_journal(self, runtime: Runtime, on_death: OnDeath) -> JournalActor:
        return JournalActor(runtime, on_death, self._log, self._announce, self._watch_seconds)

    def _make_pool(self, runtime: Runtime, on_death: OnDeath) -> PoolActor:
        heirs = {parent_id: halted.ref for parent_id, halted in self.directory.halted.items()}
        heirs |= {parent_id: live.ref for parent_id, live in self.directory.live.items()}
        supervisor = self._surroundings.supervisor
        return PoolActor(runtime, on_death, self._max_workers, self._executor_for, self._executors, supervisor, heirs)

    def _executor_for(self, task: str) -> Executor:
        name = self._executor_of(task)
        return self._executors[name if name is not None else next(iter(self._executors))]

    def _announce(self, parent_ids: Collection[str]) -> None:
        """Tell live parents that somebody else appended to their streams."""
        live = self.directory.snapshot()
        for parent_id in dict.fromkeys(parent_ids):
            if parent_id in live:
                self.tell_parent(parent_id, News)
