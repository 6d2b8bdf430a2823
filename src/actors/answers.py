"""Answers to those who asked a parent for something and wait, at the face, for a reply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import InvalidStateError
from contextlib import suppress

from actors.messages import Claim, Release, Request
from events.errors import RunDroppedError, RunHaltedError, StoreError, UsageError
from events.state import ParentState

Asked = Request | Claim | Release
"""What somebody may wait for."""


def answer(asked: Iterable[Asked], state: ParentState) -> None:
    """Tell everybody that what they asked for is on record."""
    for request in asked:
        if isinstance(request, Release):
            with suppress(InvalidStateError):
                request.reply.set_result(None)
        elif request.reply is not None:
            with suppress(InvalidStateError):  # somebody who died over it has said no already
                request.reply.set_result(state)


def answer_each(
    asked: Sequence[Asked], refused: Mapping[int, BaseException], parent_id: str, state: ParentState
) -> None:
    """Tell everybody that what they asked for is on record, but those, by their places, who were refused."""
    for place, error in refused.items():
        refuse(asked[place : place + 1], parent_id, error)
    answer((request for place, request in enumerate(asked) if place not in refused), state)


def refuse(asked: Iterable[Asked], parent_id: str, error: BaseException) -> None:
    """Tell everybody that the parent cannot go on, and why."""
    for request in asked:
        if request.reply is not None:
            with suppress(InvalidStateError):
                request.reply.set_exception(_reason(parent_id, error))


def _reason(parent_id: str, error: BaseException) -> Exception:
    if isinstance(error, StoreError | UsageError | RunDroppedError):
        return error
    halted = RunHaltedError(f"run {parent_id!r} cannot go on: {error}")
    halted.__cause__ = error
    return halted
