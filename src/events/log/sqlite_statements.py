"""What an SQLite store is asked."""

from __future__ import annotations

from typing import Final

PARENTS: Final = "SELECT parent_id, count, version, hash FROM parents WHERE parent > ? ORDER BY parent LIMIT ?"

STREAM_OF_TYPES: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?)
      AND version > ? AND version <= ? AND position <= ?
      AND type IN (SELECT value FROM json_each(?))
    ORDER BY version LIMIT ?"""

PICKED: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?) AND version IN (SELECT value FROM json_each(?))
    ORDER BY version"""

PAGE: Final = """
    SELECT position, parent_id, events.version, type, data, events.hash
    FROM events LEFT JOIN parents ON parents.parent = events.parent
    WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"""

PAGE_OF_TYPES: Final = """
    SELECT position, parent_id, events.version, type, data, events.hash
    FROM events LEFT JOIN parents ON parents.parent = events.parent
    WHERE position > ? AND position <= ? AND type IN (SELECT value FROM json_each(?))
    ORDER BY position LIMIT ?"""

TALLY: Final = """
    SELECT type, count(*) FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?) AND position <= ? GROUP BY type"""

HOLDING: Final = """
    SELECT position, version, type, data, hash FROM events
    WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?) AND position <= ?
      AND (? OR type IN (SELECT value FROM json_each(?))) AND instr(data, ?)
    ORDER BY version"""

CHANGED: Final = """
    SELECT parent_id, max(position) FROM events JOIN parents ON parents.parent = events.parent
    WHERE position > ? GROUP BY events.parent ORDER BY 2"""

HASH: Final = """
    SELECT hash FROM events WHERE parent = (SELECT parent FROM parents WHERE parent_id = ?) AND version = ?"""

FIRST_KEY: Final = float("-inf")
"""Lies below every key of a parent, those too that somebody made up: whoever has one is listed."""

IDS: Final = 1024
"""How many ids of parents are read at a time."""
