"""`SecretRef`: the name of a secret in a child's input, in the place of the secret itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from actors.executors.secret_values import check_name, pointer
from events.errors import UsageError
from events.payload import DEPTH_MAX
from orchestrator import given

Path = tuple[str | int, ...]

_VALUES_MAX: Final = 1_000_000
"""How many values are looked at: the same one may come often, and within itself."""

if TYPE_CHECKING:
    _Text = str  # so that it may stand where a task takes a text
else:
    _Text = object


class SecretRef(_Text):
    """Names a secret that a child is given: `SecretRef("env:API_TOKEN")`, `SecretRef("file:/run/secrets/token")`.

    Anywhere in a child's input it stands for a text: the variable of the environment, or the content of the file
    without the line break at its end, as they are in the process that runs the child, when it runs it. Only the name is
    put on record. Where the child's output, error or message has the secret in it word for word, `***` is put in its
    place; that is no more than a safety net. Where there is no such secret, the child fails with `SecretNotFound`.

    Raises:
        UsageError: it is no name of a secret.
    """

    __slots__ = ("name",)

    name: str

    if not TYPE_CHECKING:

        def __init__(self, name: str) -> None:
            problem = check_name(given.text(name, "SecretRef"))
            if problem is not None:
                raise UsageError(problem)
            self.name = name

        def __repr__(self) -> str:
            return f"SecretRef({self.name!r})"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, SecretRef) and other.name == self.name

        def __hash__(self) -> int:
            return hash((SecretRef, self.name))


def secrets_in(value: Any) -> list[Path]:
    """Return where secrets are named in an input; nowhere, where it is nested so deep, or so large, that it is none."""
    found: list[Path] = []
    waiting: list[tuple[Any, Path]] = [(value, ())]
    looked_at = 0
    while waiting:
        each, path = waiting.pop()
        looked_at += 1
        if len(path) > DEPTH_MAX or looked_at + len(waiting) > _VALUES_MAX:
            return []
        if isinstance(each, SecretRef):
            found.append(path)
        elif isinstance(each, Mapping):
            waiting += [(inner, (*path, key)) for key, inner in reversed([*each.items()])]
        elif isinstance(each, list | tuple):
            waiting += [(inner, (*path, index)) for index, inner in reversed([*enumerate(each)])]
    return found


def named(value: Any) -> Any:
    """Return an input with the names of its secrets in their places, as texts."""
    if isinstance(value, SecretRef):
        return value.name
    if isinstance(value, Mapping):
        return {key: named(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [named(each) for each in value]
    return value


def referring(value: Any, places: list[Path]) -> Any:
    """Return an input in which names stand as texts with references at these places again."""
    for path in places:
        holder = value
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = SecretRef(holder[path[-1]])
    return value


def pointers(places: list[Path]) -> tuple[str, ...]:
    """Return places as a child's limits keep them."""
    return tuple(pointer(path) for path in places)
