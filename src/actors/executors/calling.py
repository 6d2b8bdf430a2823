"""The call of a task, and the one place where everything it may raise becomes data, outside of the owner's threads.

It runs in worker processes and in executors of the user's own. What it gives back is plain texts, so that nothing of
the task's own making ever crosses to the owner.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actors.executors.context import CURRENT, CurrentChild
from actors.executors.failures import describe
from actors.executors.forks import leave_fork
from events.payload import decode_payload, encode_payload

if TYPE_CHECKING:  # a worker process imports it with its first coroutine: it takes long
    import asyncio

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
NOT_STARTED: Final = "not_started"


class Told(NamedTuple):
    """How a call ended: `succeeded` with its output, `failed` or `not_started` with an error, all as JSON text."""

    how: str
    output: str | None = None
    error: str | None = None


class Call:
    """One call of a task for a child."""

    def __init__(self, child: CurrentChild, bytes_max: int) -> None:
        self.child: Final = child
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def run(self, load: Callable[[], Callable[..., Any]], arguments: str, on_begin: Callable[[], object]) -> Told:
        """Load the task, say that it begins, call it with arguments (JSON text) and say how that went."""
        process_id, begun = os.getpid(), False
        CURRENT.set(self.child)
        try:
            function, given = load(), decode_payload(arguments)
            on_begin()
            begun = True
            value = self._call(function, given)
            if os.getpid() != process_id:
                leave_fork(None)
            what = f"output of child {self.child.id!r}"
            return Told(SUCCEEDED, encode_payload(value, what=what, bytes_max=self._bytes_max))
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; here it becomes data
            if os.getpid() != process_id:
                leave_fork(error)
            return Told(FAILED if begun else NOT_STARTED, error=describe(error))
        finally:
            CURRENT.set(None)

    def interrupt(self) -> None:
        """Ask the task to stop: it sees `cancelled` set, and a coroutine is cancelled. From another thread."""
        self.child.cancelled.set()
        with self._lock:
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _call(self, function: Callable[..., Any], given: Any) -> Any:
        """Call a task: a dict holds named arguments, None means none, anything else is the only argument."""
        if type(given) is dict:
            value = function(**given)
        elif given is None:
            value = function()
        else:
            value = function(given)
        if not isinstance(value, CoroutineType):
            return value
        import asyncio

        return asyncio.run(self._finish(value))

    async def _finish(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        import asyncio

        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            if self.child.cancelled.is_set() and self._task is not None:
                self._task.cancel()  # it was asked before there was anything to cancel
            return await coroutine
        finally:
            with self._lock:
                self._loop = self._task = None
