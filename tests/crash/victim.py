"""A process that works under load until somebody kills it. Run as: victim.py STORE EFFECTS SEED.

It starts or resumes three parents with Python children and shell commands, and says on standard output, a line at a
time, what it was told is on record: `ready`, `ended PARENT CHILD OUTCOME`, `done`. Every execution of a child
appends its key and attempt to EFFECTS before and after the work.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from typing import Final

from actors.hearing import EndedChild
from orchestrator import Child, Orchestrator, Parallel, Retry, Threshold, current_child, task

PARENTS: Final = ("all", "most", "commands")
EFFECTS: Final = sys.argv[2] if len(sys.argv) > 2 else os.devnull


def note(word: str) -> None:
    child = current_child()
    line = f"{word} {child.parent_id} {child.id} {child.attempt}\n"
    with open(EFFECTS, "a", encoding="ascii") as effects:  # noqa: PTH123 - one short append is one write
        effects.write(line)


@task
def work(number: int) -> int:
    """Do a little, and fail now and then on the first attempt."""
    note("begun")
    if number % 7 == 3 and current_child().attempt == 1:
        raise RuntimeError("the first attempt of a seventh of them fails")
    value = sum(range(number * 20))
    note("ended")
    return value


class Teller:
    """Says what is on record."""

    def __init__(self, parent_id: str) -> None:
        self.parent_id = parent_id

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        lines = "".join(f"ended {self.parent_id} {child.child_id} {child.outcome}\n" for child in ended)
        os.write(1, lines.encode())

    def changed(self) -> None:
        """Say nothing: only children are told of."""


def asked(parent_id: str, seed: int) -> Parallel:
    children = random.Random(seed).randint(60, 160)
    if parent_id == "commands":
        echo = [Child(command=f"echo {number}", input=number) for number in range(children // 4)]
        return Parallel(children=echo, max_workers=3, on_decided="continue")
    named = [work.child(number=number) for number in range(children)]
    if parent_id == "all":
        return Parallel(children=named, max_workers=4, retry=Retry(max_attempts=5))
    return Parallel(children=named, strategy=Threshold(percent=60), max_workers=5, on_decided="continue")


def main() -> None:
    store, seed = sys.argv[1], int(sys.argv[3])
    with Orchestrator(store, max_workers=8) as orchestrator:
        os.write(1, b"ready\n")
        runs = []
        for parent_id in PARENTS:
            run = orchestrator.start(asked(parent_id, seed), id=parent_id)
            run.listen(Teller(parent_id))
            runs.append(run)
        for run in runs:
            run.settle(timeout=60)
    os.write(1, b"done\n")


if __name__ == "__main__":
    main()
