"""A process that kills itself at an append. Run as: -m tests.faults.appender STORE POINT N SECONDS KIND...

It starts or goes on with one parent of each kind, and sends itself SIGKILL at its N-th transaction or as soon after it
as there is such a point:
before a row is written, when the rows are written and their heads are not, when all is written and not committed,
or when it is committed and nobody has been told.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, Final

from events.log.sqlite import SQLiteRecorder
from events.log.sqlite_connection import Connection, Deadline
from orchestrator import Orchestrator
from tests.faults import work

POINTS: Final = ("before", "rows", "uncommitted", "committed")


class Deadly(Connection):
    """A connection that knows how many transactions its process has begun."""

    point = "never"
    last = 0
    begun = 0

    def begin(self, deadline: Deadline, location: str) -> None:
        super().begin(deadline, location)
        Deadly.begun += 1
        self._reach("before")

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        if sql.startswith("INSERT INTO parents"):
            self._reach("rows")
        return super().execute(sql, parameters)

    def commit(self) -> None:
        self._reach("uncommitted")
        super().commit()
        self._reach("committed")

    def _reach(self, point: str) -> None:
        if Deadly.begun >= Deadly.last and point == Deadly.point:  # not every transaction has all points: views' do not
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    store, Deadly.point, last, seconds, *kinds = sys.argv[1:]
    Deadly.last = int(last)
    SQLiteRecorder.connection_class = Deadly
    with Orchestrator(store, max_workers=work.MAX_WORKERS) as orchestrator:
        runs = {kind: work.begin(orchestrator, kind, work.definition(kind, seconds=float(seconds))) for kind in kinds}
        if "cancelled" in runs:
            runs["cancelled"].cancel("enough")
        for run in runs.values():
            work.finish(run)
    work.tell("transactions", Deadly.begun)
    work.tell("done")


if __name__ == "__main__":
    main()
