"""Exports and imports: the same bytes again, in bounded memory; nothing that was altered, cut or added gets through."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.events.scenario import finish, give_up, parent, spec, start, take

from events.errors import RunNotFoundError, StoreDamagedError, StoreVersionError, UsageError
from events.facts import ChildFinished, Fact, OwnershipTaken
from events.log import AuditKey, EventLog, FactBatch, MemoryRecorder, SQLiteRecorder, open_log
from events.log.audit import Audit
from events.log.cloud_events import cloud_events
from events.log.exporting import export
from events.log.importing import check_export, import_export

ODD = "ä/🐙 1"
FACTS = parent("a", spec(ODD)).given(take(), start("a"), start(ODD), finish("a"), finish(ODD), give_up()).facts
COUNT = len(FACTS)
TAKEN = next(fact for fact in FACTS if isinstance(fact, OwnershipTaken))
LARGE = json.dumps("é" * 40_000)
IN_PARTS = json.dumps("x" * 1_500_000)
KEY = AuditKey(b"a key that nobody else has")


def with_payloads(log: EventLog, *texts: str) -> list[Fact]:
    """The facts of a run whose children's outputs lie in files."""
    outputs = iter(texts)
    return [
        fact.model_copy(update={"output": None, "output_file": log.payloads.put(next(outputs))})
        if isinstance(fact, ChildFinished)
        else fact
        for fact in FACTS
    ]


@pytest.fixture
def log(path: Path) -> Iterator[EventLog]:
    """Three runs written by turns, and two whose payloads lie in files."""
    with EventLog(SQLiteRecorder(path)) as made:
        for version, fact in enumerate(FACTS):
            made.append([FactBatch(name, version, [fact]) for name in ("p", "q/\n:ü", "r")])
        made.append([FactBatch("large", 0, with_payloads(made, LARGE, LARGE))])
        made.append([FactBatch("larger", 0, with_payloads(made, LARGE, json.dumps("\ud800" + "x" * 70_000)))])
        yield made


@pytest.fixture
def file(log: EventLog, tmp_path: Path) -> Path:
    made = tmp_path / "log.jsonl"
    made.write_bytes(b"".join(export(log, "0.1.0")))
    return made


def imported(file: Path, store: Path) -> bytes:
    with open_log(store) as other:
        import_export(file, other)
        assert list(Audit(other).verify()) == []
        return b"".join(export(other, "0.1.0"))


def test_an_export_that_is_imported_is_the_same_to_the_byte(log: EventLog, file: Path, tmp_path: Path) -> None:
    assert imported(file, tmp_path / "other.db") == file.read_bytes()
    with open_log(tmp_path / "other.db") as other:
        assert list(other.recorder.page(0)) == list(log.recorder.page(0))
        assert other.parents() == log.parents()
        assert list(other.recorder.flaws()) == [], "the counter of positions, too"
        (verdict,) = other.append([FactBatch("new", 0, FACTS)])
        assert verdict.positions[0] == log.last_position() + 1  # type: ignore[union-attr]


def test_a_large_payload_stands_in_parts(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    with open_log(path) as log:
        log.append([FactBatch("p", 0, with_payloads(log, IN_PARTS, IN_PARTS))])
        file.write_bytes(b"".join(export(log, "0.1.0")))
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert [line["part"] for line in lines if line["kind"] == "payload"] == [0, 1]
    assert imported(file, tmp_path / "other.db") == file.read_bytes()
    del lines[next(number for number, line in enumerate(lines) if line.get("part") == 1)]
    file.write_bytes(written(lines, mend=True))
    with pytest.raises(StoreDamagedError, match="a payload is incomplete"):
        check_export(file)


def test_an_import_into_memory_and_into_a_sealed_store(file: Path, tmp_path: Path) -> None:
    with EventLog(MemoryRecorder()) as memory:
        import_export(file, memory)
        assert b"".join(export(memory, "0.1.0")) == file.read_bytes()
        with pytest.raises(UsageError, match="there are events in it"):
            import_export(file, memory)
    with open_log(tmp_path / "sealed.db", audit_key=KEY) as sealed:
        import_export(file, sealed)
        assert list(Audit(sealed, key=KEY).verify()) == []
        sealed.append([FactBatch("new", 0, FACTS)])
        assert list(Audit(sealed, key=KEY).verify()) == []


def test_an_empty_store_is_exported_and_imported(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    with open_log("memory:") as empty:
        file.write_bytes(b"".join(export(empty, "0.1.0")))
    assert imported(file, tmp_path / "other.db") == file.read_bytes()


def test_a_store_with_events_is_left_as_it_is(log: EventLog, file: Path, path: Path) -> None:
    with pytest.raises(UsageError, match="there are events in it; import into an empty store"):
        import_export(file, log)
    assert b"".join(export(log, "0.1.0")) == file.read_bytes()


def test_what_is_appended_meanwhile_is_not_in_it(log: EventLog, file: Path) -> None:
    lines = export(log, "0.1.0")
    begun = [next(lines)]
    log.append([FactBatch("r", COUNT, [TAKEN.model_copy(update={"epoch": 2})])])
    log.append([FactBatch("new", 0, FACTS)])
    assert b"".join([*begun, *lines]) == file.read_bytes()


def test_an_export_is_checked_by_a_few_lines_of_nothing_but_the_standard_library(file: Path) -> None:
    """The procedure that docs/how-to/audit.md shows, in other words."""
    whole, lines = hashlib.sha256(), file.read_bytes().splitlines(keepends=True)
    hashes: dict[str, bytes] = {}
    for line in lines[:-1]:
        whole.update(line)
        fields = json.loads(line)
        if fields["kind"] == "event":
            name, kind = fields["run"].encode(), fields["type"].encode()
            previous = hashes.get(fields["run"], bytes(32))
            parts = [b"\x01", previous, len(name).to_bytes(4, "big"), name, fields["version"].to_bytes(8, "big")]
            parts += [len(kind).to_bytes(4, "big"), kind, fields["data"].encode()]
            hashes[fields["run"]] = hashlib.sha256(b"".join(parts)).digest()
            assert hashes[fields["run"]].hex() == fields["hash"]
    assert json.loads(lines[-1])["sha256"] == whole.hexdigest()


def test_one_run_is_exported_and_not_imported(log: EventLog, tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_bytes(b"".join(export(log, "0.1.0", "q/\n:ü")))
    assert [json.loads(line).get("run") for line in file.read_bytes().splitlines()[:-1]] == ["q/\n:ü"] * (COUNT + 2)
    with pytest.raises(UsageError, match="alone, and the positions of all other events would be missing"):
        check_export(file)
    with pytest.raises(RunNotFoundError):
        list(export(log, "0.1.0", "z"))


Lines = list[dict[str, Any]]


def reversed_events(lines: Lines) -> None:
    lines[2], lines[3] = lines[3], lines[2]


def renumbered(lines: Lines) -> None:
    for line in lines:
        if line["kind"] == "event" and line["position"] > 5:
            line["position"] += 1


def without_a_run(lines: Lines) -> None:
    del lines[1 : COUNT + 2]
    lines[-1]["runs"] -= 1
    lines[-1]["events"] -= COUNT


def of(kind: str, lines: Lines) -> dict[str, Any]:
    return next(line for line in lines if line["kind"] == kind)


ALTERED: dict[str, Any] = {
    "an event's data": lambda lines: of("event", lines).update(data=of("event", lines)["data"].replace("all", "any")),
    "an event's type": lambda lines: lines[2].update(type="Paused"),
    "an event's time": lambda lines: lines[2].update(at="2020-01-01T00:00:00+00:00"),
    "an event's hash": lambda lines: lines[2].update(hash="00" * 32),
    "an event's position": lambda lines: lines[2].update(position=lines[2]["position"] + 1),
    "all positions": renumbered,
    "a position beyond the end": lambda lines: lines[2].update(position=10**6),
    "a position that is text": lambda lines: lines[2].update(position="2"),
    "a further field": lambda lines: lines[2].update(more=1),
    "a missing field": lambda lines: lines[2].pop("type"),
    "a missing event": lambda lines: lines.pop(2),
    "a missing last event": lambda lines: lines.pop(COUNT),
    "events in another order": reversed_events,
    "a doubled event": lambda lines: lines.insert(2, lines[2]),
    "another run's name": lambda lines: lines[2].update(run="r"),
    "a missing run": without_a_run,
    "a missing head": lambda lines: lines.pop(COUNT + 1),
    "another head": lambda lines: of("head", lines).update(events=1),
    "another hash of a head": lambda lines: of("head", lines).update(hash="11" * 32),
    "a missing payload": lambda lines: lines.remove(of("payload", lines)),
    "another payload": lambda lines: of("payload", lines).update(base64="AAAA"),
    "a payload that is no base64": lambda lines: of("payload", lines).update(base64="?"),
    "a payload of no name": lambda lines: of("payload", lines).update(sha256="x"),
    "parts in another order": lambda lines: of("payload", lines).update(part=1),
    "no end": lambda lines: lines.pop(),
    "another sum": lambda lines: lines[-1].update(sha256="22" * 32),
    "more runs": lambda lines: lines[-1].update(runs=1),
    "something after the end": lambda lines: lines.append(lines[-1]),
    "another kind of line": lambda lines: lines[2].update(kind="comment"),
    "no header": lambda lines: lines.pop(0),
    "another header": lambda lines: lines[0].update(more=1),
    "another format": lambda lines: lines[0].update(format="other"),
}


def written(lines: Lines, *, mend: bool) -> bytes:
    """Write lines as exports are; with a sum that fits, as somebody would who knows how."""
    raw = [json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines]
    if mend and lines[-1].get("kind") == "end":
        lines[-1]["sha256"] = hashlib.sha256(b"".join(raw[:-1])).hexdigest()
        raw[-1] = json.dumps(lines[-1], separators=(",", ":")).encode() + b"\n"
    return b"".join(raw)


@pytest.mark.parametrize("mend", [False, True], ids=["as it is", "with a sum that fits"])
@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_export_is_refused_and_nothing_is_imported(
    file: Path, tmp_path: Path, name: str, *, mend: bool
) -> None:
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    ALTERED[name](lines)
    mend = mend and name != "another sum"
    file.write_bytes(written(lines, mend=mend))
    with pytest.raises(StoreDamagedError, match=r"log\.jsonl, line \d+: "):
        check_export(file)
    with open_log(tmp_path / "other.db") as other:
        with pytest.raises(StoreDamagedError):
            import_export(file, other)
        assert other.last_position() == 0
        assert other.parents() == []


def test_every_cut_of_an_export_is_refused(file: Path) -> None:
    whole = file.read_bytes()
    edges = [index for index, byte in enumerate(whole) if byte == ord("\n")]
    for size in (0, 1, *(edge + shift for edge in edges[:-1] for shift in (0, 1)), len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(StoreDamagedError):
            check_export(file)


@pytest.mark.parametrize(
    "content", [b"\0" * 100, b"[]\n", b"[" * 100_000 + b"\n", b"{}\n", b'{"kind":"header"}\n', b"1" * 10_000 + b"\n"]
)
def test_what_is_no_export_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(StoreDamagedError) as caught:
        check_export(tmp_path / "x")
    assert len(str(caught.value)) < 500


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path / "none", tmp_path, Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(UsageError):
            check_export(place)


def test_a_newer_release_is_told_from_damage(file: Path) -> None:
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    lines[0]["version"] = 2
    file.write_bytes(written(lines, mend=True))
    with pytest.raises(StoreVersionError, match="a newer release"):
        check_export(file)


def test_a_damaged_store_is_not_exported_to_the_end(log: EventLog, path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM events WHERE position = 7")
    lines: list[bytes] = []
    with pytest.raises(StoreDamagedError, match="run 'p', version 3: missing"):
        lines.extend(export(log, "0.1.0"))
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM events WHERE parent = 1")
        raw.execute("DELETE FROM parents WHERE parent = 1")
    with pytest.raises(StoreDamagedError, match="some were deleted"):
        list(export(log, "0.1.0"))
    assert len(list(export(log, "0.1.0", "r"))) == COUNT + 3


def test_a_missing_payload_ends_an_export(log: EventLog, path: Path) -> None:
    for file in Path(f"{path}.payloads").glob("*/*"):
        file.unlink()
    with pytest.raises(StoreDamagedError, match=r"run 'large'.*is missing"):
        list(export(log, "0.1.0"))


def test_cloud_events_have_what_the_specification_asks_for(log: EventLog) -> None:
    lines = [json.loads(line) for line in cloud_events(log)]
    assert len(lines) == log.last_position()
    assert len({(line["source"], line["id"]) for line in lines}) == len(lines)
    for line in lines:
        assert line["specversion"] == "1.0"
        assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in line)
        assert line["source"].isascii()
        assert all(isinstance(value, str) and value for name, value in line.items() if name != "data")
    assert lines[COUNT]["source"] == "/orchestrator/runs/q%2F%0A%3A%C3%BC"
    assert {line["subject"] for line in lines if "subject" in line} == {"a", "ä/🐙 1"}
    assert [line["sequence"] for line in lines[:3]] == [f"{position:019d}" for position in (1, 4, 7)]


BOUNDED = """
import resource, sys
from pathlib import Path
from events.log import open_log
from events.log.exporting import export
from events.log.importing import check_export, import_export
store, file, other = map(Path, sys.argv[1:])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_log(store) as log, file.open("wb") as out:
    out.writelines(export(log, "0.1.0"))
check_export(file)
with open_log(other) as log:
    import_export(file, log)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_export_and_import_take_no_more_memory_for_a_larger_log(path: Path, tmp_path: Path) -> None:
    with open_log(path) as log:
        for number in range(16):
            texts = [json.dumps(f"{number} {letter}" + "x" * 1_000_000) for letter in "ab"]
            log.append([FactBatch(f"run {number}", 0, with_payloads(log, *texts))])
        for number in range(100):
            log.append([FactBatch(f"small {number}", 0, FACTS)])
    command = [sys.executable, "-c", BOUNDED, str(path), str(tmp_path / "log.jsonl"), str(tmp_path / "other.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown_kib = int(done.stdout)
    assert (tmp_path / "log.jsonl").stat().st_size > 40_000_000
    assert grown_kib < 30_000
