"""A program that forks while its orchestrator works. Run as: -m tests.faults.forker STORE WAY FORKS.

It says `forked WAY STATUS` for every fork: 0 where the fork was refused everything with ClosedError, and ended.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event

from orchestrator import ClosedError, Orchestrator, Parallel, Run, task
from tests.faults import work

PATIENCE_SECONDS = 20
CHILDREN = 20


def be_refused(orchestrator: Orchestrator, run: Run) -> int:
    """Try everything in a fork; return 0 where all of it is refused."""
    signal.alarm(PATIENCE_SECONDS)  # who hangs dies of it
    asked: dict[str, Callable[[], object]] = {
        "start": partial(work.begin, orchestrator, "fork", work.definition("retries")),
        "resume": partial(orchestrator.resume, run.id),
        "resume_all": orchestrator.resume_all,
        "get": partial(orchestrator.get, run.id),
        "list": orchestrator.list,
        "ref": lambda: orchestrator.ref,
        "status": run.status,
        "settle": partial(run.settle, timeout=5),
        "cancel": run.cancel,
        "children": run.children,
        "history": lambda: list(run.history()),
    }
    allowed = 0
    for name, ask in asked.items():
        try:
            ask()
        except ClosedError:
            continue
        os.write(2, f"{name} was not refused in a fork\n".encode())
        allowed += 1
    orchestrator.close()
    return allowed


def fork(way: str, orchestrator: Orchestrator, run: Run) -> int:
    """Fork in a way, and return the status with which the fork ended."""
    if way == "multiprocessing":
        context = multiprocessing.get_context("fork")
        process = context.Process(target=lambda: sys.exit(be_refused(orchestrator, run)))
        process.start()
        process.join()
        return process.exitcode or 0
    process_id = os.fork()
    if process_id:
        return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])
    status = be_refused(orchestrator, run)
    if way == "hard":
        os._exit(status)
    sys.exit(status)  # through every `with` above, and the whole end of the interpreter


@task(name="faults.forking")
def forking(number: int) -> int:
    """Fork inside a task; the fork leaves the task as the task itself does."""
    process_id = os.fork()
    if process_id == 0:
        signal.alarm(PATIENCE_SECONDS)
        if number % 2:
            sys.exit(0)
        return number
    status = os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])
    work.tell("forked", "in-a-task", status)
    return number


def main() -> None:
    store, way, forks = sys.argv[1:]
    with Orchestrator(store, max_workers=work.MAX_WORKERS) as orchestrator:
        if way == "in-a-task":
            children = [forking.child(number=number) for number in range(int(forks))]
            run = work.begin(orchestrator, "forks", Parallel(children=children, max_workers=2))
        else:
            run = work.begin(orchestrator, "forks", work.definition("bulk", children=CHILDREN, seconds=0.05))
            for number in range(int(forks)):
                Event().wait(0.01 * number)
                work.tell("forked", way, fork(way, orchestrator, run))
                Path(f"{store}.forked").touch()
        work.finish(run)
    work.tell("done")


if __name__ == "__main__":
    main()
