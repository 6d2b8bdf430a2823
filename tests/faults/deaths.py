"""Actors that are made to die: which messages each of them takes, read from the code, and a runtime that kills.

What an actor takes is whatever its `on_receive` or its table of handlers names, so a new handler is attacked without
anybody's doing.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple

from actors import afar, announcer, journal, loader, messages, parent, pool, projector, snapshotter, supervisor
from actors.runtime import Begin, RuntimeActor
from actors.threaded import ThreadedRuntime
from orchestrator import entrance
from orchestrator import messages as public

MODULES: Final = (afar, announcer, parent, pool, projector, journal, loader, snapshotter, supervisor, entrance)
KINDS: Final[tuple[Callable[[], BaseException], ...]] = (
    lambda: RuntimeError("injected"),
    lambda: MemoryError("injected"),
    lambda: SystemExit("injected"),
    lambda: KeyboardInterrupt("injected"),
    lambda: RecursionError("injected"),
)

When = Literal["before", "after"]


class Target(NamedTuple):
    """One handler: an actor's class and a message that it takes."""

    actor: str
    message: str


def actor_classes() -> dict[str, type[RuntimeActor]]:
    """Return every actor class of the product, by name."""
    found: dict[str, type[RuntimeActor]] = {}
    waiting = [RuntimeActor]
    while waiting:
        for made in waiting.pop().__subclasses__():
            waiting.append(made)
            if made.__module__.split(".")[0] in ("actors", "orchestrator"):
                found[made.__name__] = made
    return found


def targets() -> list[Target]:
    """Return every handler of every actor, by what the code says."""
    return sorted({Target(name, message) for name, made in actor_classes().items() for message in taken_by(made)})


def taken_by(made: type[RuntimeActor]) -> set[str]:
    """Return the names of the messages that an actor's class takes, `Begin` among them."""
    module = inspect.getmodule(made)
    known = _message_types() | {name for name, made_here in vars(module).items() if _is_message(made_here, module)}
    source = ast.parse(textwrap.dedent(inspect.getsource(made)))
    names = {"Begin"}
    for function in ast.walk(source):
        if isinstance(function, ast.FunctionDef) and function.name in ("on_receive", "_make_handlers"):
            made_there = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
            named = (node for node in ast.walk(function) if isinstance(node, ast.Name) and id(node) not in made_there)
            names |= {node.id for node in named} & known
    return names


def _is_message(found: object, module: ModuleType | None) -> bool:
    """Whether something that an actor's module holds is a message of its own."""
    if not isinstance(found, type) or module is None or found.__module__ != module.__name__:
        return False
    return not issubclass(found, RuntimeActor)


def _message_types() -> set[str]:
    own = {name for name, made in vars(messages).items() if getattr(made, "__module__", "") == messages.__name__}
    theirs = {name for name, made in vars(public).items() if getattr(made, "__module__", "") == public.__name__}
    return own | theirs | {Begin.__name__}


@dataclass
class Fault:
    """Kill an actor at some deliveries of a message: the `nth` one, and so many in a row."""

    target: Target
    make: Callable[[], BaseException]
    when: When
    nth: int = 1
    times: int = 1

    def __str__(self) -> str:
        times = "" if self.times == 1 else f" and the next {self.times - 1} times"
        return f"{self.target.actor} dies {self.when} {self.target.message} {self.nth}{times} of {self.make()!r}"

    def due(self, number: int) -> bool:
        """Whether the delivery of this number is one of them."""
        return self.nth <= number < self.nth + self.times


@dataclass
class Injected:
    """What a runtime delivered, and how often it killed."""

    faults: list[Fault]
    delivered: Counter[Target] = field(default_factory=Counter)
    done: Counter[Target] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: bool = False
    """Whether the faults have stopped."""

    def take(self, target: Target) -> Fault | None:
        """Count a delivery, and return the fault that is due at it."""
        with self.lock:
            self.delivered[target] += 1
            number = self.delivered[target]
            if self.over:
                return None
            fault = next((fault for fault in self.faults if fault.target == target and fault.due(number)), None)
            if fault is not None:
                self.done[target] += 1
            return fault


class DeadlyRuntime(ThreadedRuntime):
    """Real threads and clocks; actors that raise where a fault is due."""

    def __init__(self, injected: Injected) -> None:
        super().__init__()
        self.injected = injected

    def begin(self, actor: RuntimeActor) -> None:
        super().begin(actor)
        receive = actor.on_receive

        def deadly(message: Any) -> None:
            kind = message if isinstance(message, type) else type(message)
            fault = self.injected.take(Target(type(actor).__name__, kind.__name__))
            if fault is not None and fault.when == "before":
                raise fault.make()
            receive(message)
            if fault is not None:
                raise fault.make()

        vars(actor)["on_receive"] = deadly


def every(faults: list[Target]) -> Iterator[Fault]:
    """Yield each handler's death of each kind, before and after its work."""
    for target in faults:
        for make in KINDS:
            for when in ("before", "after"):
                yield Fault(target, make, "before" if when == "before" else "after")
