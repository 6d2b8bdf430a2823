"""How a PostgreSQL store is told from other programs' tables, and how it is made."""

from __future__ import annotations

from typing import Final, NamedTuple

from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from events.errors import NotAStoreError, StoreUnavailableError, StoreVersionError
from events.log.postgres_address import Address
from events.log.postgres_connection import Connection
from events.log.postgres_tables import APPLICATION, COLUMNS, FORMAT_VERSION, KEYS, TABLES, extra, quoted

_CREATING: Final = 0x504F7264
"""Held, along with the schema's own number, while a store is made."""

_LOOK: Final = """
    SELECT c.relname, c.relkind::text, c.relpersistence::text, c.relhasrules OR c.relrowsecurity
        OR EXISTS (SELECT 1 FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
      ARRAY(SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
            FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
      ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint AS k
            WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u') ORDER BY 1)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""


class _Table(NamedTuple):
    """A table as the database's own catalogue has it."""

    name: str
    kind: str
    persistence: str
    meddled_with: bool
    columns: list[str]
    keys: list[str]


def is_there(connection: Connection, address: Address) -> bool:
    """Whether there is a store of this format in the schema; False: there is nothing at all in it. Writes nothing.

    Raises:
        NotAStoreError: something else is there, or its tables are not ours.
        StoreVersionError: a newer release made it.
        StoreUnavailableError: the role may not look.
    """
    location = address.location
    found = {row[0]: _Table(*row) for row in connection.rows(_LOOK, (address.schema,))}
    if not found:
        return False
    if "store" not in found or found["store"].columns[:2] != COLUMNS["store"][:2]:
        raise NotAStoreError(f"{location}: the schema {address.schema!r} is another program's; name one with ?schema=")
    marks = connection.rows("SELECT application, format FROM store")
    if len(marks) != 1 or marks[0][0] != APPLICATION:
        raise NotAStoreError(f"{location}: the schema {address.schema!r} is another program's; name one with ?schema=")
    version = marks[0][1]
    if version > FORMAT_VERSION:
        raise StoreVersionError(
            f"{location}: a newer release made it (format {version}, this one knows {FORMAT_VERSION}); use that release"
        )
    for name, columns in COLUMNS.items():
        if name not in found or version != FORMAT_VERSION or not _is_ours(found[name], columns):
            raise NotAStoreError(f"{location}: its table {name} is not that of a store; name another schema")
    return True


def _is_ours(table: _Table, columns: list[str]) -> bool:
    """Whether a table is as it is made here: it loses nothing in a crash, and nothing is set off by writing to it."""
    sound = table.kind == "r" and table.persistence == "p" and not table.meddled_with
    return sound and table.columns == columns and table.keys == KEYS[table.name]


def create(connection: Connection, address: Address) -> None:
    """Make a store where there is none yet; another process may be faster.

    Raises:
        StoreUnavailableError: the role may not; the message says what to do.
        NotAStoreError, StoreVersionError: another program was faster.
    """
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_CREATING, address.key))
            if is_there(connection, address):
                return
            if not connection.rows("SELECT 1 FROM pg_namespace WHERE nspname = %s", (address.schema,)):
                connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(address.schema)))
            for statement in TABLES.values():
                connection.execute(statement)
            connection.execute("INSERT INTO store(application, format) VALUES (%s, %s)", (APPLICATION, FORMAT_VERSION))
    except InsufficientPrivilege as error:
        raise StoreUnavailableError(
            f"{address.location}: there is no store yet, and the role {address.user!r} may not make one ({error});"
            " let an administrator run what `orchestrator schema --store URL` prints"
        ) from error


def ensure(connection: Connection, *names: str) -> None:
    """Make those of the extra tables that are not there yet. The caller holds the transaction."""
    for name in names:
        found = connection.rows("SELECT to_regclass(%s)::oid", (quoted(name),))
        if found == [(None,)]:
            connection.execute(extra(name).encode())
