"""A persistent table: changing it gives a new table, the old one stays as it was, and both cost next to nothing.

The newest version owns a plain dict; an older one remembers only how it differs from its successor. Reading and
changing the newest version takes constant time; reading an older one walks the differences; changing an older one
copies. This is Baker's trick, as told by Conchon and Filliatre, "A Persistent Union-Find Data Structure" (2007).
It lets `evolve` be pure although a parent may have a million children.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

_ABSENT: Final[Any] = object()


class Table(Generic[K, V]):
    """An immutable mapping in insertion order. One thread at a time may use the versions of one table."""

    __slots__ = ("_data", "_key", "_next", "_old")

    def __init__(self, data: dict[K, V] | None = None) -> None:
        self._data: dict[K, V] | None = {} if data is None else data
        self._next: Table[K, V] | None = None
        self._key: K = _ABSENT
        self._old: V = _ABSENT

    def set(self, key: K, value: V) -> Table[K, V]:
        """Return a table that differs from this one in `key` alone."""
        data = self._own()
        if not data:
            return Table({key: value})  # an empty table stays as it is: it may be the start of many
        newer = Table(data)
        self._data, self._next, self._key, self._old = None, newer, key, data.get(key, _ABSENT)
        data[key] = value
        return newer

    def remove(self, key: K) -> Table[K, V]:
        """Return a table without `key`. A table that lacks it already is returned as it is."""
        data = self._own()
        if key not in data:
            return self if self._data is data else Table(data)
        newer = Table(data)
        self._data, self._next, self._key, self._old = None, newer, key, data.pop(key)
        return newer

    def _own(self) -> dict[K, V]:
        """Give the dict of the newest version; an older version gets a copy and becomes a newest one itself."""
        if self._data is None:
            self._data, self._next = dict(self.items()), None
        return self._data

    def get(self, key: K) -> V | None:
        """Return the value at `key`, or None."""
        table = self
        while table._data is None:
            if table._key == key:
                return None if table._old is _ABSENT else table._old
            table = cast("Table[K, V]", table._next)
        return table._data.get(key)

    def __getitem__(self, key: K) -> V:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return self.get(cast("K", key)) is not None

    def items(self) -> Iterator[tuple[K, V]]:
        """Iterate over keys and values as they are in this version."""
        return iter(self._resolved().items())

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._resolved()))

    def __len__(self) -> int:
        return len(self._resolved())

    def _resolved(self) -> dict[K, V]:
        """Return this version's dict, built from the newer ones where it is an old version."""
        steps: list[Table[K, V]] = []
        table = self
        while table._data is None:
            steps.append(table)
            table = cast("Table[K, V]", table._next)
        if not steps:
            return table._data
        data = dict(table._data)
        for step in reversed(steps):
            if step._old is _ABSENT:
                data.pop(step._key, None)
            else:
                data[step._key] = step._old
        return data
