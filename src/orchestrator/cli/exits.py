"""Exit statuses, and the one table from errors to them."""

from __future__ import annotations

from typing import Final

from events.errors import (
    ClosedError,
    DeadlineExceededError,
    InvariantBrokenError,
    OrchestratorError,
    OwnershipLostError,
    RunHaltedError,
    RunNotFoundError,
    RunOwnedError,
    StoreError,
    UsageError,
)

SUCCEEDED: Final = 0
"""The run succeeded, or the question was answered."""
FAILED: Final = 1
"""The run failed, was cancelled or timed out; or the output could not be written."""
USAGE: Final = 2
"""Wrong usage, a plan that is refused, or a run that another process works on."""
STORE: Final = 3
"""The store cannot be used."""
NOT_FOUND: Final = 4
"""There is no such run."""
SIGNALLED: Final = 128
"""Ended by a signal, whose number is added: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP, 141 for a closed pipe."""

_STATUSES: Final[tuple[tuple[type[OrchestratorError], int], ...]] = (
    (UsageError, USAGE),
    (RunOwnedError, USAGE),
    (StoreError, STORE),
    (InvariantBrokenError, STORE),
    (RunHaltedError, STORE),
    (DeadlineExceededError, STORE),
    (OwnershipLostError, STORE),
    (ClosedError, STORE),
    (RunNotFoundError, NOT_FOUND),
    (OrchestratorError, FAILED),
)


def exit_status(error: OrchestratorError) -> int:
    """Return the exit status that an error means."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


def status_exit(status: str) -> int:
    """Return the exit status of a run that is over."""
    return SUCCEEDED if status == "succeeded" else FAILED
