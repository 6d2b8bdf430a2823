"""A process whose children return much, until it kills itself or is killed. Run as: results_victim.py STORE MODE.

MODE says where it ends by SIGKILL: `writing` in the middle of a payload file, `written` once a file has its name and
before anything refers to it, `starting` the same with inputs, `coming` in the middle of `as_completed`, `never` not
at all. Each start of a child is noted in a file beside the store.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any, Final

from events.log.payloads import FilePayloads
from events.payload_files import PayloadRef, payload_bytes, ref_to
from orchestrator import Child, Limits, Orchestrator, Parallel, current_child, task

CHILDREN: Final = 8
LIMITS: Final = Limits(inline_bytes_max=1_000)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note(store: Path) -> None:
    child = current_child()
    with store.with_name("starts").open("a") as starts:
        starts.write(f"{child.key} {child.attempt}\n")


@task
def expand(store: str, number: int) -> bytes:
    """Return more than stands on record."""
    note(Path(store))
    return bytes([number]) * 5_000


@task
def shrink(text: str) -> int:
    return len(text)


@task
def die_once(store: str) -> str:
    """End the whole process, the first time."""
    note(Path(store))
    if len(Path(store).with_name("starts").read_text().splitlines()) == 1:
        die()
    return "alive"


def asked(store: Path, mode: str) -> Parallel:
    if mode in ("once", "again"):
        child = Child(id="a", task="die_once", input={"store": str(store)}, on_lost="retry")
        children = [child.model_copy(update={"on_lost": "fail"}) if mode == "once" else child]
        return Parallel(children=children, on_decided="continue")
    if mode == "starting":
        return Parallel(children=[shrink.child(text=f"{number}" * 3_000) for number in range(CHILDREN)])
    children = [expand.child(store=str(store), number=number) for number in range(CHILDREN)]
    return Parallel(children=children, max_workers=2)


class Dying(FilePayloads):
    """Ends the process in the middle of its fourth file."""

    def __init__(self, folder: Path, mode: str) -> None:
        super().__init__(folder)
        self._mode = mode
        self._numbers = count(1)  # its next number is one step: two workers may write at the same moment

    def put(self, text: str) -> PayloadRef:
        fourth = next(self._numbers) == 4
        if fourth and self._mode == "writing":
            folder = self.path(ref_to(payload_bytes(text))).parent
            folder.mkdir(exist_ok=True)
            (folder / ".half.part").write_text(text[:100])
            die()
        ref = super().put(text)
        if fourth:
            die()
        return ref


def main(store: Path, mode: str) -> None:
    with Orchestrator(store, max_workers=2, limits=LIMITS) as orchestrator:
        if mode in ("writing", "written", "starting"):
            log: Any = orchestrator._engine.log
            dying = Dying(Path(f"{store}.payloads"), mode)
            log.payloads = dying
            orchestrator._creation._payloads = dying
            for executor in orchestrator._engine._system._executors.values():
                executor._payloads = dying
        run = orchestrator.start(asked(store, mode), id="r")
        for number, child in enumerate(run.as_completed(timeout=60)):
            print(child.id, flush=True)
            if mode == "coming" and number == CHILDREN // 2:
                die()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
