"""From what became of a worker process to the ending of its attempt."""

from __future__ import annotations

import signal
from typing import Any, Final

from actors.executors.attempt import CLOSED, Attempt
from actors.executors.context import MESSAGE_CHARS_MAX
from actors.executors.failures import failure
from actors.executors.process_frames import load_json
from actors.executors.process_worker import LOST_LINE_STATUS
from actors.executors.telling import FAILED, NOT_STARTED, SUCCEEDED
from actors.executors.work import Ending, Progress

_TEXTS_OF: Final = {SUCCEEDED: (str, type(None)), FAILED: (type(None), str), NOT_STARTED: (type(None), str)}


def ending_of(told: Any, attempt: Attempt, *, closing: bool) -> Ending:
    """Return the ending that a worker tells of.

    Raises:
        ValueError: it is nothing that a worker says.
    """
    if not isinstance(told, list) or len(told) != 3:
        raise ValueError("what came is no ending")
    how, output, error = told
    if not isinstance(how, str) or how not in _TEXTS_OF or (type(output), type(error)) != _TEXTS_OF[how]:
        raise ValueError("what came is no ending")
    load_json(output if how == SUCCEEDED else error)
    if how == SUCCEEDED:
        return Ending("succeeded", output)
    if attempt.asked_to_stop:
        return Ending("cancelled", error=error)
    return CLOSED if closing else Ending("failed", error=error)


def progress_of(said: Any) -> Progress:
    """Return how far a worker says that its attempt is. Raises ValueError where it is nothing that a worker says."""
    if not isinstance(said, list) or len(said) != 2:
        raise ValueError("what came is no heartbeat")
    part, message = said
    if part is not None and not (isinstance(part, float) and 0 <= part <= 1):
        raise ValueError("what came is no heartbeat")
    if message is not None and not (isinstance(message, str) and len(message) <= MESSAGE_CHARS_MAX):
        raise ValueError("what came is no heartbeat")
    return Progress(part, message)


def ran_out_of_memory(ending: Ending) -> bool:
    """Whether an attempt failed for want of memory: its worker may have none left for the next one either."""
    return ending.error is not None and ending.error.startswith('{"type": "MemoryError"')


def not_started(why: str) -> Ending:
    """Return the ending of an attempt that could not be begun at all."""
    return Ending("failed", error=failure("TaskNotStarted", f"the task could not be started: {why}"))


def no_process(error: Exception, program: str) -> Ending:
    """Return the ending of an attempt for which no worker process could be had."""
    return not_started(
        f"no worker process can be had: {error} (program {program!r}); with a smaller max_workers there are "
        "fewer of them"
    )


def died(code: int, trouble: str, *, ready: bool) -> Ending:
    """Return the ending of an attempt whose worker process has ended under it.

    `code` says how, as `Popen.returncode` does; `trouble` what we killed it for, if we did; `ready` whether it came up.
    """
    if code < 0:
        name = _signal_name(-code)
        return Ending(None, lost=f"worker process died: {trouble or name}", signal=name)
    how = f"exit status {code}"
    if code == LOST_LINE_STATUS:
        how += ", as when its socket is closed under it"
    if not ready:
        return not_started(f"the worker process ended before it was ready ({how})")
    return Ending(None, lost=f"worker process died: {how}", exit_code=code)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
