"""Sources of children for the tests of feeding."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from events.invariants import check_history
from orchestrator import Orchestrator
from tests.face import tasks


class Source:
    """A generator that counts what was pulled from it, and notes whether it was closed."""

    def __init__(self, count: int, make: Callable[[int], Any] = lambda number: tasks.square.child(x=number)) -> None:
        self.count, self.make = count, make
        self.pulled = 0
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        try:
            for number in range(self.count):
                self.pulled += 1
                yield self.make(number)
        finally:
            self.closed.set()

    async def later(self) -> AsyncIterator[Any]:
        try:
            for number in range(self.count):
                self.pulled += 1
                await asyncio.sleep(0)
                yield self.make(number)
        finally:
            self.closed.set()


def sound(orchestrator: Orchestrator, run_id: str) -> None:
    log = orchestrator._engine.log
    check_history([record.fact for record in log.read(run_id)])
