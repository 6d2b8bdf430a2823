"""One of many processes that fight for the same parents. Run as: -m tests.faults.fighter STORE NUMBER SEED ACTIONS.

It works on a parent of its own, and on shared ones it does what comes to its mind: starts them, resumes them, takes
them over, looks at them, cancels one of them. Being refused because somebody else works on a parent is part of it.
"""

from __future__ import annotations

import random
import sys

from orchestrator import DeadlineExceededError, Orchestrator, OrchestratorError, Parallel, Retry, RunOwnedError
from orchestrator.cli.exits import exit_status
from tests.faults import work

SHARED = ("shared", "doomed")
"""Parents that everybody works on. The second one is cancelled by somebody sooner or later."""


def shared(parent_id: str) -> Parallel:
    named = [work.work.child(number=number, fails=number % 2, seconds=0.03) for number in range(30)]
    more = [work.until_asked.child()] if parent_id == "doomed" else []
    return Parallel(children=[*named, *more], max_workers=3, retry=Retry(max_attempts=40))


def act(orchestrator: Orchestrator, chance: random.Random) -> None:
    """Do one thing to a shared parent."""
    parent_id = chance.choice(SHARED)
    action = chance.choices(("start", "resume", "take over", "look", "cancel"), (4, 2, 2, 3, 1))[0]
    if action == "start":
        run = work.begin(orchestrator, parent_id, shared(parent_id))
    elif action == "cancel":
        orchestrator.start(shared("doomed"), id="doomed")
        run = orchestrator.get("doomed")
        run.cancel("enough")
    else:
        orchestrator.start(shared(parent_id), id=parent_id)
        run = orchestrator.get(parent_id)
        if action != "look":
            orchestrator.resume(parent_id, take_over=action == "take over")
    status = run.status()
    if status.settled:
        work.tell("decided", run.id, status.status)
        return
    run.settle(timeout=chance.uniform(0.0, 0.3))
    work.finish(run)


def main() -> int:
    store, number, seed, actions = sys.argv[1:]
    chance = random.Random(int(seed))
    with Orchestrator(store, max_workers=work.MAX_WORKERS, shutdown_seconds=1) as orchestrator:
        own = work.begin(orchestrator, f"own-{number}", work.definition("retries", children=10, seconds=0.02))
        for _ in range(int(actions)):
            try:
                act(orchestrator, chance)
            except (RunOwnedError, DeadlineExceededError):
                continue
            except OrchestratorError as error:
                work.refused(error)
                return exit_status(error)
        work.finish(own)
    work.tell("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
