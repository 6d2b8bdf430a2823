"""Running a command within bounds: so much memory, so much processor time, so long."""

from __future__ import annotations

from typing import Final

from tests.cli.driver import CommandLine, Done, Word

MEMORY_KIBIBYTES: Final = 1_500_000
PROCESSOR_SECONDS: Final = 30


def bounded(cli: CommandLine, *words: Word, items: bytes = b"", **environment: str) -> Done:
    """Run a command that may take 1.5 GB of address space and 30 seconds of processor time, and not one bit more."""
    limits = f'ulimit -v {MEMORY_KIBIBYTES}; ulimit -t {PROCESSOR_SECONDS}; exec "$@"'
    return cli.run(*words, items=items, before=("/bin/sh", "-c", limits, "sh"), **environment)
