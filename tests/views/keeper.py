"""A process that keeps the views of a store until it is killed: `python -m tests.views.keeper STORE EVENTS_MAX`."""

from __future__ import annotations

import sys
from time import sleep

from events.log import open_log
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine


def main(store: str, events_max: int) -> None:
    """Keep the views, and make them anew whenever there is nothing else to do."""
    with open_log(store) as log:
        engine = ProjectionEngine(log, BUILT_IN, events_max=events_max)
        print("keeping", flush=True)
        while True:
            if not engine.step():
                engine.rebuild()
                sleep(0.001)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
