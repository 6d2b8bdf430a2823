"""The owner's end of one spawner process: starting it, sending to it, reading its replies, burying it."""

from __future__ import annotations

import errno
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import Final, NamedTuple

from actors.executors.captured import Printed
from actors.executors.command_endings import Reply
from actors.executors.command_frames import ENVIRONMENT, REPLY, STARTED, STDERR_DESCRIPTOR, STDOUT_DESCRIPTOR, request
from actors.executors.command_sessions import kill_marked, signal_sessions

_BOOT: Final = (
    "import sys; sys.path.append(sys.argv[1]); from actors.executors import spawner; spawner.main(sys.argv[2:])"
)
_ROOT: Final = Path(__file__).resolve().parents[2]
_RECEIVE_BYTES: Final = 65_536  # more would have the allocator ask the kernel for pages each time
_DESCRIPTORS_MAX: Final = 253  # the most that Linux passes in one message
_RIGHTS_BYTES: Final = socket.CMSG_SPACE(4 * _DESCRIPTORS_MAX)
_RECEIVE_FLAGS: Final = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))
_CUT: Final = int(socket.MSG_CTRUNC)
_EXIT_SECONDS: Final = 6.0
_LOOK_SECONDS: Final = 0.5
"""How often it is looked whether the spawner was stopped."""
_MARK: Final = "ORCHESTRATOR_SPAWNER"


class SpawnerSettings(NamedTuple):
    """How a spawner is started: where and with which variables commands run, and what is kept of their output."""

    environment: Mapping[str, str]
    folder: str | None
    temporary_folder: str
    kept_bytes_max: int
    keep_whole: bool


class Delivery(NamedTuple):
    """One reply, and the descriptors that came with it (none where this process had too many open files)."""

    reply: Reply
    descriptors: list[int]

    def printed(self) -> tuple[Printed, Printed]:
        """Return the two streams whole; the descriptors then belong to them."""
        reply, descriptors = self.reply, list(self.descriptors)
        return (
            _stream(reply.stdout, reply.stdout_bytes, reply.flags & STDOUT_DESCRIPTOR, descriptors, reply.error),
            _stream(reply.stderr, reply.stderr_bytes, reply.flags & STDERR_DESCRIPTOR, descriptors, reply.error),
        )

    def close(self) -> None:
        """Give the descriptors back, where nobody wants the streams."""
        for descriptor in self.descriptors:
            os.close(descriptor)


class SpawnerLink:
    """One spawner process and the thread that reads what it says.

    `on_replies` gets the endings, in order and many at once. `on_end` is called last: the spawner is gone and so is
    all that it ran; its arguments say how it ended and whether it may have run anything.

    Raises:
        OSError: the process could not be started.
    """

    def __init__(
        self,
        settings: SpawnerSettings,
        *,
        on_replies: Callable[[list[Delivery]], None],
        on_end: Callable[[SpawnerLink, str, bool], None],
    ) -> None:
        self._on_replies = on_replies
        self._on_end = on_end
        self._mark = f"{_MARK}={secrets.token_hex(16)}"
        self._pids: dict[int, int] = {}
        self._came_up = False
        self._lock = threading.Lock()
        self._outbox: deque[memoryview] = deque()
        self._received = bytearray()
        self._units: deque[list[int]] = deque()
        self.thread = threading.Thread(target=self._serve, name="spawner-link", daemon=True)
        with ExitStack() as undo:
            self._line, theirs = socket.socketpair()
            undo.callback(self._line.close)
            with theirs:
                self._wake_reader, self._wake_writer = os.pipe()
                undo.callback(self._close_wakeup)
                self._process = self._start(settings, theirs)
                undo.callback(self._end_process)
            self._line.settimeout(0)
            environment = [f"{name}={value}" for name, value in settings.environment.items()]
            self.send(request(ENVIRONMENT, 0, body=os.fsencode("\0".join([*environment, self._mark]))))
            try:
                self.thread.start()
            except RuntimeError as error:
                raise OSError(errno.EAGAIN, str(error)) from error
            undo.pop_all()

    @property
    def process_id(self) -> int:
        """The process id of the spawner."""
        return self._process.pid

    def _start(self, settings: SpawnerSettings, line: socket.socket) -> subprocess.Popen[bytes]:
        whole = "whole" if settings.keep_whole else "start"
        name, _, value = self._mark.partition("=")
        return subprocess.Popen(  # noqa: S603 - this interpreter, our own program
            [
                *(sys.executable, "-I", "-S", "-c", _BOOT, str(_ROOT), str(os.getpid())),
                *(str(settings.kept_bytes_max), whole, settings.temporary_folder),
            ],
            stdin=line.fileno(),
            stdout=subprocess.DEVNULL,
            cwd=settings.folder,
            env={**settings.environment, name: value},
            start_new_session=True,
        )

    # Sending

    def send(self, data: bytes) -> None:
        """Send without blocking; what the socket does not take now is sent by the reading thread."""
        with self._lock:
            waits = bool(self._outbox)
            self._outbox.append(memoryview(data))
            if not waits and not self._flush():
                os.write(self._wake_writer, b"\0")

    def _flush(self) -> bool:
        """Send what waits; say whether all of it went (an end of the line is the reading thread's to notice)."""
        while self._outbox:
            try:
                sent = self._line.send(self._outbox[0])
            except BlockingIOError:
                return False
            except OSError:
                self._outbox.clear()
                return True
            if sent < len(self._outbox[0]):
                self._outbox[0] = self._outbox[0][sent:]
            else:
                self._outbox.popleft()
        return True

    def hang_up(self) -> None:
        """Let the spawner see the end of the line: it stops all that still runs, and ends."""
        with self._lock:
            self._outbox.clear()
            with suppress(OSError):  # it has ended already
                self._line.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Hang up and wait until all is gone; a spawner that does not end is killed. Not from the link's own thread."""
        self.hang_up()
        self.thread.join(_EXIT_SECONDS)
        if self.thread.is_alive():
            self._process.kill()
            self.thread.join()

    # Reading (everything below runs in the link's own thread)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._wake_reader, select.POLLIN)
        watched, look_at = 0, 0.0
        while True:
            with self._lock:
                pending = not self._flush()
            events = select.POLLIN | select.POLLOUT if pending else select.POLLIN
            if events != watched:
                poll.register(self._line, events)
                watched = events
            now = time.monotonic()
            if now >= look_at:
                self._wake_if_stopped()
                look_at = now + _LOOK_SECONDS
            for descriptor, _ in poll.poll(1_000 * _LOOK_SECONDS):
                if descriptor == self._wake_reader:
                    os.read(self._wake_reader, 4_096)
                elif not self._receive():
                    self._bury()
                    return

    def _wake_if_stopped(self) -> None:
        """Let a spawner go on that was stopped, by a command of its own perhaps: all others would wait for ever."""
        try:
            stopped = os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOHANG)
        except ChildProcessError:
            return
        if stopped is not None:
            self._process.send_signal(signal.SIGCONT)

    def _receive(self) -> bool:
        """Take in what has come and hand the endings on; False at the end of the line."""
        try:
            data, rights, flags, _ = self._line.recvmsg(_RECEIVE_BYTES, _RIGHTS_BYTES, _RECEIVE_FLAGS)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if rights or flags & _CUT:
            self._units.append(_descriptors(rights))
        self._received += data
        deliveries = self._deliveries()
        if deliveries:
            self._on_replies(deliveries)
        return bool(data)

    def _deliveries(self) -> list[Delivery]:
        received, start, found = self._received, 0, []
        while len(received) >= start + REPLY.size:
            *numbers, stdout_bytes, stderr_bytes = REPLY.unpack_from(received, start)
            middle = start + REPLY.size + stdout_bytes
            end = middle + stderr_bytes
            if len(received) < end:
                break
            reply = Reply._make((*numbers, bytes(received[start + REPLY.size : middle]), bytes(received[middle:end])))
            if reply.kind == STARTED:
                self._pids[reply.ticket] = reply.status
            else:
                self._pids.pop(reply.ticket, None)
                found.append(Delivery(reply, self._units.popleft() if reply.flags and self._units else []))
            start = end
        del received[:start]
        self._came_up = self._came_up or start > 0
        return found

    def _bury(self) -> None:
        """See the process off, kill what it may have left behind, give everything back."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)
        self._end_process()
        if self._process.returncode != 0:
            signal_sessions(set(self._pids.values()), signal.SIGKILL)
            kill_marked(os.fsencode(self._mark))
        for unit in self._units:
            for descriptor in unit:
                os.close(descriptor)
        with self._lock:
            self._outbox.clear()
            self._line.close()
            self._close_wakeup()
        code = self._process.returncode
        may_have_run = self._came_up or code < 0
        self._on_end(self, f"signal {-code}" if code < 0 else f"exit status {code}", may_have_run)

    def _end_process(self) -> None:
        self._process.kill()
        self._process.wait()

    def _close_wakeup(self) -> None:
        os.close(self._wake_reader)
        os.close(self._wake_writer)


def _descriptors(rights: list[tuple[int, int, bytes]]) -> list[int]:
    found: array[int] = array("i")
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def _stream(data: bytes, size_bytes: int, passed: int, descriptors: list[int], error: int) -> Printed:
    if passed and descriptors:
        return FileIO(descriptors.pop(0))
    if passed:
        return OSError(errno.EMFILE, "the output could not be received: too many open files")
    if size_bytes > len(data):
        return OSError(error, f"the output could not be kept: {os.strerror(error)}")
    return data
