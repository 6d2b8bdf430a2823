"""From how a command ended to the JSON texts that are put on record."""

from __future__ import annotations

import json
import os
import signal
from codecs import getincrementaldecoder
from typing import Any, Final, NamedTuple

from actors.executors.command_frames import ASKED, OUTPUT_LOST, REFUSED, TIMED_OUT
from actors.executors.work import Ending

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_Decoder: Final = getincrementaldecoder("utf-8")
_NOTHING: Final = '{"exit_status":0,"stdout":"","stderr":""}'


class Reply(NamedTuple):
    """What the spawner reports of one command (`command_frames` explains the numbers)."""

    kind: int
    why: int
    flags: int
    error: int
    ticket: int
    status: int
    stdout_bytes: int
    stderr_bytes: int
    stdout: bytes
    stderr: bytes

    @property
    def truncated(self) -> bool:
        """Whether more was printed than what came along."""
        return self.stdout_bytes > len(self.stdout) or self.stderr_bytes > len(self.stderr)


def ending_of(reply: Reply, *, timed_out: str, reason: str) -> Ending:
    """Return the ending that a reply means. `reason` is why the command was asked to stop, if it was."""
    if reply.why == ASKED:
        return cancelled(reason, reply)
    if reply.kind == REFUSED:
        return not_started(os.strerror(reply.error))
    if reply.why == TIMED_OUT:
        return Ending("timed_out", error=_error("TimedOut", timed_out, reply))
    if reply.why == OUTPUT_LOST or reply.error:
        return _failed(f"its output could not be kept: {os.strerror(reply.error)}", reply)
    if reply.status == 0:
        if not reply.stdout_bytes and not reply.stderr_bytes:
            return Ending("succeeded", _NOTHING)
        return Ending("succeeded", _encode({"exit_status": 0, **_printed(reply)}))
    return _failed(_how_it_failed(reply.status), reply)


def not_started(why: str) -> Ending:
    """Return the ending of a command that could not be run at all."""
    return Ending("failed", error=_error("CommandNotStarted", f"the command could not be started: {why}", None))


def cancelled(reason: str, reply: Reply | None = None) -> Ending:
    """Return the ending of a command that was asked to stop (before it ran, where there is no reply)."""
    return Ending("cancelled", error=_error("Cancelled", reason, reply))


def _failed(message: str, reply: Reply) -> Ending:
    return Ending("failed", error=_error("CommandFailed", message, reply))


def _how_it_failed(status: int) -> str:
    name = _signal_name(status)
    return f"killed by {name}" if name else f"exit status {os.waitstatus_to_exitcode(status)}"


def _error(kind: str, message: str, reply: Reply | None) -> str:
    ran = reply is not None and reply.kind != REFUSED
    exited = reply is not None and ran and os.WIFEXITED(reply.status)
    value: dict[str, Any] = {
        "type": kind,
        "message": message,
        "exit_status": os.WEXITSTATUS(reply.status) if reply is not None and exited else None,
        "signal": _signal_name(reply.status) if reply is not None and ran else None,
    }
    return _encode(value | (_printed(reply) if reply is not None else {"stdout": "", "stderr": ""}))


def _signal_name(status: int) -> str | None:
    if not os.WIFSIGNALED(status):
        return None
    number = os.WTERMSIG(status)
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _printed(reply: Reply) -> dict[str, Any]:
    texts: dict[str, Any] = {
        "stdout": _text(reply.stdout, cut=reply.stdout_bytes > len(reply.stdout)),
        "stderr": _text(reply.stderr, cut=reply.stderr_bytes > len(reply.stderr)),
    }
    return texts | {"truncated": True} if reply.truncated else texts


def _text(data: bytes, *, cut: bool) -> str:
    """Decode, with a mark for each undecodable byte, but for the character that the cut has split."""
    return _Decoder("replace").decode(data, final=not cut)
