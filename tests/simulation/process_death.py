"""How a simulated process is killed in the middle of what it does."""

from __future__ import annotations


class ProcessDiedError(BaseException):
    """Unwinds the stack of a simulated process that has just been killed."""
