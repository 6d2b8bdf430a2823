"""A process whose children wait for a key until somebody kills it. Run as: throttled.py STORE.

It starts or goes on with the run `r`, and says on standard output, a line each, which children have ended.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from threading import Event

from actors.hearing import EndedChild
from orchestrator import Orchestrator, Parallel, Throttle, task

CHILDREN = 8
THROTTLE = Throttle(key="host:*", max_running=2, per_second=5, burst=1)


@task
def fetch(number: int) -> int:
    """Take a moment."""
    Event().wait(0.15)
    return number


class Teller:
    """Says what is on record."""

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        os.write(1, b"ended\n" * len(ended))

    def changed(self) -> None:
        """Say nothing: only children are told of."""


def main() -> None:
    keyed = [fetch.child(number=n).model_copy(update={"keys": ("host:a",)}) for n in range(CHILDREN)]
    with Orchestrator(sys.argv[1], max_workers=8, throttles=[THROTTLE]) as orchestrator:
        run = orchestrator.start(Parallel(children=keyed), id="r")
        run.listen(Teller())
        run.settle(timeout=60)


if __name__ == "__main__":
    main()
