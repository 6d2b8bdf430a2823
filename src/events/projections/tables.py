"""What a projection's table looks like, and the statements that make and fill it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Literal

from events.errors import UsageError

TYPES: Final = ("TEXT", "BIGINT", "DOUBLE PRECISION")
"""What a column may hold: texts, whole numbers of 64 bits, floating numbers. Any of them may be null."""

How = Literal["insert", "put", "update"]
"""`insert` new rows; `put` rows, or values into those that are there; `update` rows that are there, and make none.

Columns are marked by how a value gets into a row that is there: `name` takes its place, `name+` is added to it, and
`name?` leaves it alone: where a row is put always, where it is updated if the new value is null.
"""


@dataclass(frozen=True)
class Index:
    """An index over some columns; with `where`, of those rows alone."""

    columns: tuple[str, ...]
    where: str = ""
    unique: bool = False


@dataclass(frozen=True)
class Table:
    """A table of a projection. It is stored under the name `view_` and its own.

    Args:
        name: lower-case letters, digits and underscores.
        columns: the type of each column by its name; see `TYPES`.
        key: the columns that tell one row from another.
        indexes: what else rows are found by; each a tuple of columns.

    Raises:
        UsageError: a name or a type is none, or the key names no column.

    """

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    indexes: Sequence[Index | tuple[str, ...]] = field(default=())

    def __post_init__(self) -> None:
        for name in (self.name, *self.columns):
            if not name.isascii() or not name.isidentifier() or name != name.lower():
                raise UsageError(f"table {self.name!r}: {name!r} is no name of lower-case letters, digits and _")
        if self.name.endswith("_next"):
            raise UsageError(
                f"table {self.name!r}: its name ends in _next, which stands for tables that are being made"
            )
        for name, kind in self.columns.items():
            if kind not in TYPES:
                raise UsageError(f"table {self.name!r}: column {name!r} is of type {kind!r}, not one of {TYPES}")
        named = [self.key, *(each.columns for each in self.all_indexes())]
        unknown = [name for columns in named for name in columns if name not in self.columns]
        if unknown or not self.key:
            raise UsageError(f"table {self.name!r}: its key and indexes need columns that it has, not {unknown}")

    def all_indexes(self) -> list[Index]:
        """Return the indexes in one form."""
        return [each if isinstance(each, Index) else Index(each) for each in self.indexes]

    @property
    def stored_name(self) -> str:
        """Under which name it is found in the database."""
        return f"view_{self.name}"

    @property
    def next_name(self) -> str:
        """Under which name it is made anew while the old one still answers."""
        return f"view_{self.name}_next"


def create(table: Table, name: str, generation: int, options: str) -> list[str]:
    """Return the statements that make a table under some name. Indexes of different generations have other names."""
    columns = [f"{column} {kind}{' NOT NULL' if column in table.key else ''}" for column, kind in table.columns.items()]
    statements = [f"CREATE TABLE {name}({', '.join(columns)}, PRIMARY KEY({', '.join(table.key)})){options}"]
    for number, index in enumerate(table.all_indexes()):
        kind = "UNIQUE INDEX" if index.unique else "INDEX"
        where = f" WHERE {index.where}" if index.where else ""
        own = f"view_{table.name}_{generation}_{number}"
        statements.append(f"CREATE {kind} {own} ON {name}({', '.join(index.columns)}){where}")
    return statements


_ROWS_MAX: Final = 512
_VALUES_MAX: Final = 30_000
"""How many values a statement may have: SQLite takes 32,766."""


def sizes(total: int, columns: int) -> list[int]:
    """Split a number of rows into few parts of few different sizes, so that few statements need preparing."""
    size = _ROWS_MAX
    while size > 1 and size * columns > _VALUES_MAX:
        size //= 2
    parts: list[int] = []
    while total:
        while size > total:
            size //= 2
        parts.append(size)
        total -= size
    return parts


def sql(*parts: str) -> str:
    """Return a statement made of parts. None of them may come from outside: names, and marks for values."""
    return " ".join(parts)


@cache
def write(
    name: str, how: How, columns: tuple[str, ...], key: tuple[str, ...], types: tuple[str, ...], rows: int
) -> str:
    """Return the statement that writes so many rows. Every name in it is one that a `Table` has checked."""
    if how == "update":
        return _update(name, columns, key, types, rows)
    marks = ",".join([f"({','.join('?' * len(columns))})"] * rows)
    names = [column.rstrip("+?") for column in columns]
    statement = sql("INSERT INTO", name, f"({','.join(names)})", "VALUES", marks)
    if how == "insert":
        return statement
    changes = ", ".join(_put(name, column) for column in columns if column not in key and not column.endswith("?"))
    clause = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
    return sql(statement, f"ON CONFLICT({','.join(key)})", clause)


def _put(name: str, column: str) -> str:
    if column.endswith("+"):
        own = column[:-1]
        return f"{own} = coalesce({name}.{own}, 0) + excluded.{own}"
    return f"{column} = excluded.{column}"


def _update(name: str, columns: tuple[str, ...], key: tuple[str, ...], types: tuple[str, ...], rows: int) -> str:
    first = ",".join(f"CAST(? AS {kind})" for kind in types)  # tells the database what the values below are
    others = f",({','.join('?' * len(columns))})" * (rows - 1)
    changes, matches = [], []
    for number, column in enumerate(columns, 1):
        if column in key:
            matches.append(f"{name}.{column} = fresh.column{number}")
        elif column.endswith("?"):
            own = column[:-1]
            changes.append(f"{own} = coalesce(fresh.column{number}, {name}.{own})")
        else:
            changes.append(f"{column} = fresh.column{number}")
    fresh = f"(VALUES ({first}){others}) AS fresh"
    return sql("UPDATE", name, "SET", ", ".join(changes), "FROM", fresh, "WHERE", " AND ".join(matches))
