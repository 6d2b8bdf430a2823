"""The program of a worker process: it runs one attempt at a time for its owner, in its main thread.

It is a fresh interpreter that leads a session of its own. A thread listens to the owner. When the owner is gone, or the
socket to it is, the worker ends at once with all of its session, in the middle of a task if need be.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, NoReturn

from actors.executors.command_sessions import session_members, signal_process
from actors.executors.context import CurrentChild
from actors.executors.failures import failure
from actors.executors.process_frames import (
    BEGUN,
    CANCEL,
    ENDED,
    GO_HOME,
    HEARTBEAT,
    READY,
    RUN,
    SETUP,
    TO_WORKER,
    Frame,
    Frames,
    frame,
)
from actors.executors.process_tasks import TaskPlace, find_task
from actors.executors.telling import NOT_STARTED, Told, run_task

LOST_LINE_STATUS: Final = 96
"""How a worker exits that has lost its socket to the owner, though perhaps not the owner."""
BEAT_SECONDS: Final = 0.05
"""How much time lies between two heartbeats that are sent; what comes in between waits."""
_LOOK_MILLISECONDS: Final = 500
"""How often it is looked whether the owner and the socket are still there, and whether a heartbeat waits."""
_RECEIVE_BYTES: Final = 262_144


class OwnerLine:
    """The worker's end of the socket to its owner."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor: Final = descriptor
        self._socket = socket.socket(fileno=descriptor)
        self._frames = Frames(TO_WORKER)
        self._lock = threading.Lock()
        self._process_id = os.getpid()
        self._identity = self._look()

    def send(self, data: bytes) -> None:
        """Send all of it; a fork of the worker, which a task may have made, sends nothing."""
        if os.getpid() != self._process_id:
            return
        with self._lock:
            self.require()
            try:
                self._socket.sendall(data)
            except OSError:
                leave()

    def receive(self) -> list[Frame]:
        """Return the frames that have come. At the end of the line the worker ends."""
        self.require()
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except OSError:
            data = b""
        if not data:
            leave()
        return list(self._frames.take(data))

    def require(self) -> None:
        """End the worker where the task has closed the socket, or put something else in its place."""
        if self._look() != self._identity:
            leave()

    def _look(self) -> tuple[int, int]:
        try:
            status = os.fstat(self.descriptor)
        except OSError:
            return (-1, -1)
        return status.st_dev, status.st_ino


class Heart:
    """Sends heartbeats, thinned out: none is lost for good, but many become one."""

    def __init__(self, line: OwnerLine) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._sent_at = 0.0
        self._number = 0
        self._waiting: list[Any] | None = None

    def beat(self, number: int, progress: float | None, message: str | None) -> None:
        """Take a heartbeat of an attempt."""
        with self._lock:
            if self._number != number or self._waiting is None:
                self._number, self._waiting = number, [None, None]
            if progress is not None:
                self._waiting[0] = progress
            if message is not None:
                self._waiting[1] = message
        if time.monotonic() - self._sent_at >= BEAT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            number, waiting, self._waiting = self._number, self._waiting, None
        if waiting is not None:
            self._sent_at = time.monotonic()
            self._line.send(frame(HEARTBEAT, number, waiting))


class Worker:
    """Takes attempts from the owner, runs them, tells how they ended."""

    def __init__(self, line: OwnerLine, owner_process_id: int) -> None:
        self._line = line
        self._owner = owner_process_id
        self._heart = Heart(line)
        self._jobs: SimpleQueue[tuple[int, CurrentChild, dict[str, Any]] | None] = SimpleQueue()
        self._children: dict[int, CurrentChild] = {}

    def serve(self) -> None:
        """Run attempts until the owner sends us home. Anything else that ends this ends the worker, at once."""
        threading.Thread(target=self._listen, name="orchestrator-owner", daemon=True).start()
        sent_home = False
        try:
            self._line.send(frame(READY))
            self._work()
            sent_home = True
        finally:
            if not sent_home:
                traceback.print_exc()
                leave()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            number, child, asked = job
            told = self._run(number, child, asked)
            del self._children[number]
            self._heart.flush()  # the last one before the end is not lost
            self._line.send(frame(ENDED, number, told))

    def _run(self, number: int, child: CurrentChild, asked: dict[str, Any]) -> Told:
        place = TaskPlace(*asked["place"])
        told = run_task(
            child,
            partial(find_task, place),
            asked["input"],
            bytes_max=asked["bytes_max"],
            on_begin=lambda: self._line.send(frame(BEGUN, number)),
        )
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                with suppress(OSError, ValueError):  # the task may have closed it
                    stream.flush()
        return _not_loaded(place, told) if told.how == NOT_STARTED else told

    # Below, in the listening thread

    def _listen(self) -> None:
        """Listen to the owner. Where this is no longer possible, for want of memory perhaps, the worker ends."""
        try:
            self._take_all()
        finally:
            leave()

    def _take_all(self) -> None:
        poll = select.poll()
        poll.register(self._line.descriptor, select.POLLIN)
        while True:
            ready = poll.poll(_LOOK_MILLISECONDS)
            if os.getppid() != self._owner:
                leave()
            self._line.require()
            for each in self._line.receive() if ready else ():
                self._take(each)
            self._heart.flush()

    def _take(self, said: Frame) -> None:
        if said.kind == RUN:
            asked = said.value()
            beat = partial(self._heart.beat, said.number)
            child = CurrentChild(asked["child_id"], asked["parent_id"], asked["attempt"], beat)
            self._children[said.number] = child
            self._jobs.put((said.number, child, asked))
        elif said.kind == CANCEL:
            running = self._children.get(said.number)
            if running is not None:
                running.cancelled.set()
        elif said.kind == SETUP:
            sys.path[:], sys.argv[:] = said.value()
        elif said.kind == GO_HOME:
            self._jobs.put(None)


def _not_loaded(place: TaskPlace, told: Told) -> Told:
    """Say that a task could not be begun, rather than that it failed."""
    error = json.loads(told.error or "{}")
    message = f"module {place.module!r} could not be loaded in a worker process: {error['type']}: {error['message']}"
    trace = {"traceback": error["traceback"]} if "traceback" in error else {}
    return Told(NOT_STARTED, error=failure("TaskNotStarted", message, **trace))


def leave() -> NoReturn:
    """End this process at once, with everything else in its session."""
    own = os.getpid()
    for pid in session_members({own}):
        if pid != own:
            signal_process(pid, signal.SIGKILL)
    os._exit(LOST_LINE_STATUS)


def die_with_owner(descriptor: int) -> None:
    """Let the system kill this process group when the other end of a socket is closed, which only its owner holds.

    Nothing is ever sent on it. This reaches even a worker that is stopped, or stuck in code that never lets another
    thread run. Where the system cannot do it the listening thread has to.
    """
    with suppress(AttributeError, OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)


def main(arguments: list[str]) -> None:
    """Run a worker: the owner's process id, the socket to it, and the one that ends with it."""
    owner, line, life = map(int, arguments)
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:  # the owner may have had no standard streams at all
        pass
    os.close(spare)
    for descriptor in (line, life):
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the owner; programs that a task starts get it again
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    die_with_owner(life)
    if os.getppid() == owner:
        Worker(OwnerLine(line), owner).serve()
