"""What the library logs, as the command line shows it."""

from __future__ import annotations

import logging

from events.errors import OrchestratorError
from events.projections.telling import LOGGER as VIEWS_LOGGER
from orchestrator.cli.terminal import brief, say, shown


class OneLine(logging.Handler):
    """Shows warnings and errors in a line each, but those of views. An error of our own is reported by the command."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record; with the traceback where the error is one that nobody expected."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OrchestratorError) or record.name == VIEWS_LOGGER:
            return
        say(f"orchestrator: {brief(record.getMessage())}")
        if error is not None:
            trace = logging.Formatter().formatException(record.exc_info or (None, None, None))
            say("\n".join(map(shown, trace.splitlines())))


def show_logs() -> None:
    """Let what our own packages log come out this way; loggers of other people's code are left alone."""
    for name in ("orchestrator", "actors", "events"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, OneLine) for handler in logger.handlers):
            logger.addHandler(OneLine(logging.WARNING))
