"""Status and pages of children of a large run, from its views; and a page of a small run, in turn.

The store is written once, by direct appends of its facts, and then projected; the questions are asked by a fresh
orchestrator, each by a handle of its own, and pages begin at random children.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.job import given, latencies, report
from benchmarks.ours.histories import history, write
from events.log import open_log
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine
from orchestrator import Orchestrator

_PAGE: Final = 50
_SMALL: Final = 1_000


def build(store: Path, children: int) -> None:
    """Make the store: a large run and a small one, and their views."""
    write(store, "small", history(_SMALL))
    write(store, "large", history(children))
    with open_log(store) as log:
        engine = ProjectionEngine(log, BUILT_IN)
        while engine.step():
            pass


def questions(orchestrator: Orchestrator, children: int) -> dict[str, Callable[[], object]]:
    """Return what is asked, by the name of its measures."""
    chance = random.Random(1)  # noqa: S311 - which children are asked for is no secret

    def page(run_id: str, count: int) -> object:
        place = chance.randrange(count - _PAGE - 1)
        return orchestrator.get(run_id).children(after=f"work-{place}", limit=_PAGE)

    def latest() -> object:
        place = chance.randrange(children - _PAGE - 1)
        return orchestrator.get("large").children(after=f"work-{place}", limit=_PAGE, order="-finished")

    return {
        "status": lambda: orchestrator.get("large").status(),
        "page": lambda: page("large", children),
        "latest": latest,
        "failed": lambda: orchestrator.get("large").children("failed", limit=10),
        "list": lambda: orchestrator.list(limit=20),
        "small_page": lambda: page("small", _SMALL),
    }


def main() -> None:
    """Measure: all questions in turn, so many times."""
    job = given()
    store = job.folder / "runs.db"
    build(store, job.children)
    with Orchestrator(store, must_exist=True) as orchestrator:
        asked = questions(orchestrator, job.children)
        took: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(job.repeats):
            for name, ask in asked.items():
                began = time.perf_counter()
                ask()
                took[name].append(1_000 * (time.perf_counter() - began))
    measures: dict[str, float | list[float]] = {}
    for name, times in took.items():
        measures |= latencies(times, f"{name}_")
    report(measures)


if __name__ == "__main__":
    main()
