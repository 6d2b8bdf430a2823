"""A process that brings every parent of a store to its end. Run as: -m tests.faults.finisher STORE."""

from __future__ import annotations

import sys

from orchestrator import Orchestrator
from tests.faults import work


def main() -> None:
    with Orchestrator(sys.argv[1], max_workers=work.MAX_WORKERS, must_exist=True) as orchestrator:
        for status in orchestrator.list():
            if status.id == "doomed" and status.decided_at is None:
                orchestrator.get("doomed").cancel("enough")
        for run in [*orchestrator.resume_all(), *(orchestrator.get(status.id) for status in orchestrator.list())]:
            work.finish(run)
    work.tell("done")


if __name__ == "__main__":
    main()
