"""SIGKILL in the middle of results: no half of a payload is ever taken for a whole one, and nothing is told twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from events.log import open_log
from events.log.audit import Audit
from orchestrator import Orchestrator
from tests.crash.results_victim import CHILDREN, LIMITS, asked

OUTPUTS = {f"expand-{number}": bytes([number]) * 5_000 for number in range(CHILDREN)}


def killed(store: Path, mode: str) -> list[str]:
    """Run a victim to its death; return what it said."""
    command = [sys.executable, "-m", "tests.crash.results_victim", str(store), mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path.cwd(), check=False)
    assert done.returncode == -9, done.stderr
    return done.stdout.splitlines()


def starts(store: Path) -> list[str]:
    return store.with_name("starts").read_text().splitlines()


def sound(store: Path) -> bool:
    with open_log(store, must_exist=True) as log:
        return list(Audit(log).verify()) == []


@pytest.mark.parametrize("mode", ["writing", "written"])
def test_killed_between_the_file_and_the_record_a_run_goes_on(tmp_path: Path, mode: str) -> None:
    store = tmp_path / "runs.db"
    killed(store, mode)
    assert sound(store)
    with Orchestrator(store, limits=LIMITS) as orchestrator:
        run = orchestrator.resume("r")
        assert run.settle(timeout=60).raise_for_status().outputs == OUTPUTS
        assert any(child.attempts == 2 for child in run.children()), "what was not on record ran again"
    assert sound(store)
    assert len(starts(store)) == len(set(starts(store))) > CHILDREN


def test_killed_while_inputs_are_written_there_is_no_run_and_it_can_be_started(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    killed(store, "starting")
    left = [path for path in Path(f"{store}.payloads").rglob("*") if path.is_file()]
    assert len(left) == 4, "files that nothing refers to"
    with Orchestrator(store, limits=LIMITS) as orchestrator:
        assert orchestrator.list() == []
        run = orchestrator.start(asked(store, "starting"), id="r")
        assert list(run.settle(timeout=60).outputs.values()) == [3_000] * CHILDREN
    assert sound(store)


def test_killed_in_the_middle_of_as_completed_the_next_one_begins_at_the_first(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    told = killed(store, "coming")
    assert len(told) == CHILDREN // 2 + 1
    with Orchestrator(store, limits=LIMITS) as orchestrator:
        run = orchestrator.start(asked(store, "coming"), id="r")  # the same id and content: it goes on
        children = list(run.as_completed(timeout=60))
        assert [child.id for child in children][: len(told)] == told, "in the order in which they ended"
        assert {child.id: child.output for child in children} == OUTPUTS
    assert sound(store)


def test_a_child_that_may_start_only_once_does_so_over_a_real_crash(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    killed(store, "once")
    for _ in range(2):
        with Orchestrator(store, limits=LIMITS) as orchestrator:
            result = orchestrator.start(asked(store, "once"), id="r").settle(timeout=60)
            assert result.status == "failed"
            assert result.errors["a"]["type"] == "AttemptLost"
            assert result.errors["a"]["message"] == "the attempt was interrupted and may not run again"
    assert starts(store) == ["r/a 1"]


def test_one_that_may_start_again_does_so_with_the_same_key(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    killed(store, "again")
    with Orchestrator(store, limits=LIMITS) as orchestrator:
        result = orchestrator.start(asked(store, "again"), id="r").settle(timeout=60)
        assert result.raise_for_status().outputs == {"a": "alive"}
    assert starts(store) == ["r/a 1", "r/a 2"]
