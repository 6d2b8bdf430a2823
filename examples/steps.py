"""An engine that runs the children itself and lets the orchestrator keep the record and the rule.

    python examples/steps.py --store runs.db --id checks 'COMMAND'...

The engine programs against the Protocols of `orchestrator.interfaces`, not against a class: it creates the parent's
state, prepares and creates its children, runs each command in its own way, and hands in a response for each. The
orchestrator puts them on record and says, by its one rule, how the parent stands. As soon as two commands have
succeeded the others are skipped. Started again after a crash, the engine goes on with the children that have no
outcome yet.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from orchestrator import Child, Orchestrator, Parallel, Threshold, UsageError
from orchestrator.interfaces import ChildTaskManager, Response, StatusAggregator, TaskOrchestrator

FINAL = {"succeeded", "failed", "cancelled", "timed_out"}


def lay_out(states: TaskOrchestrator, children: ChildTaskManager, run_id: str, commands: Sequence[str]) -> None:
    """Put parent and children on record. Every step is idempotent: after a crash it is simply taken again."""
    states.create_state(Parallel(strategy=Threshold(count=2), metadata={"made_by": "steps.py"}), id=run_id)
    children.prepare_children(run_id, [Child(id=name_of(index), command=text) for index, text in enumerate(commands)])
    children.create_children(run_id)


def run_here(command: str) -> Response:
    """Run one command in the engine's own way and say how it went."""
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)  # noqa: S603 - the user's own
    if done.returncode == 0:
        return Response("succeeded", output=done.stdout)
    return Response("failed", error={"exit_status": done.returncode, "stderr": done.stderr})


def work_through(
    states: TaskOrchestrator,
    statuses: StatusAggregator,
    run_id: str,
    todo: Sequence[tuple[str, str]],
) -> str:
    """Run children until the parent is decided, have the others skipped, and return the status."""
    known = statuses.calculate_status(run_id)
    for child_id, command in todo:
        if known in FINAL:
            break
        states.handle_response(run_id, child_id, run_here(command))
        if statuses.should_update_status(run_id, known):
            known = statuses.calculate_status(run_id)
            print(f"{child_id}: {run_id} is now {known}")
    states.prepare_execution(run_id).settle(timeout=60)
    return known


def name_of(index: int) -> str:
    """Return the id of a child."""
    return f"step-{index + 1}"


def drive(orchestrator: Orchestrator, run_id: str, commands: Sequence[str]) -> str:
    """Take the steps in their order. `Orchestrator` implements all three Protocols."""
    lay_out(orchestrator, orchestrator, run_id, commands)
    metadata = orchestrator.get_children_metadata(run_id)
    print(f"{metadata.count} children, {metadata.strategy.required} must succeed, {dict(metadata.custom)}")
    views = orchestrator.get(run_id).children()
    todo = [(view.id, commands[view.index]) for view in views if view.status == "pending"]
    status = work_through(orchestrator, orchestrator, run_id, todo)
    skipped = orchestrator.get(run_id).status().counts.skipped
    print(f"{run_id}: {status}, {skipped} skipped")
    return status


def main() -> int:
    """Run the engine. Exit status 0: two commands succeeded, 1: they cannot any more."""
    parser = argparse.ArgumentParser(description="Run commands one by one until two have succeeded.")
    parser.add_argument("--store", default="runs.db")
    parser.add_argument("--id", required=True)
    parser.add_argument("commands", nargs="+", metavar="COMMAND")
    arguments = parser.parse_args()
    try:
        with Orchestrator(arguments.store) as orchestrator:
            status = drive(orchestrator, arguments.id, arguments.commands)
    except UsageError as error:
        parser.error(str(error))
    return 0 if status == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
