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


# A key, receipts, exports


def key_file(cli: CommandLine, text: str = "a key that nobody else has") -> str:
    path = cli.folder / f"{len(text)}.key"
    path.write_text(text)
    return str(path)


def test_sealing_a_store_and_who_may_write_to_it_then(audited: CommandLine) -> None:
    key, other = key_file(audited), key_file(audited, "the key of somebody else")
    done = audited.ask("audit", "seal", "--key-file", key)
    assert (done.status, len(done.lines)) == (0, 2)
    assert done.lines[1].startswith("sealed with the key of the fingerprint ")
    assert audited.ask("audit", "verify", "--key-file", key).status == 0
    assert audited.ask("audit", "verify").status == 0
    wrong = audited.ask("audit", "verify", "--key-file", other)
    assert (wrong.status, wrong.text) == (3, "")
    assert "another audit key" in wrong.errors
    refused = audited.run("map", "echo", ":::", "1")
    assert (refused.status, refused.text) == (3, "")
    assert "it is sealed" in refused.errors
    by_name = audited.run("map", "--key-file", key, "--id", "one", "echo", ":::", "1")
    by_environment = audited.run("map", "--id", "two", "echo", ":::", "1", ORCHESTRATOR_AUDIT_KEY_FILE=key)
    assert (by_name.status, by_environment.status) == (0, 0)
    assert audited.run("cancel", "one", ORCHESTRATOR_AUDIT_KEY_FILE=key).status == 0
    assert audited.ask("audit", "verify", "--key-file", key).status == 0
    assert audited.ask("audit", "seal", "--key-file", other).status == 2
    assert audited.ask("audit", "seal", "--replace", "--key-file", other).status == 0
    assert audited.ask("audit", "verify", "--key-file", other).status == 0


def test_a_damaged_store_is_not_sealed(audited: CommandLine) -> None:
    tamper(audited.store, "UPDATE events SET data = zeroblob(3) WHERE position = 5")
    done = audited.ask("audit", "seal", "--key-file", key_file(audited))
    assert (done.status, done.errors) == (3, "nothing was sealed\n")
    assert done.lines[0].startswith("damaged: run bad, version 3, position 5")


def test_no_key_and_a_bad_one_are_refused(audited: CommandLine) -> None:
    assert "takes a key" in audited.ask("audit", "seal").errors
    bad = ("--key-file", key_file(audited, "short"))
    for words in (["audit", "seal", *bad], ["audit", "verify", *bad], ["cancel", "good", *bad], ["map", *bad, "true"]):
        done = audited.ask(*words)
        assert (done.status, done.text, done.errors.count("\n")) == (2, "", 1)
        assert "an audit key has from 16" in done.errors
        assert "short" not in done.errors.replace("5.key", "")


def test_the_environment_names_a_key_and_nothing_else(audited: CommandLine) -> None:
    """A key that cannot be read is no reason to go on without one."""
    for place in ("/nowhere", "/dev/zero", str(audited.folder), "a\nb", ":memory:"):
        done = audited.run("map", "echo", ":::", "1", ORCHESTRATOR_AUDIT_KEY_FILE=place)
        assert (done.status, done.text, done.errors.count("\n")) == (2, "", 1)
    assert audited.run("status", "good", ORCHESTRATOR_AUDIT_KEY_FILE="/nowhere").status == 0
    assert audited.run("audit", "verify", ORCHESTRATOR_AUDIT_KEY_FILE="").status == 0


def test_receipts(audited: CommandLine) -> None:
    receipts = []
    for words in ([], ["good"]):
        done = audited.ask("audit", "verify", *words, "--receipt")
        assert done.lines[-1].startswith("receipt: ")
        receipts.append(done.lines[-1].removeprefix("receipt: "))
        assert audited.ask("audit", "verify", *words, "--receipt", "--json").objects[-1]["receipt"] == receipts[-1]
    against = [word for receipt in receipts for word in ("--against", receipt)]
    audited.run("map", "echo", ":::", "1")
    assert audited.ask("audit", "verify", *against).status == 0
    tamper(audited.store, "UPDATE events SET hash = zeroblob(32) WHERE position = 1")
    done = audited.ask("audit", "verify", *against, "--receipt")
    assert done.status == 3
    assert any("not what the receipt was given for" in line for line in done.lines)
    assert not any(line.startswith("receipt") for line in done.lines)
    assert audited.ask("audit", "verify", "--against", "store:x").status == 2


def test_an_export_goes_out_and_comes_back(audited: CommandLine) -> None:
    shown, saved = audited.run("audit", "export"), audited.run("audit", "export", "-o", "log.jsonl")
    assert (shown.status, saved.status, saved.text) == (0, 0, "")
    assert (audited.folder / "log.jsonl").read_bytes() == shown.output
    again = audited.run("audit", "export", "-o", "log.jsonl")
    assert (again.status, again.text) == (2, "")
    assert "nothing is written over" in again.errors
    done = audited.run("audit", "import", "log.jsonl", "--store", "copy.db")
    assert (done.status, done.text) == (0, "")
    assert audited.run("audit", "export", "--store", "copy.db").output == shown.output
    assert audited.run("audit", "verify", "--store", "copy.db").status == 0
    assert audited.run("audit", "import", "log.jsonl", "--store", "copy.db").status == 2
    assert audited.run("audit", "import", "log.jsonl", "--store", "memory:").status == 2
    assert audited.ask("audit", "export", "nothing").status == 4
    assert audited.ask("audit", "export", "good", "--format", "cloudevents").objects[0]["specversion"] == "1.0"


def test_a_bad_export_makes_no_store(audited: CommandLine) -> None:
    lines = audited.run("audit", "export").output.splitlines(keepends=True)
    (audited.folder / "cut.jsonl").write_bytes(b"".join(lines[:-1]))
    done = audited.run("audit", "import", "cut.jsonl", "--store", "copy.db")
    assert (done.status, done.text, done.errors.count("\n")) == (3, "", 1)
    assert f"cut.jsonl, line {len(lines)}: the export ends before its last line: it is incomplete" in done.errors
    assert not (audited.folder / "copy.db").exists()


def test_a_damaged_store_gives_no_export(audited: CommandLine) -> None:
    tamper(audited.store, "UPDATE events SET data = zeroblob(3) WHERE position = 5")
    done = audited.run("audit", "export", "-o", "log.jsonl")
    assert (done.status, done.text) == (3, "")
    assert "run 'bad', version 3, position 5" in done.errors
    assert [path.name for path in audited.folder.iterdir() if "jsonl" in path.name] == []
