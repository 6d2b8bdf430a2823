"""Redacts or archives in a process that is killed at some instant of it."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator import Orchestrator


def main(what: str, path: Path) -> None:
    with Orchestrator(path) as orchestrator:
        print("ready", flush=True)
        sys.stdin.readline()
        if what == "redact":
            orchestrator.get("r").redact("asked for")
        else:
            orchestrator.archive(0, path.with_name(f"{what}.jsonl"), drop=True)
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
