"""What children printed, and the bar below it: written by the main thread alone, so that nothing is ever mixed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.cli.keep_order import Printed
from orchestrator.cli.progress import Bar
from orchestrator.cli.spool import Raw
from orchestrator.cli.terminal import null_device, say, shown, standard_error, standard_output


class Screen:
    """Prints each child's standard output and standard error whole. Without `prints`, the former goes nowhere."""

    def __init__(self, bar: Bar | None, *, prints: bool) -> None:
        self._output = standard_output() if prints else null_device()
        self._error = standard_error()
        if bar is not None:
            self._output.before_write = self._error.before_write = bar.erase

    def show(self, printed: Sequence[Printed]) -> None:
        """Print what children printed, and give it back in any case.

        Raises:
            OutputError: standard output or standard error cannot be written.
        """
        try:
            for child_id, raw in printed:
                self._copy(child_id, raw)
        finally:
            discard(printed)

    def _copy(self, child_id: str, raw: Raw) -> None:
        try:
            raw.copy_to(self._output, self._error)
        except OSError as error:
            say(f"orchestrator: child {shown(child_id)}: {shown(str(error))}")


def discard(printed: Iterable[Printed]) -> None:
    """Give back what children printed, unprinted."""
    for _, raw in printed:
        raw.close()
