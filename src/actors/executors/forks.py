"""The end of a process that a task forked and left to us."""

from __future__ import annotations

import os
import traceback
from typing import NoReturn


def leave_fork(error: BaseException | None) -> NoReturn:
    """End a process in which a forked task has ended by itself: only its one thread is left of the orchestrator.

    It ends as a program would: 0 for a return, the status of `sys.exit`, or 1 after a traceback. Nothing else of the
    interpreter is brought to an end, for that may need threads and locks that no fork has.
    """
    if error is None:
        os._exit(0)
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        os._exit((error.code or 0) & 0xFF)
    os.write(2, "".join(traceback.format_exception(error)).encode(errors="backslashreplace"))
    os._exit(1)
