"""Each process's own way to the tables beside the events, where faults are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from actors.simulated import SimulatedRuntime
from events.errors import StoreBusyError, StoreFullError, StoreUnavailableError
from events.log.tables import Session, Tables, Values
from tests.simulation.faults import FaultyMeddler
from tests.simulation.process_death import ProcessDiedError


class FaultyTables(Tables):
    """Refuses, stalls, loses answers and kills the process, as the door to the events does."""

    location = "simulated:"

    def __init__(
        self,
        tables: Tables,
        runtime: SimulatedRuntime,
        meddler: FaultyMeddler,
        crash: Callable[[], None],
        races: Sequence[Callable[[], object]],
    ) -> None:
        self._tables = tables
        self.table_options = tables.table_options
        self._runtime = runtime
        self._meddler = meddler
        self._crash = crash
        self._races = races

    def read(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        self._check_alive()
        if self._meddler.happens("read_fails", self._meddler.faults.read_fails):
            raise StoreUnavailableError("simulated: the disk reports an error")
        return self._tables.read(statement, values)

    def slip(self, error: BaseException) -> str | None:
        return self._tables.slip(error)

    @contextmanager
    def transaction(self, timeout_seconds: float | None = None) -> Iterator[Session]:
        happens, faults = self._meddler.happens, self._meddler.faults
        self._check_alive()
        if happens("view_stalls", faults.append_stalls):
            self._runtime.scheduler.elapsed_us += int(self._runtime.random.random() * 2_000_000)
        if happens("view_refused", faults.append_fails):
            kind = self._runtime.random.choice((StoreBusyError, StoreFullError, StoreUnavailableError))
            raise kind("simulated: the views were not written")
        if self._races and happens("view_overtaken", faults.overtaken):
            for race in self._races:
                race()
        with self._tables.transaction(timeout_seconds) as session:
            yield session
            if happens("crash_before_view", faults.crash_before_append):
                self._die()
        self._runtime.scheduler.note(self._runtime.name, "views")
        if happens("crash_after_view", faults.crash_after_append):
            self._die()
        if happens("view_reply_lost", faults.reply_lost):
            raise StoreUnavailableError("simulated: whether the views were written could not be found out")

    def snapshot(self) -> AbstractContextManager[Session]:
        return self._tables.snapshot()

    def columns(self, table: str) -> list[str]:
        self._check_alive()
        return self._tables.columns(table)

    def close(self) -> None:
        """The tables outlive the process."""

    def _die(self) -> None:
        self._crash()
        raise ProcessDiedError

    def _check_alive(self) -> None:
        if not self._runtime.alive:
            raise ProcessDiedError
