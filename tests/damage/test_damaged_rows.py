"""Rows that somebody altered by SQL, in a real store: each kind of tampering is found, and the other parents go on."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from tests.damage.conftest import Table
from tests.damage.judge import judge
from tests.damage.stores import Original, sound_store


class Victim(NamedTuple):
    """A store to tamper with, and the row that is the target: a middle one of a parent with many."""

    raw: sqlite3.Connection
    parent: int
    position: int
    version: int
    chance: Random

    def do(self, statement: str, *values: object) -> None:
        self.raw.execute(statement, values)

    def head_fits(self) -> None:
        """Put a head right, as far as versions and hashes go."""
        self.do(
            "UPDATE parents SET (count, version, hash) = (SELECT count(*), max(version), (SELECT hash FROM events AS e"
            " WHERE e.parent = parents.parent ORDER BY version DESC LIMIT 1) FROM events"
            " WHERE events.parent = parents.parent) WHERE parent = ?",
            self.parent,
        )


def row(column: str, value: str) -> Callable[[Victim], None]:
    """Set a column of the row to what a piece of SQL says."""
    statement = f"UPDATE events SET {column} = {value} WHERE position = ?"  # noqa: S608 - ours
    return lambda victim: victim.do(statement, victim.position)


def head(column: str, value: str) -> Callable[[Victim], None]:
    statement = f"UPDATE parents SET {column} = {value} WHERE parent = ?"  # noqa: S608 - ours
    return lambda victim: victim.do(statement, victim.parent)


def delete_middle(victim: Victim) -> None:
    victim.do("DELETE FROM events WHERE position = ?", victim.position)


def close_the_gap(victim: Victim) -> None:
    delete_middle(victim)
    for version in range(victim.version + 1, victim.version + 2000):
        victim.do("UPDATE events SET version = ? WHERE parent = ? AND version = ?", version - 1, victim.parent, version)
    victim.head_fits()


def cut_tail(victim: Victim) -> None:
    victim.do("DELETE FROM events WHERE parent = ? AND version > ?", victim.parent, victim.version)


def cut_tail_and_fit(victim: Victim) -> None:
    cut_tail(victim)
    victim.head_fits()


def take_the_parent_out(victim: Victim) -> None:
    victim.do("DELETE FROM events WHERE parent = ?", victim.parent)
    victim.do("DELETE FROM parents WHERE parent = ?", victim.parent)


def swap(column: str) -> Callable[[Victim], None]:
    """Swap what two rows of one parent hold."""

    def do(victim: Victim) -> None:
        query = f"SELECT position, {column} FROM events WHERE parent = ? AND position >= ? ORDER BY position"  # noqa: S608
        (_, first), *others = victim.raw.execute(query, (victim.parent, victim.position)).fetchall()
        other, second = victim.chance.choice([one for one in others if one[1] != first])
        if column in ("version", "position"):
            victim.do(f"UPDATE events SET {column} = -1 WHERE position = ?", victim.position)  # noqa: S608
            victim.do(f"UPDATE events SET {column} = ? WHERE position = ?", first, other)  # noqa: S608
            victim.do(f"UPDATE events SET {column} = ? WHERE {column} = -1", second)  # noqa: S608
            return
        victim.do(f"UPDATE events SET {column} = ? WHERE position = ?", second, victim.position)  # noqa: S608
        victim.do(f"UPDATE events SET {column} = ? WHERE position = ?", first, other)  # noqa: S608

    return do


def to_another_parent(victim: Victim) -> None:
    last = "(SELECT max(version) + 1 FROM events WHERE parent = 5)"
    victim.do(f"UPDATE events SET parent = 5, version = {last} WHERE position = ?", victim.position)  # noqa: S608


def add_a_row(victim: Victim) -> None:
    columns = "parent, version, type, data, hash"
    victim.do(
        f"INSERT INTO events({columns}) SELECT parent, (SELECT max(version) + 1 FROM events WHERE parent = ?),"  # noqa: S608
        " type, data, hash FROM events WHERE position = ?",
        victim.parent,
        victim.position,
    )


def add_a_row_and_fit(victim: Victim) -> None:
    add_a_row(victim)
    victim.head_fits()


def add_a_row_before_all(victim: Victim) -> None:
    victim.do("INSERT INTO events(parent, version, type, data, hash) VALUES (?, 0, 'x', x'00', x'00')", victim.parent)


def null(victim: Victim) -> None:
    """A value that the schema forbids, by way of another schema."""
    victim.do("PRAGMA writable_schema = ON")
    victim.do("UPDATE sqlite_master SET sql = replace(sql, 'data BLOB NOT NULL', 'data BLOB') WHERE name = 'events'")
    victim.do("PRAGMA writable_schema = RESET")
    row("data", "NULL")(victim)
    victim.do("PRAGMA writable_schema = ON")
    victim.do("UPDATE sqlite_master SET sql = replace(sql, 'data BLOB', 'data BLOB NOT NULL') WHERE name = 'events'")


TAMPERINGS: Final[dict[str, Callable[[Victim], None]]] = {
    "payload altered": row("data", "replace(data, 'c', 'd')"),
    "payload of text": row("data", "CAST(data AS TEXT)"),
    "payload a huge integer": row("data", "9223372036854775807"),
    "payload a number": row("data", "0.5"),
    "payload of 20 MB": row("data", "zeroblob(20000000)"),
    "payload empty": row("data", "x''"),
    "payload null": null,
    "type altered": row("type", "'ParentSettled'"),
    "type unknown": row("type", "'os.system'"),
    "type a blob": row("type", "x'00ff'"),
    "type not UTF-8": row("type", "CAST(x'ff' AS TEXT)"),
    "type a number": row("type", "7"),
    "time altered": row("data", """CAST(replace(CAST(data AS TEXT), '"at":17', '"at":18') AS BLOB)"""),
    "newer version number": row("data", """CAST('{"v":9,' || substr(CAST(data AS TEXT), 2) AS BLOB)"""),
    "hash altered": row("hash", "zeroblob(32)"),
    "hash of text": row("hash", "'text'"),
    "version of text": row("version", "'three'"),
    "version huge": row("version", "9223372036854775807"),
    "version 0": row("version", "0"),
    "version below 0": row("version", "-9223372036854775808"),
    "version a fraction": row("version", "version + 0.5"),
    "position moved": row("position", "1000000"),
    "position below 1": row("position", "-5"),
    "position huge": row("position", "9223372036854775807"),
    "parent unknown": row("parent", "999999"),
    "parent of text": row("parent", "'one'"),
    "middle row deleted": delete_middle,
    "middle row deleted, gap closed": close_the_gap,
    "tail cut": cut_tail,
    "tail cut, head put right": cut_tail_and_fit,
    "parent taken out": take_the_parent_out,
    "payloads swapped": swap("data"),
    "types swapped": swap("type"),
    "hashes swapped": swap("hash"),
    "versions swapped": swap("version"),
    "positions swapped": swap("position"),
    "row moved to another parent": to_another_parent,
    "row added": add_a_row,
    "row added, head put right": add_a_row_and_fit,
    "row added with version 0": add_a_row_before_all,
    "head's count": head("count", "count + 1"),
    "head's version": head("version", "version - 1"),
    "head's version huge": head("version", "9223372036854775807"),
    "head's version below 0": head("version", "-9223372036854775808"),
    "head's version of text": head("version", "'x'"),
    "head's hash": head("hash", "zeroblob(32)"),
    "head's hash a number": head("hash", "1"),
    "head's id altered": head("parent_id", "'other'"),
    "head's id a blob": head("parent_id", "x'00'"),
    "head's id not UTF-8": head("parent_id", "CAST(x'ff' AS TEXT)"),
    "head's id empty": head("parent_id", "''"),
    "head's key altered": head("parent", "parent + 5000"),
    "head deleted": lambda victim: victim.do("DELETE FROM parents WHERE parent = ?", victim.parent),
    "all heads deleted": lambda victim: victim.do("DELETE FROM parents"),
    "all events deleted": lambda victim: victim.do("DELETE FROM events"),
    "counter set back": lambda victim: victim.do("UPDATE sqlite_sequence SET seq = 5"),
    "counter of text": lambda victim: victim.do("UPDATE sqlite_sequence SET seq = 'five'"),
}
OF_ALL: Final = {"all heads deleted", "all events deleted"}
NEEDS_A_TOLERANT_SCHEMA: Final = {"payload null"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return sound_store(tmp_path_factory.mktemp("sound") / "store.db", small=True)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_and_the_other_parents_go_on(
    sound: Original, name: str, tmp_path: Path, seed: int, table: Table
) -> None:
    chance = Random(f"{seed} {name}")
    path = sound.copy(tmp_path)
    with closing(sqlite3.connect(path)) as raw, raw:
        parent = raw.execute("SELECT parent FROM parents WHERE parent_id = 'big'").fetchone()[0]
        rows = raw.execute("SELECT position, version FROM events WHERE parent = ?", (parent,)).fetchall()
        position, version = chance.choice(rows[3:-9])
        before = raw.total_changes
        TAMPERINGS[name](Victim(raw, parent, position, version, chance))
        assert raw.total_changes > before
    outcome, whole = judge(path, sound.facts)
    assert outcome in ("found", "refused"), name
    if outcome == "found" and name not in OF_ALL:
        touched = {"big"} | ({"run-3"} if name == "row moved to another parent" else set())
        assert set(whole) >= set(sound.facts) - touched, "the others go on"
    table.setdefault(("row, by SQL", name), Counter())[outcome] += 1
