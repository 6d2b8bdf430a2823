"""Checksums of files, in parallel, as a user of the library writes it.

    python examples/library_user.py --store runs.db --require 80 FILE...

Prints a checksum for each file that could be read and an error for each that could not. The exit status is 0 when
enough of them succeeded. Started again with the same files it gives the recorded answer and reads none of them.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from orchestrator import Orchestrator, Parallel, Result, Retry, Threshold, UsageError, current_child, task

CHUNK_BYTES = 1_048_576


@task(timeout=60, retry=Retry(max_attempts=2, initial_seconds=0.1))
def checksum(path: str) -> dict[str, str | int]:
    """Return the SHA-256 and the size of a file. Stops early when the run needs no more answers."""
    child = current_child()
    digest, size = hashlib.sha256(), 0
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            if child.cancelled.is_set():
                raise InterruptedError("not needed any more")
    return {"sha256": digest.hexdigest(), "bytes": size}


def definition(files: list[str], require: str, max_workers: int) -> Parallel:
    """Say what is to be done: one child a file, named after it; all, any, or a percentage of them must succeed."""
    return Parallel(
        children=[checksum.child(path=file).with_id(file) for file in files],
        strategy="all" if require == "all" else "any" if require == "any" else Threshold(percent=float(require)),
        max_workers=max_workers,
        timeout=3600,
        on_decided="cancel" if require == "any" else "continue",
    )


def show(result: Result) -> None:
    """Print what came of the children, in the order of the files."""
    for file, output in result.outputs.items():
        print(f"{output['sha256']}  {file}")
    for file, error in result.errors.items():
        print(f"{file}: {error['type']}: {error['message']}", file=sys.stderr)
    print(f"{result.status}: {result.counts.succeeded} of {result.counts.total} files read", file=sys.stderr)


def main() -> int:
    """Run the script. Exit status 0: succeeded, 1: not, 2: refused."""
    parser = argparse.ArgumentParser(description="Compute checksums in parallel.")
    parser.add_argument("--store", default="runs.db", help="where the record is kept")
    parser.add_argument("--id", help="a name for the run")
    parser.add_argument("--require", default="all", metavar="all|any|PERCENT", help="how many must succeed")
    parser.add_argument("-j", "--max-workers", type=int, default=4, help="how many at a time")
    parser.add_argument("files", nargs="+", metavar="FILE")
    arguments = parser.parse_args()
    try:
        parallel = definition(arguments.files, arguments.require, arguments.max_workers)
        with Orchestrator(arguments.store) as orchestrator:
            run = orchestrator.start(parallel, id=arguments.id)
            result = run.settle(timeout=3600)
            show(result)
            again = [child.id for child in run.children() if child.attempts > 1]
    except UsageError as error:
        parser.error(str(error))
    if again:
        print(f"tried more than once: {', '.join(again)}", file=sys.stderr)
    return 0 if result.status == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
