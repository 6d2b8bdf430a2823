"""What the processes of the campaign work on: tasks, parents of every kind, and what they say of it.

A process says on standard output, a line at a time, what it was told is on record: `recorded PARENT`,
`ended PARENT CHILD OUTCOME`, `decided PARENT STATUS`; and what it was refused: `refused ERROR TEXT`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from actors.hearing import EndedChild
from orchestrator import Child, Orchestrator, OrchestratorError, Parallel, Retry, Run, Threshold, current_child, task

SETTLE_SECONDS = 60.0
MAX_WORKERS = 4
"""How many children a process of the campaign runs at a time, over all its parents."""


@task(name="faults.work")
def work(number: int, fails: int = 0, seconds: float = 0.0, output_bytes: int = 0) -> str:
    """Work for a while, fail so many times before it succeeds, and return so much."""
    if seconds:
        current_child().cancelled.wait(seconds)
    if current_child().attempt <= fails:
        raise RuntimeError(f"attempt {current_child().attempt} of {number} fails")
    return "x" * output_bytes


@task(name="faults.until_asked")
def until_asked() -> None:
    """Work until somebody asks to stop."""
    if not current_child().cancelled.wait(SETTLE_SECONDS):
        raise TimeoutError("nobody asked to stop")
    raise RuntimeError("stopped as asked")


@task(name="faults.until_file")
def until_file(path: str) -> str:
    """Work until a file is there, or until asked to stop."""
    cancelled = current_child().cancelled
    deadline = time.monotonic() + SETTLE_SECONDS
    while not os.path.exists(path):  # noqa: PTH110 - asked a hundred times a second
        if cancelled.wait(0.01):
            tell("stopped", current_child().key, current_child().attempt)
            raise RuntimeError("stopped as asked")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} never came")
    return path


def tell(*words: object) -> None:
    """Say one line, in one write."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Teller:
    """Says of one parent what is on record."""

    def __init__(self, parent_id: str) -> None:
        self._parent_id = parent_id

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        text = "".join(f"ended {self._parent_id} {child.child_id} {child.outcome}\n" for child in ended)
        os.write(1, text.encode())

    def changed(self) -> None:
        """Say nothing: a decision is told of by who waits for it."""


ALL_KINDS = ("retries", "deadline", "cancelled", "lost")


def definition(kind: str, *, children: int = 5, seconds: float = 0.0, gate: str = "") -> Parallel:
    """Return a small parent of a kind."""
    if kind == "bulk":
        much = [work.child(number=number, seconds=seconds, output_bytes=20_000) for number in range(children)]
        return Parallel(children=much, max_workers=2)
    if kind == "gated":
        named = [work.child(number=number) for number in range(children)]
        return Parallel(children=[*named, until_file.child(path=gate), *named], max_workers=1)
    if kind == "retries":
        some = [work.child(number=number, fails=number % 3, seconds=seconds) for number in range(children)]
        retry = Retry(max_attempts=4, initial_seconds=0.01, backoff=1)
        return Parallel(children=some, max_workers=2, retry=retry)
    if kind == "last":
        named = [work.child(number=number) for number in range(children)]
        return Parallel(children=[*named, until_file.child(path=gate)], max_workers=1)
    if kind == "deadline":
        named = [work.child(number=number, seconds=seconds) for number in range(2)]
        return Parallel(children=[*named, until_asked.child()], max_workers=2, timeout=0.6)
    if kind == "cancelled":
        return Parallel(children=[work.child(number=1), until_asked.child(), until_asked.child()], max_workers=2)
    if kind == "lost":
        fragile = [work.child(number=n, seconds=seconds).model_copy(update={"on_lost": "fail"}) for n in range(3)]
        rule = Threshold(count=1)
        return Parallel(children=[*fragile, work.child(number=3)], strategy=rule, max_workers=2, on_decided="continue")
    if kind == "commands":
        echo = [Child(command=f"sleep {seconds:g}; echo {number}", input=number) for number in range(children)]
        return Parallel(children=echo, max_workers=2)
    raise ValueError(kind)


EXPECTED = {
    "bulk": {"succeeded"},
    "gated": {"succeeded"},
    "last": {"succeeded"},
    "retries": {"succeeded"},
    "deadline": {"timed_out"},
    "cancelled": {"cancelled"},
    "lost": {"succeeded"},
    "commands": {"succeeded"},
}
"""How a parent of each kind ends, whatever happens to the processes that work on it."""


def begin(orchestrator: Orchestrator, parent_id: str, parallel: Parallel) -> Run:
    """Start or go on with a parent, and say what comes of it."""
    run = orchestrator.start(parallel, id=parent_id)
    tell("recorded", parent_id)
    run.listen(Teller(parent_id))
    return run


def finish(run: Run) -> None:
    """Wait until a parent is settled, and say how."""
    result = run.settle(timeout=SETTLE_SECONDS)
    tell("decided", run.id, result.status)


def refused(error: OrchestratorError) -> None:
    """Say what was refused, and why, in one line."""
    tell("refused", type(error).__name__, " ".join(str(error).split()))
