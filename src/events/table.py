"""A persistent table: changing it gives a new table, the old one stays as it was, and both cost next to nothing.

The newest version owns a plain dict; an older one remembers only how it differs from its successor. Reading and
changing the newest version takes constant time; reading an older one walks the differences; changing an older one
copies. This is Baker's trick, as told by Conchon and Filliatre, "A Persistent Union-Find Data Structure" (2007).
It lets `evolve` be pure although a parent may have a million children.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

_ABSENT: Final[Any] = object()
_MAKE: Final[Any] = object.__new__
_COPIED_MAX: Final = 4
"""How many values may be copied for each one that is changed, where many are changed at once."""


class Table(Generic[K, V]):
    """An immutable mapping to values other than None, in insertion order.

    One thread at a time may use the versions of one table.
    """

    __slots__ = ("_data", "_key", "_next", "_old", "_place", "_places")

    def __init__(self, data: dict[K, V] | None = None, places: dict[K, int] | None = None) -> None:
        self._data: dict[K, V] | None = {} if data is None else data
        self._places = places
        """Numbers that grow in the order of the keys, from the first removal on: an older version sorts by them."""
        # the other slots are set when this version becomes an older one: _next, _key, _old, _place

    if TYPE_CHECKING:
        _next: Table[K, V]
        _key: K
        _old: V
        _place: int

    def set(self, key: K, value: V) -> Table[K, V]:
        """Return a table that differs from this one in `key` alone."""
        data = self._data
        if data is None:
            data = self._own()
        if not data:
            return Table({key: value})  # an empty table stays as it is: it may be the start of many
        places, old = self._places, data.get(key, _ABSENT)
        if places is not None and old is _ABSENT:
            places[key] = places[next(reversed(places))] + 1
        newer: Table[K, V] = _MAKE(Table)  # faster than its class would
        newer._data, newer._places = data, places
        self._data, self._next, self._key, self._old = None, newer, key, old
        data[key] = value
        return newer

    def update(self, items: dict[K, V]) -> Table[K, V]:
        """Return a table that differs from this one in all of these keys: a copy, where they are many of them."""
        data = self._data
        if data is None:
            data = self._own()
        if self._places is None and len(items) * _COPIED_MAX >= len(data):
            return Table(data | items)
        table = self
        for key, value in items.items():
            table = table.set(key, value)
        return table

    def remove(self, key: K) -> Table[K, V]:
        """Return a table without `key`. A table that lacks it already is returned as it is."""
        data = self._own()
        if key not in data:
            return self
        places = self._places
        if places is None:
            places = {known: place for place, known in enumerate(data)}
        newer: Table[K, V] = _MAKE(Table)
        newer._data, newer._places = data, places
        self._data, self._next, self._key = None, newer, key
        self._old, self._place = data.pop(key), places.pop(key)
        return newer

    def _own(self) -> dict[K, V]:
        """Give the dict of the newest version; an older version gets a copy and becomes a newest one itself."""
        if self._data is None:
            self._data, self._places = self._resolved()
        return self._data

    def get(self, key: K) -> V | None:
        """Return the value at `key`, or None."""
        if self._data is not None:
            return self._data.get(key)
        table = self
        while table._data is None:
            if table._key == key:
                return None if table._old is _ABSENT else table._old
            table = table._next
        return table._data.get(key)

    def __getitem__(self, key: K) -> V:
        if self._data is not None:
            return self._data[key]
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return self.get(cast("K", key)) is not None

    def items(self) -> Iterator[tuple[K, V]]:
        """Iterate over keys and values as they are in this version. Be done before the next change of the table."""
        return iter(self._resolved()[0].items())

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._resolved()[0]))

    def __len__(self) -> int:
        return len(self._resolved()[0])

    def _resolved(self) -> tuple[dict[K, V], dict[K, int] | None]:
        """Return this version's dict and places, built from the newer ones where it is an old version."""
        steps: list[Table[K, V]] = []
        table = self
        while table._data is None:
            steps.append(table)
            table = table._next
        if not steps:
            return table._data, table._places
        data = dict(table._data)
        places = None if table._places is None else dict(table._places)
        moved = False
        for step in reversed(steps):
            key = step._key
            if step._old is _ABSENT:
                del data[key]
                if places is not None:
                    del places[key]
            else:
                if key not in data and places is not None:
                    places[key], moved = step._place, True
                data[key] = step._old
        return _in_order(data, places) if moved and places is not None else (data, places)


def _in_order(data: dict[K, V], places: dict[K, int]) -> tuple[dict[K, V], dict[K, int]]:
    order = sorted(places, key=places.__getitem__)
    return {key: data[key] for key in order}, {key: places[key] for key in order}
