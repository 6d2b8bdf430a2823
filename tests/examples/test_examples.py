"""The other examples, run as programs."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from orchestrator import Orchestrator
from tests.examples.programs import EXAMPLES, PYTHON, example, run

USER = [*example("library_user.py"), "--store", "runs.db"]
STEPS = [*example("steps.py"), "--store", "runs.db"]
COMMAND = [*PYTHON, "-m", "orchestrator"]


def make_files(folder: Path, count: int) -> list[str]:
    for number in range(count):
        (folder / f"{number}.txt").write_text(f"content {number}")
    return [f"{number}.txt" for number in range(count)]


def checksum_lines(folder: Path, files: list[str]) -> list[str]:
    return [f"{hashlib.sha256((folder / file).read_bytes()).hexdigest()}  {file}" for file in files]


def test_library_user_prints_checksums_and_errors(tmp_path: Path) -> None:
    files = make_files(tmp_path, 9)
    done = run([*USER, "--require", "90", "--id", "mine", *files, "missing"], tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == checksum_lines(tmp_path, files)
    assert "missing: FileNotFoundError" in done.stderr
    assert "succeeded: 9 of 10 files read" in done.stderr
    assert "tried more than once: missing" in done.stderr


def test_library_user_started_again_reads_nothing_again(tmp_path: Path) -> None:
    files = make_files(tmp_path, 3)
    first = run([*USER, "--id", "mine", *files], tmp_path)
    (tmp_path / files[0]).unlink()
    again = run([*USER, "--id", "mine", *files], tmp_path)
    assert (again.returncode, again.stdout) == (first.returncode, first.stdout) == (0, first.stdout)


@pytest.mark.parametrize(("require", "status"), [("all", 1), ("91", 1), ("90", 0), ("any", 0)])
def test_library_user_ends_as_its_rule_says(tmp_path: Path, require: str, status: int) -> None:
    files = make_files(tmp_path, 9)
    assert run([*USER, "--require", require, *files, "missing"], tmp_path).returncode == status


def test_library_user_refuses_nonsense_in_one_line(tmp_path: Path) -> None:
    done = run([*USER, "--require", "300", "a"], tmp_path)
    assert done.returncode == 2
    assert "percent" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "runs.db").exists()


def test_steps_end_as_soon_as_two_have_succeeded(tmp_path: Path) -> None:
    commands = ["echo one >> done", "exit 3", "echo two >> done", "echo three >> done"]
    done = run([*STEPS, "--id", "checks", *commands], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 children, 2 must succeed, {'made_by': 'steps.py'}" in done.stdout
    assert "checks: succeeded, 1 skipped" in done.stdout
    assert (tmp_path / "done").read_text() == "one\ntwo\n"


def test_steps_taken_again_run_nothing_again(tmp_path: Path) -> None:
    commands = ["echo one >> done", "echo two >> done"]
    for _ in range(2):
        assert run([*STEPS, "--id", "checks", *commands], tmp_path).returncode == 0
    assert (tmp_path / "done").read_text() == "one\ntwo\n"


def test_steps_fail_when_two_cannot_succeed_any_more(tmp_path: Path) -> None:
    done = run([*STEPS, "--id", "checks", "false", "true", "false"], tmp_path)
    assert done.returncode == 1
    assert "checks: failed, 0 skipped" in done.stdout


def test_the_plan_runs_on_this_machine(tmp_path: Path) -> None:
    done = run([*COMMAND, "run", str(EXAMPLES / "plan.yaml"), "--id", "checks", "--json"], tmp_path)
    assert done.returncode == 0
    status = json.loads(done.stdout)
    assert status["status"] == "succeeded"
    assert status["strategy"] == {"kind": "threshold", "required": 4}
    assert (status["counts"]["succeeded"], status["counts"]["failed"]) == (4, 1)
    with Orchestrator(tmp_path / "orchestrator.db", must_exist=True) as orchestrator:
        outputs = {child.id: child.output for child in orchestrator.get("checks").children()}
    assert outputs["system"]["stdout"] == f"{os.uname().sysname}\n"
    assert outputs["missing"] is None


def test_the_demo_holds_its_claims(tmp_path: Path) -> None:
    done = run(["env", f"TMPDIR={tmp_path}", *example("demo.py")], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT " not in done.stdout
    assert done.stdout.count("  ok  ") == 6
    assert list(tmp_path.iterdir()) == []
