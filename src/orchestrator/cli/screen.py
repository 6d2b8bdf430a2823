"""What children printed, and the bar below it: written by the main thread alone, so that nothing is ever mixed."""

from __future__ import annotations

from collections.abc import Iterable

from actors.executors.captured import CapturedOutput
from actors.hearing import EndedChild
from orchestrator.cli.progress import Bar
from orchestrator.cli.terminal import null_device, say, shown, standard_error, standard_output


class Screen:
    """Prints each child's standard output and standard error whole. Without `prints`, the former goes nowhere."""

    def __init__(self, bar: Bar | None, *, prints: bool) -> None:
        self._output = standard_output() if prints else null_device()
        self._error = standard_error()
        if bar is not None:
            self._output.before_write = self._error.before_write = bar.erase

    def show(self, ended: Iterable[EndedChild]) -> None:
        """Print what these children printed, and give it back in any case.

        Raises:
            OutputError: standard output or standard error cannot be written.
        """
        captured = [(child.child_id, raw) for child in ended if (raw := _raw(child)) is not None]
        try:
            for child_id, raw in captured:
                self._copy(child_id, raw)
        finally:
            for _, raw in captured:
                raw.close()

    def _copy(self, child_id: str, raw: CapturedOutput) -> None:
        try:
            raw.copy_to(self._output, self._error)
        except OSError as error:
            say(f"orchestrator: child {shown(child_id)}: {shown(str(error))}")


def discard(ended: Iterable[EndedChild]) -> None:
    """Give back what these children printed, unprinted."""
    for child in ended:
        raw = _raw(child)
        if raw is not None:
            raw.close()


def _raw(child: EndedChild) -> CapturedOutput | None:
    raw = None if child.ending is None else child.ending.raw
    return raw if isinstance(raw, CapturedOutput) else None
