"""Children as they are asked for: one, and very many of them in little room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload

from events.facts import ChildLimits
from events.payload_files import PayloadRef
from events.sure import SureModel

_MANY: Final = 20_000
"""From so many children on, what is alike for each of them is not kept once for each, but made when it is needed.

So they take half of the room. Fewer of them take little anyway, and a quarter less time to be made.
"""


def are_many(count: int) -> bool:
    """Whether so many children, or facts, are better made when they are needed than kept."""
    return count >= _MANY


class ChildSpec(SureModel):
    """One child as it is asked for: `input` is JSON text, empty where it lies in a file."""

    child_id: str
    task: str
    input: str
    limits: ChildLimits | None = None
    input_file: PayloadRef | None = None


Fields = tuple[str, str, str, ChildLimits | None, PayloadRef | None]
"""Those of a `ChildSpec`, in their order."""


class ChildSpecs(Sequence[ChildSpec]):
    """Many children as they are asked for, kept field by field: a sixth of what as many `ChildSpec` take."""

    __slots__ = ("_files", "_inputs", "_limits", "_tasks", "ids")

    def __init__(self, specs: Iterable[ChildSpec]) -> None:
        self.ids: Final[list[str]] = []
        self._tasks: Final[list[str]] = []
        self._inputs: Final[list[str]] = []
        self._limits: Final[list[ChildLimits | None]] = []
        self._files: Final[list[PayloadRef | None]] = []
        for spec in specs:
            self.ids.append(spec.child_id)
            self._tasks.append(spec.task)
            self._inputs.append(spec.input)
            self._limits.append(spec.limits)
            self._files.append(spec.input_file)

    def fields(self, start: int = 0, stop: int | None = None) -> Iterator[Fields]:
        """Yield the fields of each child, from one place up to another."""
        if start == 0 and stop in (None, len(self)):
            return zip(self.ids, self._tasks, self._inputs, self._limits, self._files, strict=True)
        some = slice(start, stop)
        return zip(
            self.ids[some], self._tasks[some], self._inputs[some], self._limits[some], self._files[some], strict=True
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[ChildSpec]:
        return map(_spec, self.fields())

    @overload
    def __getitem__(self, place: int) -> ChildSpec: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ChildSpec]: ...
    def __getitem__(self, place: int | slice) -> ChildSpec | Sequence[ChildSpec]:
        """Return one of the children, or some of them."""
        places = range(len(self))[place]
        if isinstance(places, int):
            return _spec(next(self.fields(places, places + 1)))
        return tuple(self[each] for each in places)


def _spec(fields: Fields) -> ChildSpec:
    child_id, task, text, limits, file = fields
    return ChildSpec.sure({"child_id": child_id, "task": task, "input": text, "limits": limits, "input_file": file})


def gathered(specs: Iterable[ChildSpec], count: int) -> Sequence[ChildSpec]:
    """Return so many children as a tuple, or, where they are many, in less room."""
    return ChildSpecs(specs) if are_many(count) else tuple(specs)


def ids_of(specs: Sequence[ChildSpec]) -> Sequence[str]:
    """Return the ids of children."""
    return specs.ids if isinstance(specs, ChildSpecs) else [spec.child_id for spec in specs]


def fields_of(specs: Sequence[ChildSpec], start: int = 0, stop: int | None = None) -> Iterator[Fields]:
    """Yield the fields of each child, from one place up to another."""
    if isinstance(specs, ChildSpecs):
        return specs.fields(start, stop)
    some = specs if start == 0 and stop in (None, len(specs)) else specs[start:stop]
    return ((spec.child_id, spec.task, spec.input, spec.limits, spec.input_file) for spec in some)
