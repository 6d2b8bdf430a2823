"""What can be done to a copied store by hand, without any hash made anew: an audit finds it and names the place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.events.scenario import finish, give_up, parent, start, take

from events.log import FactBatch, open_log
from events.log.audit import Audit
from events.log.chain import link
from events.log.receipts import Receipt, compared, receipt_for

FACTS = parent("a", "b").given(take(), start("a"), start("b"), finish("a"), finish("b"), give_up()).facts
COUNT = len(FACTS)
AWAY, BACK = "UPDATE events SET version = -1 WHERE position = {}", "UPDATE events SET version = {} WHERE version = -1"

BY_HAND: dict[str, tuple[list[str], tuple[str | None, int | None, int | None], str]] = {
    "a changed byte in a payload": (
        ['UPDATE events SET data = CAST(replace(data, \'"output":"1\', \'"output":"2\') AS BLOB) WHERE position = 28'],
        *(("p", 10, 28), "the row was altered or moved"),
    ),
    "a changed type": (
        ["UPDATE events SET type = 'Resumed' WHERE position = 11"],
        *(("q", 4, 11), "the row was altered or moved"),
    ),
    "a changed time": (
        ["UPDATE events SET data = CAST(replace(data, '\"at\":17', '\"at\":18') AS BLOB) WHERE position = 11"],
        *(("q", 4, 11), "the row was altered or moved"),
    ),
    "a deleted row in the middle": (
        ["DELETE FROM events WHERE position = 11"],
        *(("q", 4, None), "missing, the next row is version 5 at position 14"),
    ),
    "a cut tail": (
        ["DELETE FROM events WHERE parent = 2 AND version > 12"],
        *(("q", 13, None), "missing, the head is at version 14"),
    ),
    "two swapped rows": (
        [AWAY.format(8), "UPDATE events SET version = 3 WHERE position = 11", BACK.format(4)],
        *(("q", 3, 11), "the row was altered or moved"),
    ),
    "two swapped contents": (
        [
            "CREATE TEMP TABLE kept AS SELECT position, type, data, hash FROM events WHERE position IN (8, 11)",
            "UPDATE events SET (type, data, hash) = (SELECT type, data, hash FROM kept WHERE kept.position = 19"
            " - events.position) WHERE position IN (8, 11)",
        ],
        *(("q", 3, 8), "the row was altered or moved"),
    ),
    "a row moved to another run": (
        ["UPDATE events SET parent = 3, version = 15 WHERE position = 41"],
        *(("r", 15, 41), "the row was altered or moved"),
    ),
    "an added row": (
        [
            "INSERT INTO events(parent, version, type, data, hash)"
            " SELECT 2, 15, type, data, hash FROM events WHERE position = 41"
        ],
        *(("q", 15, 43), "the row was altered or moved"),
    ),
    "an added row with a hash that fits": (
        ["INSERT INTO events(parent, version, type, data, hash) SELECT 2, 15, 'OwnershipTaken', x'{data}', x'{hash}'"],
        *(("q", 15, 43), "the head is only at version 14"),
    ),
}


@pytest.fixture
def store(path: Path) -> Path:
    """Three runs that were written by turns: version 4 of q stands at position 11."""
    with open_log(path) as log:
        for version, fact in enumerate(FACTS):
            log.append([FactBatch(name, version, [fact]) for name in ("p", "q", "r")])
    return path


def fitting(path: Path, statement: str) -> str:
    """Fill in an event of q that could follow, with its hash."""
    data = b'{"at":1700000000000000,"owner":"x:1:2:3","epoch":2}'
    with open_log(path) as log:
        head = log.head("q")
        assert head is not None
        return statement.replace("{data}", data.hex()).replace(
            "{hash}", link(head.hash, "q", 15, "OwnershipTaken", data).hex()
        )


@pytest.mark.parametrize("name", BY_HAND)
def test_it_is_found_and_the_place_is_named(store: Path, name: str) -> None:
    statements, place, problem = BY_HAND[name]
    statements = [fitting(store, statement) if "{hash}" in statement else statement for statement in statements]
    with closing(sqlite3.connect(store)) as raw, raw:
        for statement in statements:
            assert raw.execute(statement).rowcount != 0
    with open_log(store) as log:
        audit = Audit(log)
        findings = list(audit.verify())
        assert (*place, problem) in [(one.id, one.version, one.position, one.problem) for one in findings], findings
        assert audit.parents == 3, "and it goes on to the others"
        assert {one.id for one in findings} <= {None, "q", "r"} | {place[0]}


# What has fitting hashes is found by a receipt that was kept elsewhere (and by a key, see test_log_seals)


def test_a_receipt_holds_while_the_store_grows(store: Path) -> None:
    with open_log(store) as log:
        receipts = [receipt_for(log), receipt_for(log, "q")]
        log.append([FactBatch("s", 0, FACTS)])
        assert [list(compared(log, Receipt.parsed(str(receipt)))) for receipt in receipts] == [[], []]


def test_positions_in_each_others_place_are_found_by_a_receipt(store: Path) -> None:
    with open_log(store) as log:
        receipt = receipt_for(log)
    with closing(sqlite3.connect(store)) as raw, raw:
        for old, new in ((7, -8), (8, 7), (-8, 8)):
            raw.execute("UPDATE events SET position = ? WHERE position = ?", (new, old))
    with open_log(store) as log:
        assert list(Audit(log).verify()) == [], "the chain of a run says nothing of other runs"
        (finding,) = compared(log, receipt)
        assert "something up to position 42 is not what the receipt was given for" in finding.problem


def test_an_older_copy_and_a_run_that_was_written_anew_are_found_by_receipts(store: Path, tmp_path: Path) -> None:
    with open_log(store) as log:
        whole, one = receipt_for(log), receipt_for(log, "q")
    with open_log(tmp_path / "older.db") as older:
        older.append([FactBatch(name, 0, FACTS[:-1]) for name in ("p", "q", "r")])
        assert ["it is an older copy" in each.problem for each in compared(older, whole)] == [True]
        assert [(each.id, each.version) for each in compared(older, one)] == [("q", COUNT)]
    with open_log(tmp_path / "anew.db") as anew:
        facts = [*FACTS[:-1], FACTS[-1].model_copy(update={"at": 1})]
        anew.append([FactBatch(name, 0, facts) for name in ("p", "q", "r")])
        assert [each.id for each in compared(anew, whole)] == [None]
        assert [(each.id, each.version, each.position) for each in compared(anew, one)] == [("q", COUNT, 2 * COUNT)]


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET hash = 7", "UPDATE events SET parent = 99", "DELETE FROM events"]
)
def test_a_receipt_against_a_damaged_store(store: Path, statement: str) -> None:
    with open_log(store) as log:
        receipts = [receipt_for(log), receipt_for(log, "q")]
    with closing(sqlite3.connect(store)) as raw, raw:
        if "parent" in statement:
            raw.execute("DELETE FROM events WHERE parent <> 1")
        raw.execute(statement)
    with open_log(store) as log:
        assert [len(list(compared(log, receipt))) for receipt in receipts] == [1, 1]
