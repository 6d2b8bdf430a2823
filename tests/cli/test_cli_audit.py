"""`audit verify`: what it says of a store, and how it ends. And no record, however made up, ends in a traceback."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from events.catalogue import DEFAULT_CATALOGUE
from events.errors import InvariantBrokenError
from events.facts import Fact
from events.invariants import check_history
from events.log import Batch, FactBatch, open_log
from tests.cli.driver import CommandLine
from tests.events.scenario import finish, give_up, parent, spec, start, take

SHELL = '{"command":"true","input":"1"}'
FACTS = (
    parent(spec("a", task="shell", input_text=SHELL), spec("b", task="shell", input_text=SHELL))
    .given(take(), start("a"), start("b"), finish("a"), finish("b"), give_up())
    .facts
)


@pytest.fixture
def audited(cli: CommandLine) -> CommandLine:
    """A store with two runs, good and bad; the event at position 5 is the third one of bad."""
    with open_log(cli.store) as log:
        log.append([FactBatch("good", 0, FACTS[:2]), FactBatch("bad", 0, FACTS), FactBatch("good", 2, FACTS[2:])])
    return cli


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        assert raw.execute(statement).rowcount > 0


def test_a_sound_store(audited: CommandLine) -> None:
    done = audited.ask("audit", "verify")
    assert (done.status, done.text, done.errors) == (0, f"2 runs, {2 * len(FACTS)} events checked: sound\n", "")
    one = audited.ask("audit", "verify", "good", "--json")
    summary = {"sound": True, "runs": 1, "events": len(FACTS), "damaged": 0, "flaws": 0}
    assert (one.status, one.objects, one.errors) == (0, [summary], "")


def test_a_damaged_run(audited: CommandLine) -> None:
    tamper(audited.store, "UPDATE events SET data = zeroblob(3) WHERE position = 5")
    done = audited.ask("audit", "verify")
    assert (done.status, done.errors) == (3, "")
    assert done.lines == [
        "damaged: run bad, version 3, position 5: the row was altered or moved",
        f"2 runs, {len(FACTS) + 2} events checked: 1 run damaged",
    ]
    assert audited.ask("audit", "verify", "bad").status == 3
    assert audited.ask("audit", "verify", "good").status == 0
    finding, summary = audited.ask("audit", "verify", "--json").objects
    assert finding == {
        "id": "bad",
        "version": 3,
        "position": 5,
        "problem": "the row was altered or moved",
        "invariant": None,
    }
    assert (summary["sound"], summary["damaged"], summary["flaws"]) == (False, 1, 0)


def test_a_flaw_of_the_store_itself(audited: CommandLine) -> None:
    tamper(audited.store, "UPDATE sqlite_sequence SET seq = seq + 2")
    done = audited.ask("audit", "verify")
    assert done.status == 3
    assert done.lines[0].startswith("damaged: the store: positions ")
    assert done.lines[1].endswith("events checked: 1 flaw of the store itself")


def test_a_broken_invariant(audited: CommandLine) -> None:
    with open_log(audited.store) as log:
        log.append([FactBatch("cut", 0, FACTS[:-2])])
    done = audited.ask("audit", "verify", "cut")
    assert done.status == 3
    missing = "the record ends where ParentSettled must follow (settling-follows)"
    assert done.lines[0] == f"damaged: run cut, version {len(FACTS) - 1}: {missing}"


def test_ids_are_no_escape_codes(cli: CommandLine) -> None:
    with open_log(cli.store) as log:
        log.append([FactBatch("\x1b[2J\n\u202e", 0, FACTS[1:])])
    done = cli.ask("audit", "verify")
    assert done.lines[0].startswith("damaged: run \\x1b[2J\\n\\u202e, version 1, position 1: ")
    assert len(done.lines) == 2


def altered(index: int, **changes: object) -> list[tuple[str, bytes]]:
    facts: list[Fact] = [*FACTS[:index], FACTS[index].model_copy(update=changes), *FACTS[index + 1 :]]
    return [DEFAULT_CATALOGUE.encode(fact) for fact in facts]


MADE_UP = {
    "a child from nowhere": altered(7, child_id="z"),
    "a child that ends from nowhere": altered(9, child_id="z"),
    "a child that ends twice": altered(10, child_id="a"),
    "no beginning": altered(0)[1:],
    "a time beyond all calendars": altered(0, at=2**70),
    "a child's time beyond all calendars": altered(9, at=-(2**70)),
    "an output that is no JSON": altered(9, output="{"),
    "an output that is too deep": altered(9, output="[" * 100_000),
    "an input that is no JSON": altered(1, input="no"),
    "an input that no command has": altered(1, input="7"),
    "a task like a path": altered(1, task="os:system"),
    "a huge cap": altered(0, max_workers=10**30),
    "a huge wait": altered(0, timeout_seconds=1e300),
    "a huge attempt": altered(7, attempt=2**80),
    "children twice": [*altered(0)[:5], *altered(0)[1:5]],
    "only a beginning": altered(0)[:1],
    "cut in the middle": altered(0)[:8],
    "an owner of another kind": altered(6, owner="\x1b[31m" * 1000),
}
QUESTIONS = (
    ("status", "x"),
    ("status", "x", "--json"),
    ("children", "x"),
    ("children", "x", "--json"),
    ("events", "x"),
    ("events", "x", "--json"),
    ("list",),
    ("audit", "verify"),
    ("cancel", "x"),
    ("resume", "x"),
    ("resume",),
)


@pytest.mark.parametrize("name", MADE_UP)
def test_a_made_up_record_with_fitting_hashes_ends_in_no_traceback(cli: CommandLine, name: str) -> None:
    with open_log(cli.store) as log:
        log.recorder.append([Batch("x", 0, MADE_UP[name]), Batch("good", 0, altered(0))])
    for words in QUESTIONS:
        done = cli.ask(*words)
        assert done.status in (0, 1, 2, 3), (words, done)
        assert "Traceback" not in done.errors, done.errors
        assert "\x1b" not in done.errors + done.text
        assert done.errors.count("\n") <= 6, done.errors
    assert "good" in cli.ask("list").text
    assert cli.ask("audit", "verify", "good").status == 0


def test_what_is_made_up_breaks_an_invariant_or_is_harmless() -> None:
    for name in ("a child from nowhere", "a child that ends twice", "no beginning", "children twice", "a huge attempt"):
        with pytest.raises(InvariantBrokenError):
            check_history(DEFAULT_CATALOGUE.decode(*row) for row in MADE_UP[name])
