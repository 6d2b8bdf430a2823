"""A process that runs commands until somebody kills it. Run as: owner.py STORE COMMAND...

It says `running PID`, with the spawner's process id, once all of them run.
"""

from __future__ import annotations

import os
import sys
import threading

from orchestrator import Child, Orchestrator, Parallel


def main() -> None:
    store, *commands = sys.argv[1:]
    orchestrator = Orchestrator(store, max_workers=len(commands))
    children = [Child(command=command) for command in commands]
    run = orchestrator.start(Parallel(children=children, on_decided="continue"), id="r")
    while run.status().counts.running + run.status().counts.failed < len(commands):
        threading.Event().wait(0.01)
    while orchestrator._engine.executors.commands.spawner_process_id is None:
        threading.Event().wait(0.01)
    os.write(1, f"running {orchestrator._engine.executors.commands.spawner_process_id}\n".encode())
    run.settle(timeout=60)
    orchestrator.close()


if __name__ == "__main__":
    main()
