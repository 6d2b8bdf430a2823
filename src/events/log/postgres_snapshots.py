"""Snapshots in a PostgreSQL store: a table beside the events, made when the first one is kept, and never needed.

They are written over the connection of the other tables beside the events, so nobody who appends waits for a large one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final, LiteralString

from events.errors import Place, StoreDamagedError
from events.log.postgres_beside import PostgresTables
from events.log.postgres_tables import EXTRA_COLUMNS, extra
from events.log.record import StoredSnapshot
from events.log.recorder import Recorder
from events.log.snapshot_flaws import snapshot_flaws

_TABLE: Final = "snapshots"

_MADE: Final = """
    SELECT ARRAY(SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
      c.relkind <> 'r' OR c.relhasrules OR c.relrowsecurity
        OR EXISTS (SELECT 1 FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
      has_table_privilege(c.oid, 'SELECT')
    FROM pg_class AS c WHERE c.oid = to_regclass('snapshots')"""

_LIST: Final = """
    SELECT version, position, at, CASE WHEN octet_length(hash) = 32 THEN hash END,
      CASE WHEN length(code) <= 200 THEN code END, CASE WHEN octet_length(digest) = 32 THEN digest END,
      octet_length(body)
    FROM snapshots WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s)
    ORDER BY version DESC LIMIT 10"""

_BODY: Final = """
    SELECT body FROM snapshots
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = %s) AND version = %s AND octet_length(body) <= %s"""

_STRAYS: Final = """
    SELECT DISTINCT parent FROM snapshots AS s
    WHERE NOT EXISTS (SELECT 1 FROM parents WHERE parents.parent = s.parent)
    ORDER BY 1 LIMIT 10"""

# In the terms of `Tables`, which both databases share.

_KEY: Final = "SELECT parent FROM parents WHERE parent_id = ? FOR KEY SHARE"
"""Whoever drops the parent waits until this is over, and then finds the snapshot."""

_IS_THERE: Final = "SELECT to_regclass('snapshots') IS NOT NULL"

_DROP_OTHERS: Final = """
    DELETE FROM snapshots WHERE parent = ? AND (version >= ? OR version <
      (SELECT max(version) FROM snapshots AS kept WHERE kept.parent = ? AND kept.version < ?))"""

_INSERT: Final = """
    INSERT INTO snapshots(parent, version, position, at, hash, code, digest, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""

_DROP: Final = "DELETE FROM snapshots WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?)"


class PostgresSnapshots(Recorder):
    """The part of `PostgresRecorder` that keeps snapshots. A role that may make no tables keeps none."""

    @abstractmethod
    def _read(self, statement: LiteralString, values: Sequence[Any]) -> list[Any]:
        """Run a statement that reads, and return its rows."""

    def snapshots(self, parent_id: str) -> list[StoredSnapshot]:
        """Return a parent's snapshots without their bodies, newest first."""
        if "\0" in parent_id or not self._has_table():
            return []
        return [StoredSnapshot(parent_id, *row) for row in self._read(_LIST, (parent_id,))]

    def snapshot_body(self, parent_id: str, version: int, bytes_max: int) -> bytes | None:
        """Return the body of a snapshot; None where there is none, or a larger one."""
        found = self._read(_BODY, (parent_id, version, bytes_max)) if self._has_table() else []
        return found[0][0] if found else None

    def keep_snapshot(self, snapshot: StoredSnapshot, body: bytes) -> None:
        """Keep a snapshot, and of the others of its parent the newest one before it."""
        tables = self.tables()
        if not isinstance(tables, PostgresTables):
            return
        self._has_table()
        with tables.transaction() as session:
            found = session.query(_KEY, (snapshot.parent_id,))
            if not found:
                return
            if session.query(_IS_THERE) == [(False,)]:
                session.execute(extra(_TABLE))
            [(key,)] = found
            session.execute(_DROP_OTHERS, (key, snapshot.version, key, snapshot.version))
            session.execute(_INSERT, (key, *snapshot[1:7], body))

    def drop_snapshots(self, parent_id: str) -> None:
        """Drop all snapshots of a parent."""
        tables = self.tables()
        if isinstance(tables, PostgresTables) and self._has_table():
            with tables.transaction() as session:
                session.execute(_DROP, (parent_id,))

    def flaws(self) -> Iterator[Place]:
        """Yield what is wrong with the table of snapshots as a whole."""
        yield from super().flaws()
        yield from snapshot_flaws(self.location, lambda: self._read(_STRAYS, ()) if self._has_table() else [])

    def _has_table(self) -> bool:
        """Whether there are snapshots that may be read. Raises StoreDamagedError where the table is not ours."""
        found = self._read(_MADE, ())
        if not found:
            return False
        [(columns, meddled_with, may_read)] = found
        if columns != EXTRA_COLUMNS[_TABLE] or meddled_with:
            raise StoreDamagedError(f"{self.location}: its table {_TABLE} is not the one that is made there")
        return bool(may_read)
