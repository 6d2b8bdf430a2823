"""The program of the spawner: one small single-threaded process that runs the shell commands of its owner.

Forking out of a threaded process with a large heap is slow and unsafe, and a command must die with its owner even
when that one is killed. So the owner starts this program once (on the standard library alone: it is there in some
20 ms), with a stream socket as standard input, and sends requests. Each command runs in a session of its own; its end
is reported together with what it printed. When the socket ends, the owner is gone: everything is stopped.
"""

from __future__ import annotations

import errno
import heapq
import os
import selectors
import signal
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable
from functools import partial

from actors.executors.command_frames import (
    ASKED,
    BY_ITSELF,
    ENDED,
    ENVIRONMENT,
    OUTPUT_LOST,
    REFUSED,
    REPLY,
    RUN,
    STARTED,
    STDERR_DESCRIPTOR,
    STDOUT_DESCRIPTOR,
    TIMED_OUT,
    reply,
)
from actors.executors.command_sessions import session_members, signal_group, signal_process, signal_sessions
from actors.executors.command_streams import Keep, Stream
from actors.executors.spawner_line import Line
from actors.waiting import WAIT_SECONDS_MAX

ORPHAN_GRACE_SECONDS = 0.2
"""Between SIGTERM and SIGKILL once the owner is gone."""
_GIVE_UP_SECONDS = 5.0  # what even SIGKILL has not ended by then is left to the kernel
_SWEEP_SECONDS = 0.1
_SWEEPS_MAX = 20
_TELL_SECONDS = 0.02
_LINGER_SECONDS = 0.01
_LISTEN_SECONDS = 0.005  # so long what a command prints lies in its pipes: most tiny ones are over by then
_STARTS_A_TURN_MAX = 4
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)


class Command:
    """One running command. Its process id is that of its group and of its session."""

    __slots__ = ("error", "grace_seconds", "pid", "status", "streams", "ticket", "why")

    def __init__(self, ticket: int, pid: int, grace_seconds: float, streams: tuple[Stream, Stream]) -> None:
        self.ticket = ticket
        self.grace_seconds = grace_seconds
        self.pid = pid
        self.streams = streams
        self.why = BY_ITSELF
        self.error = 0
        self.status = 0


class Spawner:
    """Requests in, commands run, endings out. It ends once the owner is gone and nothing runs any more."""

    def __init__(self, line: socket.socket, keep: Keep) -> None:
        self._selector = selectors.DefaultSelector()
        self._line = Line(line, self._selector, self._take_requests)
        self._keep = keep
        self._environment: dict[bytes, bytes] = {}
        self._null = os.open("/dev/null", os.O_RDWR)
        self._waiting: OrderedDict[int, tuple[float, float, list[bytes]]] = OrderedDict()
        self._short = False  # of descriptors, processes or memory: wait until a command has ended
        self._running: dict[int, Command] = {}
        self._by_pid: dict[int, Command] = {}
        self._lingering: dict[int, Command] = {}  # asked to stop, the leader ended, others may still tidy up
        self._to_stop: dict[int, tuple[int, float]] = {}
        self._deadlines: list[tuple[float, int, bool]] = []
        self._ended_sessions: dict[int, int] = {}
        self._sweep_at = 0.0
        self._untold: dict[int, int] = {}  # process ids of started commands, by ticket
        self._tell_at = 0.0
        self._unheard: dict[int, Command] = {}  # started a moment ago, their pipes not watched yet
        self._listen_at = 0.0
        self._give_up_at: float | None = None

    def serve(self, wakeup: int, owner: int | None) -> None:
        """Run until the owner is gone. `wakeup` becomes readable at each signal, `owner` when the owner has ended."""
        self._selector.register(wakeup, selectors.EVENT_READ, partial(os.read, wakeup, 4_096))
        if owner is not None:
            self._selector.register(owner, selectors.EVENT_READ, partial(self._note_orphaned, owner))
        while self._line.open or (self._running and not self._given_up()):
            for key, _ in self._selector.select(self._patience_seconds()):
                key.data()
            self._reap()
            self._expire()
            self._stop_some()
            self._look_for_stragglers()
            self._start_some()
            self._listen_to_some()
            self._tell_starts()
            self._line.flush()
        self._sweep_at = 0.0
        self._look_for_stragglers()

    def _patience_seconds(self) -> float | None:
        if self._to_stop or (self._waiting and not self._short):
            return 0.0
        due = [self._deadlines[0][0]] if self._deadlines else []
        if self._ended_sessions or self._lingering:
            due.append(self._sweep_at)
        if self._untold:
            due.append(self._tell_at)
        if self._unheard:
            due.append(self._listen_at)
        if self._give_up_at is not None:
            due.append(self._give_up_at)
        return min(max(0.0, min(due) - time.monotonic()), WAIT_SECONDS_MAX) if due else None

    # What the owner wants

    def _take_requests(self) -> None:
        for kind, ticket, seconds, grace, body in self._line.requests():
            if kind == RUN:
                self._waiting[ticket] = (seconds, grace, body.split(b"\0"))
            elif kind == ENVIRONMENT:
                self._environment = _variables(body.split(b"\0"))
            elif self._waiting.pop(ticket, None):
                self._line.reply(reply(REFUSED, ticket, why=ASKED))
            elif ticket in self._running:
                self._to_stop.setdefault(ticket, (ASKED, grace))

    def _note_orphaned(self, owner: int) -> None:
        self._selector.unregister(owner)
        self._line.close()

    def _given_up(self) -> bool:
        """Once the owner is gone: stop everything, and say whether it has been waited for long enough."""
        now = time.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + _GIVE_UP_SECONDS
            self._waiting.clear()
            self._to_stop = dict.fromkeys(self._running, (ASKED, ORPHAN_GRACE_SECONDS))
        return now >= self._give_up_at

    # Starting

    def _start_some(self) -> None:
        """Start a few commands, not all that wait, so that endings are reported meanwhile."""
        for _ in range(_STARTS_A_TURN_MAX):
            if not self._waiting or self._short:
                return
            ticket, (timeout_seconds, grace_seconds, parts) = next(iter(self._waiting.items()))
            try:
                command = self._start(ticket, grace_seconds, parts)
            except OSError as error:
                self._short = bool(self._running) and error.errno in _SHORTAGES
                if self._short:
                    return
                self._line.reply(reply(REFUSED, ticket, error=error.errno or errno.EIO))
            else:
                self._note_start(command, timeout_seconds)
            del self._waiting[ticket]

    def _start(self, ticket: int, grace_seconds: float, parts: list[bytes]) -> Command:
        descriptors: list[int] = []
        try:
            descriptors += os.pipe()
            descriptors += os.pipe()
            stdout, stdout_end, stderr, stderr_end = descriptors
            pid = self._spawn(parts, stdout_end, stderr_end)
        except OSError:
            _close(descriptors)
            raise
        _close([stdout_end, stderr_end])
        return Command(ticket, pid, grace_seconds, (Stream(stdout), Stream(stderr)))

    def _spawn(self, parts: list[bytes], stdout: int, stderr: int) -> int:
        """Run a command in its own session, with nothing on standard input and no signal ignored by our doing."""
        dashes = [b"--"] if parts[0][:1] in (b"-", b"+") else []
        return os.posix_spawn(
            "/bin/sh",
            [b"/bin/sh", b"-c", *dashes, parts[0]],
            {**self._environment, **_variables(parts[1:])},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, self._null, 0),
                (os.POSIX_SPAWN_DUP2, stdout, 1),
                (os.POSIX_SPAWN_DUP2, stderr, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )

    def _note_start(self, command: Command, timeout_seconds: float) -> None:
        self._running[command.ticket] = self._by_pid[command.pid] = command
        self._ended_sessions.pop(command.pid, None)
        if not self._unheard:
            self._listen_at = time.monotonic() + _LISTEN_SECONDS
        self._unheard[command.ticket] = command
        if timeout_seconds < float("inf"):
            self._remind(timeout_seconds, command.ticket, forced=False)
        if not self._untold:
            self._tell_at = time.monotonic() + _TELL_SECONDS
        self._untold[command.ticket] = command.pid

    def _listen_to_some(self) -> None:
        """Watch the pipes of commands that were not over in a moment."""
        if self._unheard and time.monotonic() >= self._listen_at:
            for command in self._unheard.values():
                for stream in command.streams:
                    self._selector.register(
                        stream.descriptor, selectors.EVENT_READ, partial(self._read, command, stream)
                    )
            self._unheard.clear()

    def _tell_starts(self) -> None:
        """Tell which processes were started: along with endings, or soon. Waking the owner for each costs too much."""
        if self._untold and (self._line.waiting or time.monotonic() >= self._tell_at):
            for ticket, pid in self._untold.items():
                self._line.reply(reply(STARTED, ticket, status=pid))
            self._untold.clear()

    def _read(self, command: Command, stream: Stream) -> None:
        if stream.read(self._keep) == 0:
            self._selector.unregister(stream.descriptor)
        if stream.error and not command.error:
            command.error = stream.error
            self._to_stop.setdefault(command.ticket, (OUTPUT_LOST, command.grace_seconds))

    # Stopping

    def _remind(self, seconds: float, ticket: int, *, forced: bool) -> None:
        if len(self._deadlines) > 2 * len(self._running) + 1_000:  # most are of commands that have long ended
            self._deadlines = [entry for entry in self._deadlines if entry[1] in self._running]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (time.monotonic() + seconds, ticket, forced))

    def _expire(self) -> None:
        """Stop the commands whose time is up, and kill those that were asked to stop and have used up their grace."""
        now = time.monotonic()
        doomed = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, ticket, forced = heapq.heappop(self._deadlines)
            if ticket in self._running and forced:
                doomed.append(self._running[ticket])
            elif ticket in self._running:
                self._to_stop.setdefault(ticket, (TIMED_OUT, self._running[ticket].grace_seconds))
        if doomed:
            signal_sessions({command.pid for command in doomed}, signal.SIGKILL)
        for command in doomed:
            if command.ticket in self._lingering:
                self._report(command)

    def _stop_some(self) -> None:
        """Send SIGTERM to all that are to stop; at once, since finding a session's members looks at all processes."""
        stopped = set()
        for ticket, (why, grace_seconds) in self._to_stop.items():
            command = self._running.get(ticket)
            if command is not None:  # else it has ended by itself meanwhile
                command.why = command.why or why
                stopped.add(command.pid)
                self._remind(grace_seconds, ticket, forced=True)
        self._to_stop.clear()
        if stopped:
            signal_sessions(stopped, signal.SIGTERM)

    # Ending

    def _reap(self) -> None:
        """Take notice of the leaders that have ended. Their groups are killed while the leader's id is still taken."""
        while self._by_pid:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if info is None:
                return
            command = self._by_pid.pop(info.si_pid)
            if command.why == BY_ITSELF:
                signal_group(command.pid, signal.SIGKILL)
            _, command.status = os.waitpid(info.si_pid, 0)
            if command.why == BY_ITSELF:
                self._ended_sessions[command.pid] = _SWEEPS_MAX
                self._report(command)
            else:
                self._lingering[command.ticket] = command
                self._sweep_at = 0.0

    def _look_for_stragglers(self) -> None:
        """Kill what is left of ended sessions; report the stopped commands of which nothing is left."""
        began = time.monotonic()
        if began < self._sweep_at or not (self._ended_sessions or self._lingering):
            return
        stopped = {command.pid for command in self._lingering.values()}
        members = session_members(self._ended_sessions.keys() | stopped)
        for pid, session in members.items():
            if session in self._ended_sessions:
                signal_process(pid, signal.SIGKILL)
        alive = set(members.values())
        self._ended_sessions = {
            session: sweeps - 1 for session, sweeps in self._ended_sessions.items() if session in alive and sweeps
        }
        for command in list(self._lingering.values()):
            if command.pid not in alive:
                self._report(command)
        pause = _LINGER_SECONDS if self._lingering else _SWEEP_SECONDS
        self._sweep_at = began + max(pause, 20 * (time.monotonic() - began))

    def _report(self, command: Command) -> None:
        del self._running[command.ticket]
        self._untold.pop(command.ticket, None)
        self._lingering.pop(command.ticket, None)
        self._short = False
        heard = self._unheard.pop(command.ticket, None) is None
        for stream in command.streams:
            if heard and stream.descriptor in self._selector.get_map():
                self._selector.unregister(stream.descriptor)
            stream.drain(self._keep)
            os.close(stream.descriptor)
        out, err = command.streams
        flags = (STDOUT_DESCRIPTOR if out.whole else 0) | (STDERR_DESCRIPTOR if err.whole else 0)
        error = command.error or out.error or err.error
        sizes = (out.size, err.size, len(out.kept), len(err.kept))
        header = REPLY.pack(ENDED, command.why, flags, error, command.ticket, command.status, *sizes)
        self._line.reply(header + out.kept + err.kept, [stream.whole for stream in command.streams if stream.whole])


def _variables(entries: list[bytes]) -> dict[bytes, bytes]:
    return dict(entry.split(b"=", 1) for entry in entries if entry)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _wakeup() -> int:
    """Return a descriptor that becomes readable at each signal. Only its owner, or SIGKILL, ends this process.

    Signals that were ignored before stay so, here and in the commands (`nohup`).
    """
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return readable


def _watch_owner(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the owner ends, where the system has such a thing.

    The end of the socket says the same, unless the owner has forked: then a child of its holds the socket open.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def main(arguments: list[str]) -> None:
    """Run the spawner: the owner's process id, how much to keep of each stream, whether all, and where."""
    owner_pid, bytes_max, whole, folder = arguments
    while os.open("/dev/null", os.O_RDWR) <= 2:  # the owner may have had no standard streams at all
        pass
    line = socket.socket(fileno=os.dup(0))
    wakeup = _wakeup()
    owner = _watch_owner(int(owner_pid))
    if os.getppid() == int(owner_pid):
        keep = Keep(int(bytes_max), folder, whole=whole == "whole")
        Spawner(line, keep).serve(wakeup, owner)


if __name__ == "__main__":
    main(sys.argv[1:])
