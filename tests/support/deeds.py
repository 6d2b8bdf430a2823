"""The same tasks for threads and for an event loop: what both executors promise is tested with both."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

from actors.executors.coroutines import AsyncExecutor
from actors.executors.threads import ThreadExecutor
from actors.executors.work import Executor
from orchestrator import current_child


class Deeds:
    """Tasks by name, and what they and the test tell one another."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        """Opened by the test."""
        self.begun: list[str] = []
        """The ids of the children that began."""
        self.seen: list[str] = []
        """What tasks noted otherwise."""
        self.tasks: dict[str, Callable[..., Any]] = {}

    def find(self, name: str) -> Callable[..., Any]:
        return self.tasks[name]

    def note(self) -> None:
        self.begun.append(current_child().id)


def for_threads() -> tuple[Deeds, Executor]:
    """Return an executor of threads and tasks that block."""
    deeds = Deeds()
    gate, note = deeds.gate, deeds.note

    def listen() -> None:
        note()
        assert current_child().cancelled.wait(30)
        raise RuntimeError("stopping")

    def finish_when_asked() -> str:
        note()
        assert current_child().cancelled.wait(30)
        return "done all the same"

    def deaf() -> str:
        note()
        gate.wait(30)
        return "late"

    def beat_until_open() -> None:
        note()
        while not gate.wait(0.02):
            current_child().heartbeat()

    deeds.tasks |= {
        "nothing": lambda: None,
        "double": lambda x: 2 * x,
        "listen": listen,
        "finish_when_asked": finish_when_asked,
        "deaf": deaf,
        "silent": deaf,
        "beat_until_open": beat_until_open,
        "raise": throw,
        "progress": tell_progress,
        "unfit": lambda: {1, 2},
        "who": lambda: current_child().key,
    }
    return deeds, ThreadExecutor(deeds.find, threads_max=8, payload_bytes_max=10_000)


def for_the_loop() -> tuple[Deeds, Executor]:
    """Return an executor of coroutines and tasks that await."""
    deeds = Deeds()
    gate, note = deeds.gate, deeds.note

    async def listen() -> None:
        note()
        await asked()
        raise RuntimeError("stopping")

    async def finish_when_asked() -> str:
        note()
        await asked()
        return "done all the same"

    async def deaf() -> str:
        note()
        while not gate.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                deeds.seen.append("cancelled")
        return "late"

    async def beat_until_open() -> None:
        note()
        while not gate.is_set():
            await asyncio.sleep(0.02)
            current_child().heartbeat()

    async def double(x: int) -> int:
        return 2 * x

    deeds.tasks |= {
        "nothing": deferred(lambda: None),
        "double": double,
        "listen": listen,
        "finish_when_asked": finish_when_asked,
        "deaf": deaf,
        "silent": deaf,
        "beat_until_open": beat_until_open,
        "raise": deferred(throw),
        "progress": deferred(tell_progress),
        "unfit": deferred(lambda: {1, 2}),
        "who": deferred(lambda: current_child().key),
    }
    return deeds, AsyncExecutor(deeds.find, payload_bytes_max=10_000)


async def asked() -> None:
    """Wait until the attempt is asked to stop."""
    while not current_child().cancelled.is_set():
        await asyncio.sleep(0.002)


def deferred(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine function that does the same a moment later."""

    async def later(**arguments: Any) -> Any:
        await asyncio.sleep(0)
        return function(**arguments)

    return later


ERRORS = (SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, asyncio.CancelledError, ConnectionResetError)


def throw(name: str) -> None:
    """Raise the error of this name."""
    raise {error.__name__: error for error in ERRORS}[name](3)


def tell_progress() -> None:
    child = current_child()
    child.heartbeat()
    child.heartbeat(progress=0.5)
    child.heartbeat(message="half")
    child.heartbeat(progress=1, message="all")


def arguments(**named: Any) -> str:
    return json.dumps(named)
