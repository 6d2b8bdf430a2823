"""One orchestrator's actors, put together: the same way in real life and in a simulation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from actors.directory import Directory
from actors.executors.work import Executor
from actors.journal import JournalActor
from actors.loader import LoaderActor
from actors.messages import News, ToParent
from actors.observers import Observers
from actors.pool import PoolActor
from actors.runtime import Address, OnDeath, Runtime
from actors.supervisor import Service, SupervisorActor
from actors.surroundings import Surroundings
from events.limits import Limits
from events.log.store import EventLog


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

    """

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
    ) -> None:
        self.runtime: Final = runtime
        self.directory: Final = Directory()
        self._log = log
        self._max_workers = max_workers
        self._executors = executors
        self._executor_of = executor_of
        self._watch_seconds = watch_seconds
        self._surroundings = Surroundings(
            owner=owner,
            owner_alive=owner_alive,
            task_known=lambda task: executor_of(task) is not None,
            limits=limits,
            journal=Address(),
            loader=Address(),
            pool=Address(),
            supervisor=Address(),
        )

    def begin(self) -> None:
        """Begin the supervisor, which begins all others."""
        self._spawn_supervisor()

    def tell(self, message: Any) -> None:
        """Tell the supervisor."""
        self._surroundings.supervisor.tell(message)

    def tell_parent(self, parent_id: str, message: Any) -> None:
        """Tell a parent, which is brought to life if need be."""
        self._surroundings.supervisor.tell(ToParent(parent_id, message))

    def observers(self, parent_id: str) -> Observers:
        """Return the observers of a parent. Hold them while you wait for something."""
        return self.directory.observers(parent_id)

    def _spawn_supervisor(self, *_: object) -> None:
        """Begin a supervisor; the next one, should it die, finds the parents in the directory."""
        self._surroundings.supervisor.ref = self.runtime.spawn(
            lambda runtime: SupervisorActor(
                runtime, self._spawn_supervisor, self._surroundings, self.directory, self._services()
            )
        )

    def _services(self) -> tuple[Service, ...]:
        around = self._surroundings
        return (
            Service("journal", around.journal, self._make_journal),
            Service("loader", around.loader, lambda rt, died: LoaderActor(rt, died, self._log)),
            Service("pool", around.pool, self._make_pool),
        )

    def _make_journal(self, runtime: Runtime, on_death: OnDeath) -> JournalActor:
        return JournalActor(runtime, on_death, self._log, self._announce, self._watch_seconds)

    def _make_pool(self, runtime: Runtime, on_death: OnDeath) -> PoolActor:
        heirs = {parent_id: live.ref for parent_id, live in self.directory.live.items()}
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
