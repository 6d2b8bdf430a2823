"""A process that redrives a run, or owns one that waits, until somebody kills it."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from orchestrator import Child, Orchestrator, Parallel, current_child, task

RUN_ID = "tree"


def _note(folder: str, text: str) -> None:
    file = os.open(Path(folder) / "ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, f"{text}\n".encode())
    finally:
        os.close(file)


@task
def odd_fails(folder: str, n: int) -> int:
    """Fail where `n` is odd and not mended; hold on until it is, where there is a file `hold`."""
    _note(folder, str(n))
    while n % 2 and (Path(folder) / "hold").exists() and not (Path(folder) / f"mended.{n}").exists():
        current_child().cancelled.wait(0.01)
    if n % 2 and not (Path(folder) / f"mended.{n}").exists():
        raise ValueError(f"{n} is odd")
    return n


@task
def wait_for_go(folder: str, n: int) -> int:
    """Wait until there is a file `go`, or until asked to stop."""
    _note(folder, str(n))
    while not (Path(folder) / "go").exists():
        if current_child().cancelled.wait(0.01):
            raise RuntimeError("stopped as asked")
    return n


def main(store: str, folder: str, what: str) -> None:
    """Begin, say so, and go on until killed."""
    with Orchestrator(store, max_workers=2) as orchestrator:
        if what == "redrive":
            orchestrator.get(RUN_ID).redrive()
        else:
            children = [wait_for_go.child(folder=folder, n=n) for n in range(4)]
            inner = [Child(id=f"inner-{n}", parallel=Parallel(children=children[2 * n :][:2])) for n in range(2)]
            asked = Parallel(children=inner if what == "tree" else children, max_workers=2)
            run = orchestrator.start(asked, id=RUN_ID)
            while run.status().counts.running < 2:
                threading.Event().wait(0.01)
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        threading.Event().wait(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
