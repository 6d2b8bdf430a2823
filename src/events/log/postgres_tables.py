"""The tables of a PostgreSQL store as SQL, and the SQL by which an administrator makes them and gives privileges."""

from __future__ import annotations

import re
from typing import Final, LiteralString

from events.log.sqlite_schema import EXTRAS

APPLICATION: Final = "parallel-orchestrator"
"""Our mark in the table `store`."""

FORMAT_VERSION: Final = 1

TABLES: Final[dict[str, LiteralString]] = {
    "store": (
        "CREATE TABLE store(application TEXT NOT NULL, format INTEGER NOT NULL, position BIGINT NOT NULL DEFAULT 0,"
        " parent BIGINT NOT NULL DEFAULT 0, sole BOOLEAN PRIMARY KEY DEFAULT true CHECK (sole))"
        " WITH (fillfactor = 10)"
    ),
    "parents": (
        'CREATE TABLE parents(parent BIGINT PRIMARY KEY, parent_id TEXT COLLATE "C" NOT NULL UNIQUE,'
        " count BIGINT NOT NULL, version BIGINT NOT NULL, hash BYTEA NOT NULL) WITH (fillfactor = 50)"
    ),
    "events": (
        "CREATE TABLE events(position BIGINT PRIMARY KEY, parent BIGINT NOT NULL, version BIGINT NOT NULL,"
        " type TEXT NOT NULL, data BYTEA NOT NULL, hash BYTEA NOT NULL, UNIQUE (parent, version))"
    ),
    "payloads": (
        "CREATE TABLE payloads(sha256 BYTEA NOT NULL, part INTEGER NOT NULL, data BYTEA NOT NULL,"
        " PRIMARY KEY (sha256, part))"
    ),
}
"""`store` has one row: our mark, and the last position and the last key of a parent that were ever given out.
Room is left in the pages of rows that change often, so that they change in place."""

MARK: Final = f"INSERT INTO store(application, format) VALUES ('{APPLICATION}', {FORMAT_VERSION})"  # noqa: S608 - ours

COLUMNS: Final = {
    "store": ["application text", "format integer", "position bigint", "parent bigint", "sole boolean"],
    "parents": ["parent bigint", "parent_id text", "count bigint", "version bigint", "hash bytea"],
    "events": ["position bigint", "parent bigint", "version bigint", "type text", "data bytea", "hash bytea"],
    "payloads": ["sha256 bytea", "part integer", "data bytea"],
}
"""What the database says of them."""

KEYS: Final = {
    "store": ["PRIMARY KEY (sole)"],
    "parents": ["PRIMARY KEY (parent)", "UNIQUE (parent_id)"],
    "events": ['PRIMARY KEY ("position")', "UNIQUE (parent, version)"],
    "payloads": ["PRIMARY KEY (sha256, part)"],
}

_GRANTS: Final = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT INSERT ON {schema}.events, {schema}.parents, {schema}.payloads TO {role}",
    "GRANT UPDATE (count, version, hash) ON {schema}.parents TO {role}",
    "GRANT UPDATE (position, parent) ON {schema}.store TO {role}",
)
"""The least that whoever appends needs: events can be added and read, never changed or removed."""


def quoted(name: str) -> str:
    """Return a name as it stands in SQL."""
    return '"' + name.replace('"', '""') + '"'


def extra(name: str) -> str:
    """Return the SQL that makes an extra table here; it is said once, for SQLite, in types that both know."""
    statement = EXTRAS[name]
    for pattern, here in ((r"\bINTEGER\b", "BIGINT"), (r"\bBLOB\b", "BYTEA"), (r"\bREAL\b", "DOUBLE PRECISION")):
        statement = re.sub(pattern, here, statement)
    return re.sub(r"\)\s*(STRICT|WITHOUT ROWID)(,\s*(STRICT|WITHOUT ROWID))*\s*$", ")", statement)


def _columns(name: str) -> list[str]:
    """Return the columns of an extra table, as the database tells of them."""
    inside = extra(name).partition("(")[2].rpartition(")")[0]
    parts = [part.split() for part in re.sub(r"\([^)]*\)", "", inside).split(",")]
    return [f"{part[0]} {part[1].lower()}" for part in parts if part[0] not in ("PRIMARY", "UNIQUE")]


EXTRA_COLUMNS: Final = {name: _columns(name) for name in EXTRAS}
"""What the database says of the extra tables."""


def as_sql(schema: str, role: str) -> str:
    """Return the SQL by which an administrator makes a store, and lets a role append to it and change no event."""
    there = quoted(schema)
    lines = [f"CREATE SCHEMA IF NOT EXISTS {there}", f"SET search_path = {there}, pg_temp", *TABLES.values()]
    lines.append(MARK)
    lines += [line.format(schema=there, role=quoted(role)) for line in _GRANTS]
    return "BEGIN;\n" + "".join(f"{line};\n" for line in lines) + "COMMIT;\n"
