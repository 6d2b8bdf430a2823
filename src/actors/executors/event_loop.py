"""An event loop on a thread of its own, which goes on whatever tasks do to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from actors.executors.attempt import CANCEL_SECONDS


class StubbornTask(asyncio.Task[Any]):
    """A task that may be thrown away while it runs: one that swallows its cancellation can be had no other way."""

    def __del__(self) -> None:
        """Say nothing where it still runs: whoever gave it up has told of it."""
        if self.done():
            super().__del__()


class LoopThread:
    """Runs an event loop until it is stopped.

    What is left of it then is cancelled, and given up after a second. `on_end` hears, on its thread, that no task runs
    there any more. Raises OSError or RuntimeError where no loop, or no thread, can be had.
    """

    def __init__(self, on_end: Callable[[LoopThread], None]) -> None:
        self.loop: Final = asyncio.new_event_loop()
        self._on_end = on_end
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="orchestrator-loop", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self.loop.close()
            raise

    @property
    def is_here(self) -> bool:
        """Whether the calling code runs on the loop's thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[..., object], *arguments: Any) -> bool:
        """Have a function called on the loop, soon; from any thread. False where the loop is gone."""
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return False
        return True

    def stop(self, timeout_seconds: float) -> None:
        """End the loop and its thread, and wait so long for that, unless we are on it. May be called again."""
        self._stopping = True
        self.call(self.loop.stop)
        if not self.is_here:
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            asyncio.set_event_loop(self.loop)
            while not self._stopping:
                # An exit in a task that a task began is told to whoever awaits that one. The loop is to go on.
                with suppress(SystemExit, KeyboardInterrupt):
                    self.loop.run_forever()
            self._end_leftovers()
            self._complete(self.loop.shutdown_asyncgens())
            self._complete(self.loop.shutdown_default_executor())
        finally:
            self._on_end(self)
            asyncio.set_event_loop(None)
            self.loop.close()

    def _end_leftovers(self) -> None:
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self._complete(asyncio.wait(left, timeout=CANCEL_SECONDS))

    def _complete(self, awaitable: Awaitable[object]) -> None:
        """Run the loop until something is done, however often it is stopped on the way."""
        task = asyncio.ensure_future(awaitable, loop=self.loop)
        while not task.done():
            with suppress(SystemExit, KeyboardInterrupt, RuntimeError):
                self.loop.run_until_complete(task)
