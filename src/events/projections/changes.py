"""What changes in a projection's tables, and how many changes become few statements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from events.errors import UsageError
from events.log.tables import Session
from events.projections.tables import How, Table, sizes, sql, write

Value = str | int | float | None
Key = tuple[Value, ...]


class Put(NamedTuple):
    """Set columns of the row with this key, which is made where there is none."""

    table: Table
    key: Key
    values: dict[str, Value]


class Add(NamedTuple):
    """Add numbers to columns of the row with this key, which counts as 0 where there is none."""

    table: Table
    key: Key
    values: dict[str, int | float]


class Remove(NamedTuple):
    """Take away the row with this key, where there is one."""

    table: Table
    key: Key


Change = Put | Add | Remove


class Write(NamedTuple):
    """Rows for one table; see `How` for the marks of columns."""

    table: Table
    how: How
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def run(self, session: Session, name: str) -> int:
        """Write the rows to the table that is stored under a name; return how many of its rows were touched."""
        table, how, columns, rows = self
        types = tuple(table.columns[column.rstrip("+?")] for column in columns)
        start = touched = 0
        for size in sizes(len(rows), len(columns)):
            values = list(chain.from_iterable(rows[start : start + size]))
            touched += session.execute(write(name, how, columns, table.key, types, size), values)
            start += size
        return touched


class Removal(NamedTuple):
    """Keys of rows of one table that are to go."""

    table: Table
    keys: Sequence[Key]

    def run(self, session: Session, name: str) -> int:
        """Take the rows away from the table that is stored under a name; return how many there were."""
        where = " AND ".join(f"{column} = ?" for column in self.table.key)
        statement = sql("DELETE FROM", name, "WHERE", where)
        return sum(session.execute(statement, key) for key in self.keys)


Written = Write | Removal

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _check(values: Iterable[Any], table: Table) -> None:
    """Refuse a value that no column can hold, at the event that brought it and not where the batch is written."""
    for value in values:
        kind = type(value)
        if kind is int:
            fits = -(2**63) <= value < 2**63
        elif kind is str:
            fits = "\0" not in value and (value.isascii() or not _SURROGATE.search(value))
        else:
            fits = kind is float or value is None
        if not fits:
            raise UsageError(f"table {table.name!r} cannot hold {value!r:.100}: give a text, a number or None")


class Gathering:
    """Gathers changes: of one row in a row they become one, and few statements write them in their order."""

    def __init__(self) -> None:
        self._done: list[Written] = []
        self._open: dict[str, tuple[Table, str, tuple[str, ...], dict[Key, list[Any]]]] = {}

    def take(self, changes: Iterable[Change]) -> None:
        """Take changes in their order.

        Raises:
            UsageError: one is none, or names a column or a key that its table does not have.
        """
        for change in changes:
            if isinstance(change, Remove):
                self._rows(change.table, "remove", (), change.key)[change.key] = []
            elif isinstance(change, Put | Add):
                self._take(change, "put" if isinstance(change, Put) else "add")
            else:
                raise UsageError(f"a projection yields Put, Add and Remove, not {change!r:.100}")

    def _take(self, change: Put | Add, how: str) -> None:
        columns = tuple(sorted(change.values))
        unknown = [name for name in columns if name not in change.table.columns or name in change.table.key]
        if unknown:
            raise UsageError(f"table {change.table.name!r} has no column {unknown[0]!r} beside its key")
        rows = self._rows(change.table, how, columns, change.key)
        _check((*change.key, *change.values.values()), change.table)
        before = rows.get(change.key)
        values = [change.values[name] for name in columns]
        if before is not None and how == "add":
            values = [old + new for old, new in zip(before, values, strict=True)]
            _check(values, change.table)
        rows[change.key] = values

    def _rows(self, table: Table, how: str, columns: tuple[str, ...], key: Key) -> dict[Key, list[Any]]:
        if len(key) != len(table.key):
            raise UsageError(f"a key of table {table.name!r} has {len(table.key)} values, not {len(key)}")
        open_one = self._open.get(table.name)
        if open_one is not None and open_one[1:3] == (how, columns):
            return open_one[3]
        self._close(table.name)
        rows: dict[Key, list[Any]] = {}
        self._open[table.name] = (table, how, columns, rows)
        return rows

    def _close(self, name: str) -> None:
        if name not in self._open:
            return
        table, how, columns, rows = self._open.pop(name)
        if how == "remove":
            self._done.append(Removal(table, list(rows)))
        else:
            whole = (*table.key, *(columns if how == "put" else (f"{name}+" for name in columns)))
            self._done.append(Write(table, "put", whole, [(*key, *values) for key, values in rows.items()]))

    def written(self) -> list[Written]:
        """Return what is to be written, and begin anew."""
        for name in list(self._open):
            self._close(name)
        done, self._done = self._done, []
        return done
