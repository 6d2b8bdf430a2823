"""Large payloads beside the store: whole or not at all, checked on every reading."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.events.scenario import finish, parent, spec, start, take

from events.errors import StoreDamagedError, StoreUnavailableError
from events.facts import ChildFinished, ChildPrepared
from events.log import EventLog, FactBatch, SQLiteRecorder, open_log
from events.log.audit import Audit
from events.log.payloads import FilePayloads, MemoryPayloads, PayloadStore
from events.log.postgres import PostgresRecorder
from events.payload_files import PayloadRef, error_head, ref_to, same_payload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs.db.payloads"


@pytest.fixture(params=["files", "memory", "postgres"])
def payloads(request: pytest.FixtureRequest, folder: Path) -> PayloadStore:
    if request.param == "postgres":
        recorder: PostgresRecorder = request.getfixturevalue("postgres")
        return recorder.payloads()
    return FilePayloads(folder) if request.param == "files" else MemoryPayloads()


@pytest.mark.parametrize("text", ['"a"', '"\\ud800"', '"é"', '"\ud800"', "x" * 1_000_000])
def test_what_is_put_is_got(payloads: PayloadStore, text: str) -> None:
    ref = payloads.put(text)
    assert ref == payloads.put(text), "twice is the same as once"
    data = text.encode("utf-8", "surrogatepass")
    assert ref == PayloadRef(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    assert payloads.get(ref) == text


def test_a_file_is_named_by_its_content_and_belongs_to_its_owner_alone(folder: Path) -> None:
    ref = FilePayloads(folder).put("content")
    path = folder / ref.sha256[:2] / ref.sha256
    assert path.read_text() == "content"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, folder)] == [0o600, 0o700, 0o700]
    assert [each.name for each in folder.rglob("*") if each.is_file()] == [ref.sha256], "nothing else is left"


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    with open_log(tmp_path / "runs.db") as log:
        assert isinstance(log.payloads, FilePayloads)
        assert not log.payloads.folder.exists()
        log.payloads.put("x")
        assert log.payloads.folder == tmp_path / "runs.db.payloads"


def test_many_threads_may_put_the_same(folder: Path) -> None:
    stores = [FilePayloads(folder) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        refs = list(pool.map(lambda number: stores[number % 4].put(f"text {number % 10}"), range(200)))
    assert len(set(refs)) == 10
    assert [stores[0].get(ref) for ref in refs[:10]] == [f"text {number}" for number in range(10)]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(bytes(data))


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


HARM: list[Callable[[Path], None]] = [cut, lengthen, flip, become_a_pipe, Path.unlink]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_damage_is_found_on_reading_and_mended_by_writing_again(folder: Path, harm: Callable[[Path], None]) -> None:
    payloads = FilePayloads(folder)
    ref = payloads.put("some content")
    harm(payloads.path(ref))
    with pytest.raises(StoreDamagedError, match=ref.sha256):
        payloads.get(ref)
    assert payloads.put("some content") == ref
    assert payloads.get(ref) == "some content"


def test_a_folder_that_was_removed_is_made_anew(folder: Path) -> None:
    payloads = FilePayloads(folder)
    ref = payloads.put("one")
    payloads.path(ref).unlink()
    payloads.path(ref).parent.rmdir()
    assert payloads.get(payloads.put("one")) == "one"


def test_what_cannot_be_written_or_read_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError, match="file"):
        FilePayloads(tmp_path / "file").put("x")
    payloads = FilePayloads(tmp_path / "folder")
    ref = payloads.put("x")
    become_a_folder(payloads.path(ref))
    with pytest.raises(StoreUnavailableError, match=ref.sha256):
        payloads.get(ref)


def test_payloads_are_the_same_wherever_they_lie() -> None:
    ref = ref_to(b"text")
    assert same_payload("text", None, "text", None)
    assert same_payload("text", None, "", ref)
    assert same_payload("", ref, "", ref)
    assert not same_payload("other", None, "", ref)
    assert not same_payload("", ref_to(b"other"), "", ref)
    assert not same_payload("a", None, "b", None)


def test_of_a_large_error_its_kind_and_message_stay_on_record() -> None:
    head = error_head('{"type":"T","message":"m","bases":["B",1],"traceback":"long"}')
    assert head == '{"type":"T","message":"m","bases":["B"]}'
    assert error_head('["anything"]') == "null"


# Audits


def store(path: Path) -> tuple[EventLog, PayloadRef, PayloadRef]:
    """Make a store of two parents, each with a child whose output or input lies in a file."""
    log = EventLog(SQLiteRecorder(path))
    output, asked = log.payloads.put('"output"'), log.payloads.put('"input"')
    made = parent("a").given(take(), start("a"), finish("a"))
    facts = [
        fact.model_copy(update={"output": None, "output_file": output}) if isinstance(fact, ChildFinished) else fact
        for fact in made.facts
    ]
    log.append([FactBatch("first", 0, facts)])
    facts = [
        fact.model_copy(update={"input": "", "input_file": asked}) if isinstance(fact, ChildPrepared) else fact
        for fact in parent(spec("b")).facts
    ]
    log.append([FactBatch("second", 0, facts)])
    return log, output, asked


@pytest.mark.parametrize("harm", [*HARM, become_a_folder], ids=lambda harm: harm.__name__)
def test_an_audit_looks_at_files_and_goes_on_with_the_other_parents(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    log, output, asked = store(tmp_path / "runs.db")
    with log:
        assert list(Audit(log).verify()) == []
        assert isinstance(log.payloads, FilePayloads)
        harm(log.payloads.path(output))
        (finding,) = Audit(log).verify()
        assert (finding.id, finding.version is not None, finding.position is not None) == ("first", True, True)
        assert "child 'a': its output" in finding.problem
        assert output.sha256 in finding.problem
        log.payloads.path(asked).unlink()
        audit = Audit(log)
        assert [finding.id for finding in audit.verify()] == ["first", "second"]
        assert audit.parents == 2
