"""Large payloads on their way to an executor and back: no actor waits for a disk, and no executor knows of files."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Final

from actors.executors.failures import failure
from actors.executors.secret_values import SecretNotFoundError, revealed, scrubbed, scrubbed_json
from actors.executors.work import AttemptKey, Done, Ending, Executor, Hear, Progress, Work, hear_nothing
from events.errors import StoreError
from events.log.payloads import PayloadStore, PayloadStores
from events.payload_files import error_head

_CLOSED: Final = Ending(None, lost="the orchestrator was closed")


class FilingExecutor:
    """An executor around another one, which never sees a file.

    Inputs that lie in files, and secrets that inputs name, are read by a thread before the other one is given the work;
    what it says then of the secrets is scrubbed. Large outputs and errors are
    written before the parent hears of them: by whatever thread reports them, or by ours where that runs an event loop.
    """

    def __init__(self, inner: Executor, payloads: PayloadStores, *, inline_bytes_max: int) -> None:
        self._inner = inner
        self._payloads = payloads
        self._inline_bytes_max = inline_bytes_max
        self._reading: dict[AttemptKey, tuple[Work, Done, Hear]] = {}
        self._read: set[AttemptKey] = set()
        """Attempts whose input was read: the other executor knows them."""
        self._secrets: dict[AttemptKey, tuple[str, ...]] = {}
        """The values of secrets that attempts were given."""
        self._ended: dict[AttemptKey, Ending] = {}
        """Attempts that came to an end before the other executor was given them."""
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        """What our thread is to do; None to end it."""
        self._thread: threading.Thread | None = None
        self._closed = False
        self._ended_for_good = False
        self._lock = threading.RLock()

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run attempts; see `Executor`."""
        ready: list[Work] = []
        for item in work:
            if item.input_file is None and not item.secrets:
                ready.append(item)
            elif self._is_ready(item, done, hear):
                self._submit(item, done, hear)
        if ready:
            self._inner.submit(ready, partial(self._report, done), hear)

    def _submit(self, item: Work, done: Done, hear: Hear) -> None:
        """Give the other executor one attempt whose input was read; what it says of secrets is kept from others."""
        values = self._secrets.get(item.key)
        if values is None:
            self._inner.submit([item], partial(self._report, done), hear)
            return

        def tell(key: AttemptKey, progress: Progress) -> None:
            message = progress.message
            hear(key, progress._replace(message=None if message is None else scrubbed(message, values)))

        self._inner.submit([item], lambda key, ending: self._report(done, key, _clean(ending, values)), tell)

    def _is_ready(self, item: Work, done: Done, hear: Hear) -> bool:
        """See to it that an input is read; whether it has been."""
        with self._lock:
            if item.key in self._read:
                return True
            ending = self._ended.get(item.key)
            if ending is None and not self._closed:
                fresh = item.key not in self._reading
                self._reading[item.key] = (item, done, hear)  # before our thread hears of it, which looks here
                if fresh:
                    self._queue.put(partial(self._load, item.key))
                self._begin()
        if ending is not None:
            done(item.key, ending)
        return False

    def _begin(self) -> bool:
        """Begin our thread; whether there is one. Where none can be had now, whoever submits again tries again."""
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="orchestrator-payloads", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            job()

    def _load(self, key: AttemptKey) -> None:
        """Read an input and give the other executor the work, unless it was cancelled meanwhile."""
        waiting = self._reading.get(key)
        if waiting is None:
            return
        item = waiting[0]
        values: tuple[str, ...] | None = None
        try:
            text = item.input if item.input_file is None else self._payloads.of(key.parent_id).get(item.input_file)
            if item.secrets:
                text, values = revealed(text, item.secrets)
        except StoreError as error:
            self._end(key, _troubled(key, "its input", error))
            return
        except SecretNotFoundError as error:
            self._end(key, Ending("failed", error=failure("SecretNotFound", str(error))))
            return
        with self._lock:  # until the other executor knows of it: who cancels it, or submits it again, comes after that
            found = self._reading.pop(key, None)
            if found is not None:
                self._read.add(key)
                if values is not None:
                    self._secrets[key] = values
                self._submit(found[0]._replace(input=text), found[1], found[2])

    def _end(self, key: AttemptKey, ending: Ending) -> bool:
        """End an attempt that waits for its input; whether it did."""
        with self._lock:
            found = self._reading.pop(key, None)
            if found is not None:
                self._ended[key] = ending
        if found is not None:
            found[1](key, ending)
        return found is not None

    def _report(self, done: Done, key: AttemptKey, ending: Ending) -> None:
        if self._is_large(ending) and _in_event_loop():
            with self._lock:
                aside = not self._ended_for_good and self._begin()
                if aside:
                    self._queue.put(lambda: done(key, self._filed(key, ending)))
            if aside:
                return
        done(key, self._filed(key, ending))

    def _is_large(self, ending: Ending) -> bool:
        return max(len(ending.output or ""), len(ending.error or "")) > self._inline_bytes_max

    def _filed(self, key: AttemptKey, ending: Ending) -> Ending:
        """Put what is large into files. Where that fails the run cannot go on, as where nothing can be recorded."""
        try:
            payloads = self._payloads.of(key.parent_id) if self._is_large(ending) else None
            return ending if payloads is None else filed(ending, payloads, self._inline_bytes_max)
        except StoreError as trouble:
            return _troubled(key, "what it returned", trouble)

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Ask attempts to stop; one that waits for its input ends at once."""
        ending = Ending("cancelled", error=failure("Cancelled", reason))
        self._inner.cancel([key for key in keys if not self._end(key, ending)], reason=reason)

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop what is kept of these attempts."""
        if self._read or self._ended:
            keys = list(keys)
            with self._lock:
                self._read.difference_update(keys)
                for key in keys:
                    self._ended.pop(key, None)
                    self._secrets.pop(key, None)
        self._inner.forget(keys)

    def close(self, *, grace_seconds: float) -> None:
        """Close the other executor, too."""
        self.stop_reading()
        self._inner.close(grace_seconds=grace_seconds)
        self.end()

    def stop_reading(self) -> None:
        """Read no more; what waits for its input is lost."""
        with self._lock:
            self._closed = True
        for key in list(self._reading):
            self._end(key, _CLOSED)

    def end(self) -> None:
        """Write what is yet to be written, and end our thread; the other executor has been closed."""
        with self._lock:
            self._ended_for_good = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()


def _in_event_loop() -> bool:
    """Whether this thread runs an event loop, which must not wait for a disk."""
    if "asyncio" not in sys.modules:
        return False  # nobody has made one; and importing it takes as long as many a small run
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def filed(ending: Ending, payloads: PayloadStore, inline_bytes_max: int) -> Ending:
    """Return an ending whose large texts lie in files, which are on disk when this returns.

    Raises:
        StoreError: one cannot be written.
    """
    output, error = ending.output, ending.error
    if output is not None and len(output) > inline_bytes_max:
        ending = ending._replace(output_file=payloads.put(output))
    if error is not None and len(error) > inline_bytes_max:
        ending = ending._replace(error=error_head(error), error_file=payloads.put(error))
    return ending


def _clean(ending: Ending, values: Sequence[str]) -> Ending:
    """Return an ending that tells none of these values."""
    output, error, lost = ending.output, ending.error, ending.lost
    return ending._replace(
        output=None if output is None else scrubbed_json(output, values),
        error=None if error is None else scrubbed_json(error, values),
        lost=None if lost is None else scrubbed(lost, values),
    )


def _troubled(key: AttemptKey, what: str, error: StoreError) -> Ending:
    trouble = type(error)(f"run {key.parent_id!r}: child {key.child_id!r}: {what}: {error}")
    trouble.__cause__ = error
    return Ending(None, lost=str(trouble), trouble=trouble)
