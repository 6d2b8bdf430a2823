"""Answers to those who asked a parent for something and wait, at the face, for a reply."""

from __future__ import annotations

from collections.abc import Iterable

from actors.messages import Claim, Release, Request
from events.errors import RunHaltedError, StoreError
from events.state import ParentState

Asked = Request | Claim | Release
"""What somebody may wait for."""


def answer(asked: Iterable[Asked], state: ParentState) -> None:
    """Tell everybody that what they asked for is on record."""
    for request in asked:
        if request.reply is None or request.reply.done():
            continue  # nobody waits, or nobody waits any more
        if isinstance(request, Release):
            request.reply.set_result(None)
        else:
            request.reply.set_result(state)


def refuse(asked: Iterable[Asked], parent_id: str, error: BaseException) -> None:
    """Tell everybody that the parent cannot go on, and why."""
    for request in asked:
        reply = request.reply
        if reply is None or reply.done():
            continue
        if isinstance(error, StoreError):
            reply.set_exception(error)
        else:
            halted = RunHaltedError(f"run {parent_id!r} cannot go on: {error}")
            halted.__cause__ = error
            reply.set_exception(halted)
