"""The owner's end of one worker process: starting it, talking to it, killing it with its session, burying it."""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from actors.executors.command_sessions import signal_sessions
from actors.executors.process_frames import SETUP, TO_OWNER, Frame, Frames, frame

_BOOT: Final = (
    "import sys; sys.path[:] = [*filter(None, sys.path), sys.argv[1]]; "
    "from actors.executors import process_worker; process_worker.main(sys.argv[2:])"
)
"""Nothing is imported from the current folder before the worker has its owner's own path."""
_ROOT: Final = Path(__file__).resolve().parents[2]
_RECEIVE_BYTES: Final = 262_144
_LOWEST_DESCRIPTOR: Final = 10
"""So that what a worker is handed is never taken for one of its standard streams."""
WORKER_MARK: Final = "ORCHESTRATOR_WORKER=1"
"""Stands in the environment of every worker process."""


class WorkerSettings(NamedTuple):
    """How worker processes are started."""

    environment: Mapping[str, str]
    folder: str | None
    body_bytes_max: int
    program: str
    """The Python that runs them."""
    start_seconds: float
    """How long one may take to come up, or to load the module of a task."""


class WorkerLink:
    """One worker process. For the one thread that owns it, and its selector.

    Raises:
        OSError: the process could not be started.
    """

    def __init__(self, settings: WorkerSettings, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._frames = Frames(TO_OWNER, settings.body_bytes_max)
        self._outbox = bytearray()
        self._arrived: list[Frame] = []
        self.trouble = ""
        """What it did to the socket, if anything: then there is nothing more to be heard of it."""
        self.refused = False
        """Whether it said what no worker says."""
        self._watched = False
        self._waited_for = False
        with ExitStack() as undo:
            self._line, line = socket.socketpair()
            undo.callback(self._line.close)
            self._life, life = socket.socketpair()
            undo.callback(self._life.close)
            with line, life:
                self._process = _start(settings, line, life)
            undo.callback(self._end_process)
            self._descriptor = _open_process(self._process.pid)
            undo.pop_all()
        self._line.settimeout(0)
        self._watch(selectors.EVENT_READ)
        if self._descriptor is not None:
            selector.register(self._descriptor, selectors.EVENT_READ, _nothing)
        self.send(frame(SETUP, 0, [[str(entry) for entry in sys.path], sys.argv]))

    @property
    def process_id(self) -> int:
        """Its process id, which is that of its group and of its session."""
        return self._process.pid

    def send(self, data: bytes) -> None:
        """Send without blocking; what the socket does not take now goes out when it can."""
        if not self.trouble:
            self._outbox += data
            self._flush()

    def take(self) -> list[Frame]:
        """Return what it has said since the last time."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def has_ended(self) -> bool:
        """Whether the process is there no more. Its id is still its own until it is buried."""
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # somebody in this program has waited for it, and its id may be another's by now
            self._waited_for = True
            return True

    def kill(self) -> None:
        """Kill the process and its session."""
        if not self._waited_for:
            signal_sessions({self._process.pid}, signal.SIGKILL)

    def hear_last(self) -> None:
        """Take in what it said before it ended."""
        while not self.trouble and self._receive():
            pass

    def bury(self) -> int:
        """Kill what its session still has, give everything back and return how it ended, as `Popen.returncode`."""
        self.kill()
        code = self._process.wait()
        self.let_go()
        return code

    def let_go(self) -> None:
        """Give the descriptors back."""
        self._watch(0)
        if self._descriptor is not None:
            self._selector.unregister(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
        self._line.close()
        self._life.close()

    def _on_events(self) -> None:
        self._flush()
        self._receive()

    def _receive(self) -> bool:
        """Take in what has come; False where there is no more for now."""
        try:
            data = self._line.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close_line("it closed its socket")
            return False
        try:
            self._arrived += self._frames.take(data)
        except ValueError:
            self.refuse()
            return False
        return True

    def _flush(self) -> None:
        while self._outbox:
            try:
                sent = self._line.send(self._outbox)
            except BlockingIOError:
                break
            except OSError:  # the end of the line is noticed when it is read
                self._outbox.clear()
                break
            del self._outbox[:sent]
        self._watch(selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outbox else 0))

    def refuse(self) -> None:
        """Hear no more of it, since it said what no worker says."""
        self.refused = True
        self._close_line("it wrote something else to its socket")

    def _close_line(self, trouble: str) -> None:
        self.trouble = trouble
        self._outbox.clear()
        self._watch(0)

    def _watch(self, events: int) -> None:
        if events and self._watched:
            self._selector.modify(self._line, events, self._on_events)
        elif events:
            self._selector.register(self._line, events, self._on_events)
        elif self._watched:
            self._selector.unregister(self._line)
        self._watched = bool(events)

    def _end_process(self) -> None:
        self._process.kill()
        self._process.wait()


def _nothing() -> None:
    """Wake up: whether a process has ended is asked of the system."""


def _start(settings: WorkerSettings, line: socket.socket, life: socket.socket) -> subprocess.Popen[bytes]:
    if not settings.program:
        raise OSError("this Python does not know its own program (sys.executable is empty)")
    with ExitStack() as handed:
        descriptors = []
        for end in (line, life):
            descriptors.append(fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, _LOWEST_DESCRIPTOR))
            handed.callback(partial(os.close, descriptors[-1]))
        numbers = map(str, (os.getpid(), *descriptors))
        return subprocess.Popen(  # noqa: S603 - this interpreter, our own program
            [settings.program, *_flags(), "-c", _BOOT, str(_ROOT), *numbers],
            stdin=subprocess.DEVNULL,
            cwd=settings.folder,
            env={**settings.environment},
            pass_fds=descriptors,
            start_new_session=True,
        )


def _flags() -> list[str]:
    """Return the options that this interpreter was started with and that change what code does."""
    flags = sys.flags
    chosen = {
        "-E": flags.ignore_environment and not flags.isolated,
        "-I": flags.isolated,
        "-s": flags.no_user_site and not flags.isolated,
        "-S": flags.no_site,
        "-B": flags.dont_write_bytecode,
        "-Xdev": flags.dev_mode,
        "-Xutf8": flags.utf8_mode,
    }
    return [
        *(option for option, given in chosen.items() if given),
        *["-O"] * flags.optimize,
        *(f"-W{option}" for option in sys.warnoptions),
    ]


def _open_process(process_id: int) -> int | None:
    """Return a descriptor that becomes readable when a process ends, where the system has such a thing."""
    with suppress(AttributeError, OSError):
        return os.pidfd_open(process_id)
    return None
