"""A process that feeds a run from a generator, until it is done or killed. Run as: feeder.py STORE FOLDER CHILDREN.

Each child appends its name to FOLDER/ran. `fed` is printed when the generator has ended, `done STATUS` at the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestrator import Child, Orchestrator, Parallel, current_child, task


@task
def mark(folder: str) -> None:
    descriptor = os.open(Path(folder) / "ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{current_child().id}\n".encode())
    os.close(descriptor)


def children(folder: str, count: int) -> Iterator[Child]:
    for _ in range(count):
        yield mark.child(folder=folder)


def main() -> None:
    store, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with Orchestrator(store, max_workers=4) as orchestrator:
        run = orchestrator.start(Parallel(children=children(folder, count)), id="fed")
        os.write(1, b"started\n")
        result = run.settle(timeout=100)
    os.write(1, f"done {result.status}\n".encode())


if __name__ == "__main__":
    main()
