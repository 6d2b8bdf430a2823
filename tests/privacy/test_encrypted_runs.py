"""Runs whose texts are encrypted: nothing of them is in clear anywhere, and what happened can be read all the same."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from events.errors import KeyNotFoundError, RedactedError, StoreDamagedError
from events.log import open_log
from events.log.audit import Audit
from events.log.keyring import Keyring, WrappedKey
from orchestrator import (
    Child,
    ContentConflictError,
    Orchestrator,
    OrchestratorError,
    Parallel,
    StepOrderError,
    UsageError,
)
from tests.privacy.forging import rewritten
from tests.privacy.stores import KEY, KEYS, MARK, OTHER, every_text, files, holders, made, wrapped


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(tmp_path / "s.db", compress=request.param)


def test_no_clear_text_is_in_any_file(store: Path) -> None:
    assert len(list(files(store))) > 4, "some of it lies in files"
    assert holders(store, MARK.encode()) == []
    assert holders(store, KEY) == []


def test_the_search_finds_what_is_in_clear(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Orchestrator(path, max_workers=2) as orchestrator:
        orchestrator.start(every_text(), id="r").settle(timeout=60)
    assert len(holders(path, MARK.encode())) > 4


def test_with_the_key_everything_is_there(store: Path) -> None:
    with Orchestrator(store, keyring=KEYS) as orchestrator:
        run = orchestrator.get("r")
        result = run.result(timeout=10)
        assert result.outputs["small"] == f"{MARK} said {MARK} a"
        assert result.outputs["large"].count(MARK) > 10_000
        assert MARK in result.errors["failing"]["message"]
        assert MARK in result.errors["huge"]["message"]
        assert {child.id: child.withheld for child in run.children()} == dict.fromkeys(
            ("small", "large", "failing", "huge", "inner")
        )
        assert MARK in orchestrator.get("r/inner").result(timeout=10).outputs["deep"]
        assert orchestrator.get_children_metadata("r").custom == {"of": MARK}
        again = orchestrator.start(every_text(), id="r")
        assert again.status().settled, "the same content is the same run"
        with pytest.raises(ContentConflictError):
            orchestrator.start(Parallel(children=[Child(command="true")]), id="r")
        assert MARK in str([event.data for event in run.history()])


def test_without_the_key_what_happened_is_there_and_no_text(store: Path) -> None:
    with Orchestrator(store) as orchestrator:
        run = orchestrator.get("r")
        assert run.status().counts.succeeded == 3
        assert [view.id for view in orchestrator.list()] == ["r", "r/inner"]
        shown = run.children()
        told = {(child.withheld, child.output, child.error, child.input) for child in shown}
        assert told == {("encrypted", None, None, "")}
        encrypted = [event.data["encrypted"] for event in run.history() if "encrypted" in event.data]
        assert encrypted[0] == ["content", "metadata"] or encrypted[0] == ["metadata", "content"]
        assert ["input"] in encrypted
        result = run.result(timeout=10)
        with pytest.raises(KeyNotFoundError, match=r"'r' is encrypted with the key 'first' .*--encryption-key-file"):
            _ = result.outputs
        with pytest.raises(KeyNotFoundError, match="'first'"):
            _ = result.errors
    assert list(Audit(open_log(store)).verify()) == []


def test_nothing_is_written_to_an_encrypted_run_without_its_key(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Orchestrator(path, keyring=KEYS) as orchestrator:
        orchestrator.create_state(Parallel(metadata={"of": MARK}), id="r")
        orchestrator.prepare_children("r", [Child(id="a", command=f"echo {MARK}")])
        orchestrator.create_children("r")
    with Orchestrator(path) as orchestrator:
        run, before = orchestrator.get("r"), orchestrator.get("r").status().position
        for ask in (
            lambda: orchestrator.resume("r"),
            lambda: orchestrator.start(Parallel(children=[Child(id="a", command=f"echo {MARK}")]), id="r"),
            lambda: run.cancel(MARK),
            lambda: run.cancel(MARK, child="a"),
            lambda: run.pause(MARK),
            lambda: run.update(max_workers=3),
            lambda: run.add([Child(id="b", command=MARK)]),
            lambda: orchestrator.prepare_execution("r"),
        ):
            with pytest.raises(KeyNotFoundError, match="encrypted with the key 'first'"):
                ask()
        assert run.status().position == before
    with Orchestrator(path, keyring=KEYS) as orchestrator:
        assert orchestrator.resume("r").result(timeout=30).status == "succeeded"
    assert holders(path, MARK.encode()) == []


def test_a_keyring_opens_what_an_older_key_encrypted_and_seals_with_the_first(tmp_path: Path) -> None:
    path = made(tmp_path / "s.db")
    with Orchestrator(path, keyring={"second": OTHER, "first": KEY}) as orchestrator:
        assert MARK in orchestrator.get("r").result(timeout=10).outputs["small"]
        orchestrator.start(Parallel(children=[Child(command="true")]), id="new").settle(timeout=30)
    for keys, readable in (({"second": OTHER}, "new"), (KEYS, "r")):
        with Orchestrator(path, keyring=keys) as orchestrator:
            for run_id in ("r", "new"):
                result = orchestrator.get(run_id).result(timeout=10)
                if run_id == readable:
                    assert result.outputs
                else:
                    with pytest.raises(KeyNotFoundError, match=f"given were {next(iter(keys))}"):
                        _ = result.outputs


def test_another_key_of_the_same_id_is_told_apart(tmp_path: Path) -> None:
    with Orchestrator(made(tmp_path / "s.db"), keyring={"first": OTHER}) as orchestrator:
        run = orchestrator.get("r")
        assert run.status().settled
        with pytest.raises(KeyNotFoundError, match="is another one"):
            _ = run.result(timeout=10).outputs


def test_runs_from_before_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Orchestrator(path) as orchestrator:
        orchestrator.create_state(Parallel(), id="r")
        orchestrator.prepare_children("r", [Child(id="a", command="echo early")])
        orchestrator.create_children("r")
    with Orchestrator(path, keyring=KEYS) as orchestrator:
        assert orchestrator.resume("r").result(timeout=30).status == "succeeded"
        with pytest.raises(UsageError, match=r"without encryption.*archive"):
            orchestrator.get("r").redact()
    with Orchestrator(path) as orchestrator:
        assert orchestrator.get("r").result(timeout=10).outputs["a"]["stdout"] == "early\n"


# Redacting


def test_what_is_redacted_is_gone_for_good(store: Path) -> None:
    keys = {run_id: wrapped(store, run_id) for run_id in ("r", "r/inner")}
    data_keys = [unwrapped(run_id, key) for run_id, key in keys.items()]
    with Orchestrator(store) as orchestrator:  # it takes no master key
        before = orchestrator.get("r").status()
        view = orchestrator.get("r").redact("erasure request 1")
        assert view.version == before.version + 1
        assert view.counts == before.counts
    for secret in (*keys.values(), *data_keys):
        assert holders(store, secret) == []
        assert holders(store, secret[:24]) == []
    assert [file for file in Path(f"{store}.payloads").rglob("*") if file.is_file()] == []
    with Orchestrator(store, keyring=KEYS) as orchestrator:
        for run_id in ("r", "r/inner"):
            run = orchestrator.get(run_id)
            assert run.status().settled
            assert {child.withheld for child in run.children()} == {"redacted"}
            last = list(run.history())[-1]
            assert (last.type, last.data) == ("Redacted", {"reason": "erasure request 1"})
            with pytest.raises(RedactedError, match="was redacted"):
                _ = run.result(timeout=10).outputs
        with pytest.raises(OrchestratorError, match="redacted"):
            orchestrator.get("r").redrive()
        assert orchestrator.get("r").redact("once more").version == view.version
        assert orchestrator.resume_all() == []
    assert list(Audit(open_log(store)).verify()) == []


def unwrapped(parent_id: str, key: bytes) -> bytes:
    found = Keyring(KEYS).unwrap(WrappedKey(parent_id, "first", key))
    assert found is not None
    return found


def test_an_orchestrator_that_knew_the_key_reads_nothing_after_another_one_redacted(tmp_path: Path) -> None:
    path = made(tmp_path / "s.db")
    with Orchestrator(path, keyring=KEYS) as reader, Orchestrator(path) as redactor:
        assert reader.get("r").result(timeout=10).outputs
        redactor.get("r").redact()
        reader.get("r").status()
        with pytest.raises(RedactedError):
            _ = reader.get("r").result(timeout=10).outputs


def test_only_a_settled_outermost_run_is_redacted(tmp_path: Path) -> None:
    path = made(tmp_path / "s.db")
    with Orchestrator(path, keyring=KEYS) as orchestrator:
        orchestrator.create_state(Parallel(), id="open")
        with pytest.raises(StepOrderError, match="not settled"):
            orchestrator.get("open").redact()
        with pytest.raises(UsageError, match="inside run 'r'"):
            orchestrator.get("r/inner").redact()
        assert orchestrator.get("r").result(timeout=10).outputs, "nothing was destroyed"


def test_many_keys_leave_no_copies_of_the_one_that_is_destroyed(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with open_log(path, keyring=Keyring(KEYS)) as log:
        for start in range(0, 2_000, 100):
            log.vault.prepare([f"run-{number * 7919 % 2_000}" for number in range(start, start + 100)])
    keys = {run_id: wrapped(path, run_id) for run_id in ("run-0", "run-700", "run-1999")}
    with open_log(path) as log:
        for run_id in keys:
            log.recorder.redact([], [run_id])
    for key in keys.values():
        assert holders(path, key[:20]) == []
        assert holders(path, key[-20:]) == []


def test_an_audit_compares_keys_with_the_record(tmp_path: Path) -> None:
    path = made(tmp_path / "s.db")
    changes = {
        "UPDATE parent_keys SET wrapped = zeroblob(60) WHERE parent_id = 'r'": "destroyed, and nothing on record",
        "DELETE FROM parent_keys WHERE parent_id = 'r'": "its data key is missing",
    }
    for statement, problem in changes.items():
        store = sqlite3.connect(path)
        store.execute(statement)
        store.commit()
        store.close()
        with open_log(path) as log:
            (finding,) = Audit(log).verify()
        assert finding.id == "r"
        assert problem in finding.problem


# Damage


def test_a_moved_text_and_an_altered_one_are_found_though_the_hashes_fit(tmp_path: Path) -> None:
    """Somebody who can write the store makes the hashes fit; with the key it is found all the same."""
    path = made(tmp_path / "s.db")
    for harm in ("swap", "flip", "rename"):
        copy = rewritten(path, tmp_path / f"{harm}.db", harm)
        with open_log(copy) as log:
            assert list(Audit(log).verify("r")) == [], "without the key all seems well"
        with open_log(copy, keyring=Keyring(KEYS)) as log:
            (finding,) = Audit(log).verify("r")
            assert "altered, moved here, or encrypted with another key" in finding.problem
            with pytest.raises(StoreDamagedError):
                list(log.read("r"))


# Installed without the extra


def test_without_the_library_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from orchestrator import Orchestrator, MissingExtraError\n"
        "try: Orchestrator('memory:', keyring={'a': bytes(32)})\n"
        "except MissingExtraError as error: print(error)\n"
        "Orchestrator('memory:').close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert "extra crypto" in done.stdout, done.stderr
    assert done.returncode == 0
