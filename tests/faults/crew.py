"""A process whose children run in worker processes, until somebody kills it. Run as: -m tests.faults.crew STORE FOLDER.

It says `recorded r` once its run is on record.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator import Orchestrator, Parallel
from tests.faults import work
from tests.support import violent

MAX_WORKERS = 4


def definition(folder: Path) -> Parallel:
    """Return a run of which some children wait, one is stopped and one stuck when they run for the first time."""
    waiting = [violent.wait_for.child(path=f"{folder}/gate", begun=f"{folder}/{n}", listen=False) for n in range(2)]
    odd = [violent.once.child(begun=f"{folder}/{how}", how=how) for how in ("stop", "hog")]
    return Parallel(children=[*waiting, *odd, *(violent.double.child(x=number) for number in range(4))])


def main() -> None:
    store, folder = sys.argv[1:]
    with Orchestrator(store, max_workers=MAX_WORKERS) as orchestrator:
        run = orchestrator.start(definition(Path(folder)), id="r")
        work.tell("recorded", "r")
        run.settle(timeout=work.SETTLE_SECONDS)


if __name__ == "__main__":
    main()
