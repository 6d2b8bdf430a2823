"""Calling a task: from the JSON text of its input to the JSON text of its output, in whatever process it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from actors.executors.signature import TaskSignature
from events.payload import decode_payload, encode_payload


def call_task(function: Callable[..., Any], input_text: str, *, what: str, bytes_max: int) -> str:
    """Call a task and return its output as JSON text; a coroutine is run to its end in an event loop of its own.

    `function` is a `TaskSignature`, which knows types, or has one as its `callee`; any other function takes and returns
    plain JSON.
    `what` names the child in errors ("child 'a'").

    Raises:
        InvalidPayloadError: the input does not fit the task, or the output its annotation.
        LimitExceededError: the output is too large.
        BaseException: whatever the task raises.
    """
    value = begin_call(function, input_text, what=what)
    if inspect.iscoroutine(value):
        import asyncio  # a worker process that never needs it is there sooner

        value = asyncio.run(_finish(value))
    return end_call(function, value, what=what, bytes_max=bytes_max)


async def await_task(function: Callable[..., Any], input_text: str, *, what: str, bytes_max: int) -> str:
    """Do as `call_task` does, in the event loop that runs: a coroutine is awaited."""
    value = begin_call(function, input_text, what=what)
    if inspect.isawaitable(value):
        value = await value
    return end_call(function, value, what=what, bytes_max=bytes_max)


def begin_call(function: Callable[..., Any], input_text: str, *, what: str) -> Any:
    """Read the input and call the function; return what it returns, which may be a coroutine."""
    given = decode_payload(input_text)
    signature = _signature(function)
    if signature is not None:
        return signature.function(**signature.read(given, f"input of {what}"))
    if type(given) is dict:
        return function(**given)
    return function() if given is None else function(given)


def end_call(function: Callable[..., Any], value: Any, *, what: str, bytes_max: int) -> str:
    """Return what a task returned as JSON text."""
    what = f"output of {what}"
    signature = _signature(function)
    if signature is not None and signature.result is not None:
        value = signature.result.to_json(value, what)
    return encode_payload(value, what=what, bytes_max=bytes_max)


def _signature(function: Callable[..., Any]) -> TaskSignature | None:
    found = function if isinstance(function, TaskSignature) else getattr(function, "callee", None)
    return found if isinstance(found, TaskSignature) else None


async def _finish(coroutine: Any) -> Any:
    return await coroutine
