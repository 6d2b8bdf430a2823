"""A persistent table: changing it gives a new table, the old one stays as it was, and both cost next to nothing.

The newest version owns a plain dict; an older one remembers only how it differs from its successor. Reading and
changing the newest version takes constant time; reading an older one walks the differences; changing an older one
copies. This is Baker's trick, as told by Conchon and Filliatre, "A Persistent Union-Find Data Structure" (2007).
It lets `evolve` be pure although a parent may have a million children.

Whoever makes many changes opens one new version (`opened`) and changes that in place (`put`, `drop`) for as long as
nobody else has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

_ABSENT: Final[Any] = object()
_MAKE: Final[Any] = object.__new__


class Table(Generic[K, V]):
    """An immutable mapping to values other than None, in insertion order.

    One thread at a time may use the versions of one table.
    """

    __slots__ = ("_data", "_moved", "_next", "_places", "_undo")

    def __init__(self, data: dict[K, V] | None = None, places: dict[K, int] | None = None) -> None:
        self._data: dict[K, V] | None = {} if data is None else data
        self._places = places
        """Numbers that grow in the order of the keys, from the first removal on: an older version sorts by them."""
        self._undo: dict[K, V] | None = None
        """Of the newest version: where changes in place leave what the version before had, if anybody asks for that.
        Of an older one: what it has and its successor has not."""
        self._moved: dict[K, int] | None = None
        """The places of those that were removed meanwhile."""
        # _next, the successor, is set when this version becomes an older one

    if TYPE_CHECKING:
        _next: Table[K, V]

    def opened(self) -> Table[K, V]:
        """Return a new version that is the same so far, and may be changed in place by whoever opened it."""
        data = self._data
        if data is None:
            data = self._own()
        if not data:
            return type(self)()  # an empty table stays as it is: it may be the start of many
        newer: Table[K, V] = _MAKE(type(self))  # faster than its class would
        newer._data, newer._places = data, self._places
        newer._undo, newer._moved = self._undo, self._moved = {}, {}
        self._data, self._next = None, newer
        return newer

    def apart(self) -> Self:
        """Return a table of the same content that shares nothing with this one: another thread may read it."""
        return type(self)(dict(self._resolved()[0]))

    def put(self, key: K, value: V) -> None:
        """Set a value in place."""
        data, undo, places = self._data, self._undo, self._places
        assert data is not None, "an older version is not changed in place"  # noqa: S101 - a mistake of ours
        if undo is not None and key not in undo:
            undo[key] = data.get(key, _ABSENT)
        if places is not None and key not in data:
            places[key] = places[next(reversed(places))] + 1 if places else 0
        data[key] = value

    def drop(self, key: K) -> None:
        """Remove a key in place, if it is there."""
        data, undo, places = self._data, self._undo, self._places
        assert data is not None, "an older version is not changed in place"  # noqa: S101 - a mistake of ours
        if key not in data:
            return
        if places is None:
            if undo is None:
                del data[key]  # there is no version before this one, so nobody will ask for the order
                return
            places = self._places = {known: place for place, known in enumerate(data)}
        old, place = data.pop(key), places.pop(key)
        if undo is not None and self._moved is not None and undo.setdefault(key, old) is not _ABSENT:
            self._moved.setdefault(key, place)

    def set(self, key: K, value: V) -> Table[K, V]:
        """Return a table that differs from this one in `key` alone."""
        newer = self.opened()
        newer.put(key, value)
        return newer

    def update(self, items: dict[K, V]) -> Table[K, V]:
        """Return a table that differs from this one in all of these keys."""
        newer = self.opened()
        for key, value in items.items():
            newer.put(key, value)
        return newer

    def remove(self, key: K) -> Table[K, V]:
        """Return a table without `key`. A table that lacks it already is returned as it is."""
        if key not in self:
            return self
        newer = self.opened()
        newer.drop(key)
        return newer

    def _own(self) -> dict[K, V]:
        """Give the dict of the newest version; an older version gets a copy and becomes a newest one itself."""
        if self._data is None:
            self._data, self._places = self._resolved()
            self._undo = self._moved = None
        return self._data

    def get(self, key: K) -> V | None:
        """Return the value at `key`, or None."""
        if self._data is not None:
            return self._data.get(key)
        table = self
        while table._data is None:
            if table._undo is not None and key in table._undo:
                old = table._undo[key]
                return None if old is _ABSENT else old
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
        if self._data is not None:
            return key in self._data
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
            moved = step._restore(data, places) or moved
        return _in_order(data, places) if moved and places is not None else (data, places)

    def _restore(self, data: dict[K, V], places: dict[K, int] | None) -> bool:
        """Turn the content of the successor into that of this older version; say whether keys are out of order then."""
        undo, moved = self._undo or {}, self._moved or {}
        for key, old in undo.items():
            if old is not _ABSENT:
                data[key] = old
            elif data.pop(key, None) is not None and places is not None:
                del places[key]
        if places is not None:
            places.update(moved)
        return bool(moved)


def _in_order(data: dict[K, V], places: dict[K, int]) -> tuple[dict[K, V], dict[K, int]]:
    order = sorted(places, key=places.__getitem__)
    return {key: data[key] for key in order}, {key: places[key] for key in order}
