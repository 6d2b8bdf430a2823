"""Who an orchestrator is, on record, and whether the owner of a parent still lives.

An owner is written as `host:process id:start of the process:number`. Whether a process of this machine lives is
asked of the operating system; the start time tells it from a later process with the same id. An owner on another
machine cannot be asked and counts as alive. This is a courtesy that keeps two living processes from working on one
parent: safety rests on the version of the stream alone.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

_NUMBERS: Final = count(1)
_LIVING: Final[set[str]] = set()
_LOCK: Final = threading.Lock()


def new_owner() -> str:
    """Return the name of a new orchestrator in this process, alive until `retire_owner`."""
    pid = os.getpid()
    with _LOCK:
        owner = f"{_host()}:{pid}:{_start_of(pid)}:{next(_NUMBERS)}"
        _LIVING.add(owner)
        return owner


def retire_owner(owner: str) -> None:
    """Say that an orchestrator of this process works no more."""
    with _LOCK:
        _LIVING.discard(owner)


def owner_alive(owner: str) -> bool:
    """Return whether an owner on record still lives, as far as can be known. Unreadable ones do not."""
    try:
        host, pid_text, start, _ = owner.rsplit(":", 3)
        pid = int(pid_text)
    except ValueError:
        return False
    if host != _host():
        return True
    if pid == os.getpid():
        with _LOCK:
            return owner in _LIVING
    return _runs(pid) and start == _start_of(pid)


def owner_words(owner: str) -> str:
    """Return an owner on record as people read it; one that is written otherwise as it stands."""
    host, *numbers = owner.rsplit(":", 3)
    return f"process {numbers[0]} on {host}" if len(numbers) == 3 else owner


def _host() -> str:
    return socket.gethostname().replace(":", "_")


def _runs(pid: int) -> bool:
    try:
        with suppress(PermissionError):  # it is there, and somebody else's
            os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] == "Z"


def _start_of(pid: int) -> str:
    """Return when a process started, in clock ticks since the machine did, with the machine's own start.

    "0" where the system does not say (no /proc): then the process id alone tells.
    """
    fields = _stat(pid)
    if len(fields) < 20:
        return "0"
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        boot = "0"
    return f"{boot}.{fields[19]}"


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, which may hold anything; the first one is the state."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text[text.rindex(")") + 1 :].split()
