"""A process that owns a run of no-op children and works on it at full speed; a test's other half controls it."""

from __future__ import annotations

import sys

from orchestrator import Orchestrator, OrchestratorError, Parallel, task

RUN_ID = "busy"


@task
def no_op(n: int) -> int:
    return n


def main(store: str, children: int) -> None:
    """Own a run until it is settled."""
    with Orchestrator(store, max_workers=16) as orchestrator:
        asked = Parallel(children=[no_op.child(n=n) for n in range(children)], on_decided="cancel")
        run = orchestrator.start(asked, id=RUN_ID)
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        try:
            sys.stdout.write(f"{run.settle(timeout=120).status}\n")
        except OrchestratorError as error:
            sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
