"""Fuzz one target, guided by coverage: `python -m tests.hostile.fuzzers.run TARGET SECONDS` (needs the extra `fuzz`).

Without a target, each of them in turn. It begins from the target's folder in `corpus` and adds nothing to it; an
input that brings a target down is left in the current folder, to be put into the corpus once that is mended.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_NAMES = ("plan", "template", "payload", "stored_row", "history", "duration", "screen", "command_line")
_CORPUS = Path(__file__).parents[1] / "corpus"


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process. The fuzzer ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["orchestrator", "events", "actors"]):
        from tests.hostile.fuzzers.targets import TARGETS

    with TemporaryDirectory() as found:
        limits = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=2048", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *limits, found, str(_CORPUS / name)], TARGETS[name])
        atheris.Fuzz()


def main() -> int:
    """Fuzz what the command line names."""
    *names, seconds = sys.argv[1:]
    if len(names) == 1:
        fuzz(names[0], int(seconds))
    statuses = {}
    for name in _NAMES:
        print(f"== {name}, {seconds} s", flush=True)
        statuses[name] = subprocess.run([sys.executable, "-m", "tests.hostile.fuzzers.run", name, seconds]).returncode
    failed = [name for name, status in statuses.items() if status]
    print(f"failed: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
