"""A process that keeps a snapshot every few events until it is killed. Run as: snapshots_victim.py STORE CHILDREN."""

from __future__ import annotations

import sys
from typing import Final

import actors.snapshots
import actors.system
from orchestrator import Orchestrator, Parallel, Retry, task

EVENTS_MIN: Final = 25


@task
def count_on(number: int) -> int:
    """Return a number, at once."""
    return number + 1


def main(store: str, children: int) -> None:
    """Start the run, or go on with it, and say so once it is settled."""
    vars(actors.system)["EVENTS_MIN"] = EVENTS_MIN
    vars(actors.snapshots)["SECONDS_PER_CHILD"] = 0.0
    print("ready", flush=True)
    asked = Parallel(
        children=[count_on.child(number=number) for number in range(children)], retry=Retry(max_attempts=50)
    )
    with Orchestrator(store, max_workers=4) as orchestrator:
        orchestrator.start(asked, id="r").settle(timeout=100)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
