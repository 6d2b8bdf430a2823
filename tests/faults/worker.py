"""A process that works on parents until they are settled, or says what was in the way and exits as the command would.

Run as: -m tests.faults.worker STORE KIND... [OPTIONS].
"""

from __future__ import annotations

import argparse
import resource
import sys

from orchestrator import Orchestrator, OrchestratorError, Run
from orchestrator.cli.exits import exit_status
from tests.faults import work


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("kinds", nargs="+", help="KIND, or ID=KIND")
    parser.add_argument("--children", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long each child works")
    parser.add_argument("--gate", default="", help="the file that gated children wait for")
    parser.add_argument("--busy", type=float, default=30.0, help="how long to wait for somebody else's lock")
    parser.add_argument("--take-over", action="store_true", help="although somebody seems to work on it")
    parser.add_argument("--file-bytes", type=int, help="no file may grow beyond that")
    return parser.parse_args()


def main() -> int:
    options = parsed()
    if options.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_bytes, options.file_bytes))
    statuses = [0]
    try:
        with Orchestrator(
            options.store, max_workers=work.MAX_WORKERS, busy_timeout_seconds=options.busy, shutdown_seconds=1
        ) as orchestrator:
            work.tell("ready")
            for run in [_begin(orchestrator, word, options) for word in options.kinds]:
                try:
                    work.finish(run)
                except OrchestratorError as error:
                    work.refused(error)
                    statuses.append(exit_status(error))
    except OrchestratorError as error:
        work.refused(error)
        statuses.append(exit_status(error))
    work.tell("done" if max(statuses) == 0 else "stopped")
    return max(statuses)


def _begin(orchestrator: Orchestrator, word: str, options: argparse.Namespace) -> Run:
    parent_id, _, kind = word.rpartition("=")
    if options.take_over:
        return orchestrator.resume(parent_id or kind, take_over=True)
    asked = work.definition(kind, children=options.children, seconds=options.seconds, gate=options.gate)
    return work.begin(orchestrator, parent_id or kind, asked)


if __name__ == "__main__":
    sys.exit(main())
