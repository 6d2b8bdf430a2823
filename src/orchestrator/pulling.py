"""Pulling children from a user's iterator, on a thread of its own: that code may block as long as it likes.

An asynchronous iterator runs on an event loop of that thread. How many items may be pulled, somebody else says.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from typing import Any, Final, NamedTuple

from actors.executors.failures import describe
from actors.runtime import logger
from events.errors import OrchestratorError
from orchestrator.streams import ChildStream

_END: Final = object()
_RAISED: Final = "the source raised "
_AS_ASKED: Final = (f"{_RAISED}CancelledError", f"{_RAISED}GeneratorExit")


class Pulled(NamedTuple):
    """What has been pulled since the last time."""

    items: list[Any]
    over: bool
    """Whether nothing will follow."""
    broken: str | None
    """What the source raised after these items, in words."""


class Puller:
    """One source, and the thread that pulls from it.

    `room` is asked, on that thread, how many more items may be pulled; it may wait for a while, and return 0. `told`
    is called when there is something to be taken.
    """

    def __init__(
        self,
        source: Iterable[Any] | AsyncIterable[Any],
        room: Callable[[], int],
        told: Callable[[], object],
        name: str,
    ) -> None:
        self.source: Final = source
        self.thread: Final = threading.Thread(target=self._run, name=name, daemon=True)
        self.outstanding = 0
        """How many items were pulled and are not on record yet."""
        self._room = room
        self._told = told
        self._permits = 0
        self._lock = threading.Lock()
        self._items: deque[Any] = deque()
        self._ended = False
        self._broken: str | None = None
        self._stopping = False
        self._break_off: Callable[[], object] | None = None

    def begin(self) -> None:
        """Begin to pull."""
        self.thread.start()

    def stop(self) -> None:
        """Pull no more, and close the source as soon as it lets us. Does not wait."""
        with self._lock:
            self._stopping = True
            if self._break_off is not None:
                self._break_off()
                self._break_off = None
        if isinstance(self.source, ChildStream):
            self.source.interrupt()

    @property
    def has_news(self) -> bool:
        """Whether there is something to be taken."""
        return bool(self._items) or self._ended

    def take(self, most: int) -> Pulled:
        """Take what was pulled, at most so many items."""
        with self._lock:
            items = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            over = self._ended and not self._items
            return Pulled(items, over, self._broken if over else None)

    def recorded(self, items: int) -> None:
        """Note that so many items are on record."""
        with self._lock:
            self.outstanding -= items

    def _put(self, item: Any) -> None:
        with self._lock:
            self._items.append(item)
            self.outstanding += 1
        self._told()

    def _run(self) -> None:
        broken = None
        try:
            if isinstance(self.source, AsyncIterable):
                with asyncio.Runner() as runner:
                    runner.run(self._pull_asynchronously(self.source))
            else:
                self._pull(self.source)
        except BaseException as error:  # noqa: BLE001 - the source is user code; what it raises becomes data here
            broken = raised(error)
        if self._stopping and broken is not None and not broken.startswith(_AS_ASKED):
            logger.warning("a source of children was asked to stop: %s", broken)
        with self._lock:
            self._ended, self._broken = True, broken
        self._told()

    def _pull(self, source: Iterable[Any]) -> None:
        iterator = iter(source)
        try:
            while self._may_pull():
                item = next(iterator, _END)
                if item is _END:
                    return
                self._put(item)
        finally:
            if isinstance(iterator, Generator):
                iterator.close()

    def _may_pull(self) -> bool:
        while not self._stopping:
            if self._permits > 0:
                self._permits -= 1
                return True
            self._permits = self._room()
        return False

    async def _pull_asynchronously(self, source: AsyncIterable[Any]) -> None:
        iterator = aiter(source)
        self._let_break_off()
        try:
            while self._permits > 0 or await asyncio.to_thread(self._wait_for_permits):
                self._permits -= 1
                item = await anext(iterator, _END)
                if item is _END:
                    return
                self._put(item)
                if self._stopping:
                    return
        finally:
            with self._lock:
                self._break_off = None
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()

    def _wait_for_permits(self) -> bool:
        may = self._may_pull()
        self._permits += may
        return may

    def _let_break_off(self) -> None:
        """Let `stop` cancel the calling coroutine, wherever it waits."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        with self._lock:
            if task is not None:
                self._break_off = lambda: loop.call_soon_threadsafe(task.cancel)
            if self._stopping and task is not None:
                task.cancel()


def raised(error: BaseException) -> str:
    """Return an exception in words: its type, its text, and where in the user's code it was raised.

    What we raise ourselves says what and where by its text alone.
    """
    if isinstance(error, OrchestratorError):
        return str(error)
    told = json.loads(describe(error))
    text = f"{told['type']}: {told['message']}" if told["message"] else str(told["type"])
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename != __file__:
            place = f" (in {code.co_name}, {code.co_filename}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{_RAISED}{text}{place}"
