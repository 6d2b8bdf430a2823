"""A loopback TCP proxy in front of a server's socket, which can swallow what passes through it, or cut it off."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread

Judge = Callable[[bytes, bytes], str]
"""Given the side that bytes come from (b"client" or b"server") and the bytes: "pass", "swallow" or "cut"."""


def everything_passes(side: bytes, data: bytes) -> str:
    return "pass"


class Loopback:
    """Listens on a port of the loopback address. What `judge` says is done to all that passes from then on."""

    def __init__(self, target: Path) -> None:
        self.judge: Judge = everything_passes
        self.connections = 0
        self._target = target
        self._lock = Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._acceptor = Thread(target=self._accept, name="loopback", daemon=True)
        self._acceptor.start()

    def partition(self) -> None:
        """Swallow everything in both directions, without a word to anybody."""
        self.judge = lambda side, data: "swallow"

    def heal(self) -> None:
        """Let everything pass again. What was swallowed is lost, so connections that were under way are no good."""
        self.judge = everything_passes

    def cut(self) -> None:
        """Cut off all connections."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            _shut(each)

    def close(self) -> None:
        _shut(self._listener)
        self._listener.close()
        self._acceptor.join()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._target))
            except OSError:  # the server is away
                server.close()
                client.close()
                continue
            with self._lock:
                self.connections += 1
                self._sockets |= {client, server}
            thread = Thread(target=self._carry, args=(client, server), name="loopback", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            while True:
                try:
                    readable, _, _ = select.select([client, server], [], [])
                    for source in readable:
                        if not self._pass_on(source, client, server):
                            return
                except OSError:
                    return

    def _pass_on(self, source: socket.socket, client: socket.socket, server: socket.socket) -> bool:
        data = source.recv(1 << 16)
        side = b"client" if source is client else b"server"
        verdict = self.judge(side, data) if data else "pass"
        if verdict == "cut":
            return False
        if not data:  # in a partition nobody hears of an end either
            self._hold(server if source is client else client)
            return False
        if verdict == "pass":
            (server if source is client else client).sendall(data)
        return True

    def _hold(self, other: socket.socket) -> None:
        """Hold the other side of a connection open while there is a partition and nobody cuts it."""
        while self.judge is not everything_passes and other in self._sockets:
            select.select([], [], [], 0.02)


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
