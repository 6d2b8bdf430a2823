"""What is kept beside the log of encrypted runs, and how all of it does on each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.errors import KeyNotFoundError, RedactedError
from events.log import open_log
from events.log.audit import Audit
from events.log.audit_key import AuditKey
from events.log.exporting import export
from events.log.folding import folded
from events.log.importing import check_export, import_export
from events.log.keyring import Keyring
from events.log.snapshots import digest_of
from events.snapshot import parts
from orchestrator import Child, Orchestrator, Parallel, RunDroppedError
from tests.privacy.stores import KEYS, MARK, every_text, holders, made
from tests.support.places import LASTING, place_of


@pytest.fixture(params=LASTING)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request, tmp_path)


def findings(store: str | Path, keys: dict[str, bytes] | None = None) -> list[str]:
    with open_log(store, keyring=None if keys is None else Keyring(keys)) as log:
        return [str(finding) for finding in Audit(log).verify()]


def some(text: str) -> Parallel:
    return Parallel(children=[Child(id=each, command=f"echo {text}-{each}") for each in "ab"], on_decided="continue")


def test_on_every_lasting_store(place: str, tmp_path: Path) -> None:
    with Orchestrator(place, keyring=KEYS, max_workers=2) as orchestrator:
        orchestrator.start(every_text(), id="r").settle(timeout=60)
        orchestrator.start(some("x"), id="old").settle(timeout=60)
        assert MARK in orchestrator.get("r").result(timeout=10).outputs["large"]
    with open_log(place) as log:
        rows = log.recorder.page(0, limit=10_000)
        assert rows
        assert not [row for row in rows if MARK.encode() in row.data]
    for keys in (None, KEYS):
        assert findings(place, keys) == []
    with Orchestrator(place) as orchestrator:
        with pytest.raises(KeyNotFoundError, match="'first'"):
            _ = orchestrator.get("r").result(timeout=10).outputs
        with pytest.raises(KeyNotFoundError):
            orchestrator.get("r").redrive()
        assert orchestrator.get("r").redact("asked for").settled
        assert {child.withheld for child in orchestrator.get("r").children()} == {"redacted"}
    with Orchestrator(place, keyring=KEYS) as orchestrator:
        with pytest.raises(RedactedError):
            _ = orchestrator.get("r").result(timeout=10).outputs
        assert orchestrator.get("old").result(timeout=10).outputs["a"]["stdout"] == "x-a\n"
        done = orchestrator.archive(0, tmp_path / "a.jsonl", drop=True)
        assert done is not None
        assert set(done.dropped) == {"r", "old"}
        with pytest.raises(RunDroppedError):
            orchestrator.start(some("x"), id="old")
        orchestrator.start(some("y"), id="new").settle(timeout=60)
        assert [view.id for view in orchestrator.list()] == ["new"]
    assert findings(place) == []
    assert findings(place, KEYS) == []


def snapped(path: Path) -> None:
    """Keep a snapshot of the run `r` as it is halfway, with the inputs of its children in it."""
    with open_log(path, keyring=Keyring(KEYS)) as log:
        halfway = [record.position for record in log.read("r")][12]
        found = folded(log, "r", upto_position=halfway)
        assert log.snapshots.keep("r", found.state, found.position, found.at, parts(found.state))


def test_views_and_snapshots_hold_no_clear_text(tmp_path: Path) -> None:
    path = made(tmp_path / "s.db")
    snapped(path)
    with Orchestrator(path, keyring=KEYS) as orchestrator:
        assert [run.id for run in orchestrator.list()] == ["r", "r/inner"]
        latest = orchestrator._engine.log.snapshots.latest("r")
        assert latest is not None
        prepared = latest.state.children["small"].prepared
        assert prepared is not None
        assert MARK in prepared.input
        assert folded(orchestrator._engine.log, "r").snapshot == latest.state.version
    assert holders(path, MARK.encode()) == []
    for keys in (None, KEYS):
        assert findings(path, keys) == [], "with the key and without it, views are what the events make of them"
    with open_log(path) as log:
        assert log.snapshots.latest("r") is None, "without the key it is of no use, and does no harm"
    with Orchestrator(path) as orchestrator:
        orchestrator.get("r").redact()
        assert orchestrator._engine.log.recorder.snapshots("r") == []
    assert findings(path) == []


def test_an_encrypted_snapshot_that_was_altered_is_found(tmp_path: Path) -> None:
    path = made(tmp_path / "s.db")
    snapped(path)
    with open_log(path, keyring=Keyring(KEYS)) as log:
        (stored, *_) = log.recorder.snapshots("r")
        body = log.recorder.snapshot_body("r", stored.version, 10**9)
        assert body is not None
        harmed = body[:40] + bytes([body[40] ^ 1]) + body[41:]
        log.recorder.drop_snapshots("r")
        log.recorder.keep_snapshot(stored._replace(digest=digest_of(stored, harmed)), harmed)
        assert log.snapshots.latest("r") is None
        (finding,) = Audit(log).verify("r")
        assert "encrypted with another key" in finding.problem


def test_an_export_goes_along_with_its_keys(tmp_path: Path) -> None:
    path = made(tmp_path / "s.db")
    with Orchestrator(path, keyring=KEYS) as orchestrator:
        orchestrator.start(some(MARK), id="other").settle(timeout=30)
        orchestrator.get("other").redact()
    file, copy = tmp_path / "e.jsonl", tmp_path / "copy.db"
    with open_log(path) as log:
        file.write_bytes(b"".join(export(log, "0.1.0")))
        heads = dict(log.recorder.parents())
    assert MARK.encode() not in file.read_bytes()
    assert len(check_export(file).keys) == 3
    with open_log(copy) as log:
        import_export(file, log)
        assert dict(log.recorder.parents()) == heads
        again = tmp_path / "again.jsonl"
        again.write_bytes(b"".join(export(log, "0.1.0")))
    assert again.read_bytes() == file.read_bytes()
    assert findings(copy) == []
    with Orchestrator(copy, keyring=KEYS) as orchestrator:
        assert MARK in orchestrator.get("r").result(timeout=10).outputs["large"]
        with pytest.raises(RedactedError):
            _ = orchestrator.get("other").result(timeout=10).outputs


def test_a_store_with_dropped_runs_is_exported_and_not_imported(tmp_path: Path) -> None:
    path, file = tmp_path / "s.db", tmp_path / "e.jsonl"
    with Orchestrator(path) as orchestrator:
        orchestrator.start(some("x"), id="old").settle(timeout=30)
        assert orchestrator.archive(0, drop=True)
        orchestrator.start(some("x"), id="new").settle(timeout=30)
    with open_log(path) as log:
        file.write_bytes(b"".join(export(log, "0.1.0")))
    with pytest.raises(Exception, match="archived and dropped"):
        check_export(file)


def test_a_sealed_store_is_encrypted_and_redacted_and_drops_nothing(tmp_path: Path) -> None:
    path, key = tmp_path / "s.db", b"k" * 32
    with Orchestrator(path, keyring=KEYS, audit_key=key) as orchestrator:
        orchestrator.start(every_text(), id="r").settle(timeout=60)
        orchestrator.get("r").redact()
        with pytest.raises(Exception, match="sealed with an audit key"):
            orchestrator.archive(0, drop=True)
        assert orchestrator.get("r").status().settled
    with open_log(path) as log:
        assert [str(finding) for finding in Audit(log, key=AuditKey(key)).verify()] == []
