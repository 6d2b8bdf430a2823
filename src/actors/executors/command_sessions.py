"""Finding and signalling every process of a session.

A command leads a session of its own, and the session is what ends with it: a member may have made its own process
group (`timeout` does, and so does a shell with job control) and would not hear a signal to the leader's group.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from io import FileIO

_SWEEPS_MAX = 10


def session_members(sessions: Collection[int]) -> dict[int, int]:
    """Return the processes of these sessions that still run, with their session (none without a /proc)."""
    found = ((pid, _session(pid)) for pid in _processes())
    return {pid: session for pid, session in found if session in sessions and not _is_zombie(pid)}


def signal_process(pid: int, number: int) -> None:
    """Send a signal to a process, if it still exists and may be signalled."""
    _send(os.kill, pid, number)


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a process group, if it still exists and may be signalled."""
    _send(os.killpg, leader, number)


def signal_sessions(sessions: Collection[int], number: int) -> None:
    """Send a signal to the process groups that lead these sessions, and to all other members."""
    for session in sessions:
        signal_group(session, number)
    for pid in session_members(sessions):
        if _group(pid) not in sessions:
            signal_process(pid, number)


def kill_marked(mark: bytes, others: Collection[bytes] = ()) -> None:
    """Kill every process whose environment has the entry `mark`, and one of `others` if given, and all of its session.

    Again until two looks have found none: a process may be forking, and in the middle of exec it has no environment.
    """
    entry, more = b"\0" + mark + b"\0", [b"\0" + other + b"\0" for other in others]

    def has(environment: bytes) -> bool:
        return entry in environment and (not more or any(other in environment for other in more))

    quiet = 0
    for _ in range(_SWEEPS_MAX):
        marked = [pid for pid in _processes() if has(_environment(pid)) and not _is_zombie(pid)]
        signal_sessions({_session(pid) for pid in marked} - {0}, signal.SIGKILL)
        quiet = 0 if marked else quiet + 1
        if quiet == 2:
            return


def _processes() -> list[int]:
    try:
        with os.scandir("/proc") as entries:
            return [int(entry.name) for entry in entries if entry.name.isdecimal()]
    except OSError:
        return []


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def _environment(pid: int) -> bytes:
    return b"\0" + _read(f"/proc/{pid}/environ") + b"\0"


def _is_zombie(pid: int) -> bool:
    _, _, after_name = _read(f"/proc/{pid}/stat").rpartition(b") ")
    return after_name[:1] in (b"Z", b"X", b"")


def _read(path: str) -> bytes:
    try:
        with FileIO(path) as file:
            return file.readall()
    except OSError:
        return b""


def _send(function: Callable[[int, int], None], target: int, number: int) -> bool:
    try:
        function(target, number)
    except (ProcessLookupError, PermissionError):  # it has just ended, or has become another user's
        return False
    return True
