"""Tasks that the tests of the face run, and the gates they wait at."""

from __future__ import annotations

import sys
import threading
from collections import Counter, defaultdict
from typing import Any

from orchestrator import current_child, task

GATES: defaultdict[str, threading.Event] = defaultdict(threading.Event)
CALLS: Counter[str] = Counter()


@task
def square(x: int) -> int:
    return x * x


@task
def nothing() -> None:
    return None


@task
def echo(value: Any = None) -> Any:
    return value


@task
def fail(message: str = "no") -> None:
    raise ValueError(message)


@task
def wait_at(gate: str) -> str:
    """Wait until the test opens the gate, or until asked to stop."""
    child = current_child()
    CALLS[f"{gate}/begun"] += 1
    while not GATES[gate].wait(0.005):
        if child.cancelled.is_set():
            raise RuntimeError("stopped as asked")
    return gate


@task
def deaf(gate: str) -> str:
    """Wait at the gate whatever anybody asks."""
    CALLS[f"{gate}/begun"] += 1
    GATES[gate].wait(30)
    return gate


@task
def fail_until(times: int, name: str) -> int:
    """Fail so many times, then succeed."""
    CALLS[name] += 1
    if CALLS[name] <= times:
        raise RuntimeError(f"failure {CALLS[name]}")
    return CALLS[name]


@task
def who_am_i() -> dict[str, Any]:
    child = current_child()
    return {"id": child.id, "parent_id": child.parent_id, "attempt": child.attempt, "key": child.key}


@task
def leave(code: int = 1) -> None:
    sys.exit(code)


@task
def interrupt() -> None:
    raise KeyboardInterrupt


@task
def recurse() -> None:
    recurse()


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even my text")


@task
def hostile() -> None:
    raise HostileError


@task
def unfit() -> Any:
    return {"a": [1, {2, 3}]}


@task
async def later(x: int) -> int:
    return x + 1


@task
def long(length: int) -> str:
    return "x" * length
