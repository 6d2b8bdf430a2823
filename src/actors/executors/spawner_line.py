"""The spawner's end of the socket to its owner."""

from __future__ import annotations

import errno
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterator
from os import close

from actors.executors.command_frames import REQUEST
from actors.executors.command_streams import CHUNK_BYTES


class Line:
    """Requests come in, replies go out; replies wait here while the socket is full. `open` until either end closes."""

    def __init__(self, line: socket.socket, selector: selectors.BaseSelector, on_ready: Callable[[], None]) -> None:
        line.settimeout(0)
        self.open = True
        self._line = line
        self._selector = selector
        self._on_ready = on_ready
        self._outbox: deque[tuple[bytearray, list[int]]] = deque()
        self._received = bytearray()
        self._events = selectors.EVENT_READ
        selector.register(line, self._events, on_ready)

    def reply(self, data: bytes, descriptors: list[int] | None = None) -> None:
        """Queue a reply. The descriptors become the line's own: it closes them once they are sent."""
        if descriptors or not self._outbox or self._outbox[-1][1]:
            self._outbox.append((bytearray(data), descriptors or []))
        else:
            self._outbox[-1][0].extend(data)

    @property
    def waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._outbox)

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        while self._outbox and self.open:
            data, descriptors = self._outbox[0]
            try:
                sent = socket.send_fds(self._line, [data], descriptors) if descriptors else self._line.send(data)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.ETOOMANYREFS):
                    self._watch(selectors.EVENT_READ | selectors.EVENT_WRITE)
                else:
                    self.close()
                return
            while descriptors:
                close(descriptors.pop())
            del data[:sent]
            if not data:
                self._outbox.popleft()
        if self.open:
            self._watch(selectors.EVENT_READ)

    def requests(self) -> Iterator[tuple[int, int, float, float, bytes]]:
        """Read what has come and yield each whole request: kind, ticket, seconds, grace, body. Closes at its end."""
        try:
            data = self._line.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        self._received += data
        start = 0
        while len(self._received) >= start + REQUEST.size:
            kind, ticket, seconds, grace, length = REQUEST.unpack_from(self._received, start)
            body = start + REQUEST.size
            if len(self._received) < body + length:
                break
            yield kind, ticket, seconds, grace, bytes(self._received[body : body + length])
            start = body + length
        del self._received[:start]

    def close(self) -> None:
        """Neither read nor send any more."""
        if self.open:
            self.open = False
            self._selector.unregister(self._line)

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._selector.modify(self._line, events, self._on_ready)
