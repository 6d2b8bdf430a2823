"""Following the log as it grows. It needs no thread of its own: the iterating thread reads and waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Final

from events.errors import ClosedError, StoreBusyError, StoreUnavailableError
from events.log.library import Notification, Subscription

if TYPE_CHECKING:
    from events.log.recorder import Recorder

_PAGE: Final = 500


class LogSubscription(Subscription["Recorder"]):
    """An iterator over the log's events, past and to come; it ends when `stop` is called or the log is closed.

    Appends through the same recorder wake it at once. Those of other processes it finds by looking every
    `poll_seconds`, which costs one search in an index. While a store that comes back by itself cannot be used, it
    waits for that. One thread may iterate; any may stop it.
    """

    poll_seconds: float = 0.1

    def __init__(self, recorder: Recorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt=gt, topics=topics)
        self._after = gt or 0
        self._ready: deque[Notification] = deque()
        self._woken = Event()

    def wake(self) -> None:
        """Say that there may be something new."""
        self._woken.set()

    def stop(self) -> None:
        """End the iteration, also of a thread that is waiting in it."""
        super().stop()
        self._woken.set()

    def wait_beyond(self, position: int, timeout_seconds: float) -> int:
        """Wait until the log ends beyond a position, or so much time has passed; return where it ends.

        Nothing of it is read, and any thread may wait so.

        Raises:
            StoreError: the store cannot be asked now. Wait again later: nothing is missed.
        """
        deadline = monotonic() + timeout_seconds
        while True:
            self._woken.clear()
            last = self._recorder.last_position()
            left = deadline - monotonic()
            if last > position or left <= 0 or self._has_been_stopped:
                return last
            self._woken.wait(min(left, self.poll_seconds))

    def __next__(self) -> Notification:
        """Return the next event, waiting for it as long as it takes."""
        while not self._has_been_stopped:
            if self._ready:
                return self._ready.popleft()
            self._woken.clear()
            try:
                self._pull()
            except ClosedError:
                if not self._has_been_stopped:
                    raise
            except (StoreBusyError, StoreUnavailableError):
                if not self._recorder.comes_back:
                    raise
            if not self._ready and not self._has_been_stopped:
                self._woken.wait(self.poll_seconds)
        raise StopIteration

    def _pull(self) -> None:
        last = self._recorder.last_position()
        if last <= self._after:
            return
        found = self._recorder.select_notifications(
            self._after, _PAGE, stop=last, topics=self._topics, inclusive_of_start=False
        )
        self._ready.extend(found)
        # A short page means that nothing else up to `last` is of interest, and nothing new can appear there.
        self._after = found[-1].id if len(found) == _PAGE else last
