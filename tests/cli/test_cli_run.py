"""`run`: plan files, options that override them, functions by name."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from orchestrator import Child, Parallel, Retry, Threshold, UsageError
from orchestrator.cli.arguments import parser_for
from orchestrator.cli.rules import with_options
from tests.cli.driver import CommandLine

PLAN = """
id: nightly
type: parallel
strategy: threshold
threshold: 50%
max_workers: 3
on_decided: continue
defaults: {retries: 1, timeout: 30s}
tasks:
  - id: one
    run: echo one
  - id: two
    run: "false"
"""
USE = """
id: u
type: parallel
tasks:
  - id: wait
    run: "[ -e go ] || exec sleep 60"
  - id: upper
    use: ourtasks:upper
    with: {path: a b}
"""
TASKS = """
from pathlib import Path
from orchestrator import current_child, task

@task
def upper(path: str) -> str:
    if path == "wait":
        current_child().cancelled.wait()
    return path.upper()
"""


@pytest.fixture
def plan(cli: CommandLine) -> Path:
    path = cli.folder / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_a_plan_is_run_under_its_id(cli: CommandLine, plan: Path) -> None:
    done = cli.run("run", "plan.yaml")
    assert (done.status, done.text) == (0, "one\n")
    assert done.errors.startswith("run nightly: succeeded - 1 of 2 succeeded, 1 failed, ")
    assert done.errors.splitlines()[1] == "  failed: two (false): exit status 1"
    assert [child["attempts"] for child in cli.ask("children", "nightly", "--json").objects] == [1, 2]


def test_options_override_the_plan(cli: CommandLine, plan: Path) -> None:
    done = cli.run("run", "plan.yaml", "--id", "other", "--strategy", "all", "--retries", "3", "-j1", "--json")
    assert (done.status, done.json["id"], done.json["strategy"]["kind"]) == (1, "other", "all")
    assert cli.ask("children", "other", "--json").objects[1]["attempts"] == 4
    assert cli.ask("events", "other", "--json").objects[0]["data"]["max_workers"] == 1


def test_a_dry_run_shows_ids_and_commands(cli: CommandLine, plan: Path) -> None:
    assert cli.ask("run", "plan.yaml", "--dry-run").lines == ["one\techo one", "two\tfalse"]
    objects = cli.ask("run", "plan.yaml", "--dry-run", "--json").objects
    assert objects[0] == {"id": "one", "index": 0, "command": "echo one", "task": None}
    refused = cli.ask("run", "plan.yaml", "--dry-run", "--threshold", "3")
    assert (refused.status, refused.text) == (2, "")
    assert list(cli.folder.iterdir()) == [plan]


def test_a_refused_plan_is_named_with_its_line(cli: CommandLine, plan: Path) -> None:
    plan.write_text(PLAN.replace("max_workers: 3", "max_workers: 0"))
    done = cli.run("run", "plan.yaml")
    assert (done.status, done.text, done.errors.count("\n")) == (2, "", 1)
    assert done.errors.startswith("orchestrator: error: plan.yaml:6: max_workers: ")
    assert not cli.store.exists()


def test_functions_by_name_and_how_to_go_on_with_them(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(USE)
    (cli.folder / "ourtasks.py").write_text(TASKS)
    going = cli.begin("run", "plan.yaml", "-j1")
    cli.wait_for("u", "ChildStarted")
    going.signal(signal.SIGINT)
    done = going.end()
    assert done.status == 130
    assert done.errors.endswith("go on with: orchestrator resume u --import ourtasks\n")
    unknown = cli.run("resume", "u")
    assert (unknown.status, unknown.errors.count("\n")) == (2, 1)
    line = unknown.errors.strip().partition("go on with: ")[2]
    assert line == "orchestrator resume u --import ourtasks"
    (cli.folder / "go").touch()
    resumed = cli.again(line)
    assert resumed.status == 0
    children = cli.ask("children", "u", "--json").objects
    assert children[1]["output"] == "A B"
    assert [child["attempts"] for child in children] == [2, 1]


def test_a_function_that_ends_when_it_is_asked_to_may_still_end_the_run(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(USE.replace("a b", "wait"))
    (cli.folder / "ourtasks.py").write_text(TASKS)
    (cli.folder / "go").touch()
    going = cli.begin("run", "plan.yaml", "-j1")
    cli.wait_for("u", "ChildStarted", 2)
    going.signal(signal.SIGINT)
    done = going.end()
    assert cli.status("u")["status"] == "succeeded"
    assert done.status == 0, done.errors
    assert "run u: succeeded - 2 of 2 succeeded" in done.errors


def test_resume_ends_with_the_outcome_of_the_run(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(USE.replace("ourtasks:upper", "ourtasks:bad"))
    (cli.folder / "go").touch()
    (cli.folder / "ourtasks.py").write_text(
        TASKS + "@task\ndef bad(path: str) -> None:\n    raise ValueError('no good')\n"
    )
    done = cli.run("run", "plan.yaml")
    assert (done.status, done.text) == (1, "")
    assert '  failed: upper (ourtasks:bad {"path": "a b"}): ValueError: no good' in done.errors
    assert cli.run("resume", "u", "--quiet").status == 1


def test_an_import_that_fails_is_one_line(cli: CommandLine) -> None:
    (cli.folder / "broken.py").write_text("1 / 0")
    done = cli.ask("resume", "--import", "broken")
    assert (done.status, done.errors) == (
        2,
        "orchestrator: error: --import broken: ZeroDivisionError: division by zero\n",
    )


def test_an_import_that_fails_is_refused_though_the_plan_names_no_function(cli: CommandLine, plan: Path) -> None:
    done = cli.ask("run", "plan.yaml", "--import", "nomod")
    assert (done.status, done.text) == (2, "")
    assert done.errors == "orchestrator: error: --import nomod: ModuleNotFoundError: No module named 'nomod'\n"
    assert not cli.store.exists()


def test_a_module_that_is_imported_and_named_by_the_plan_is_one_module(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(USE)
    (cli.folder / "ourtasks.py").write_text(TASKS)
    (cli.folder / "more.py").write_text("")
    going = cli.begin("run", "plan.yaml", "-j1", "--import", "ourtasks", "--import", "more")
    cli.wait_for("u", "ChildStarted")
    going.signal(signal.SIGINT)
    assert going.end().errors.endswith("go on with: orchestrator resume u --import ourtasks --import more\n")
    (cli.folder / "go").touch()
    assert cli.run("run", "plan.yaml", "-j1", "--import", "ourtasks").status == 0


def asked(*words: str, parallel: Parallel | None = None) -> Parallel:
    options = parser_for("map").parse_args([*words, "true"])
    return with_options(parallel or Parallel(children=[Child(command="true")]), options)


def test_what_options_mean() -> None:
    assert asked() == Parallel(children=[Child(command="true")])
    assert asked("--strategy", "any").strategy == "any"
    assert asked("--threshold", "3").strategy == Threshold(count=3)
    assert asked("--strategy", "threshold", "--threshold", "12.5%").strategy == Threshold(percent=12.5)
    assert asked("--threshold", "3", "--max-failures", "5%").strategy == Threshold(count=3, max_failures="5%")
    assert asked("--threshold", "80%", "--max-failures", "2").strategy == Threshold(percent=80, max_failures=2)
    assert asked("--retries", "0").retry == Retry(max_attempts=1)
    assert asked("--timeout", "1m30s", "--deadline", "2").child_timeout == 90
    assert asked("--timeout", "1m30s", "--deadline", "2").timeout == 2
    assert asked("-j3", "--on-decided", "drain").max_workers == 3


def test_options_go_before_what_a_plan_says() -> None:
    child = Child(command="true", timeout=5, retry=Retry(max_attempts=9))
    plan = Parallel(children=[child], strategy=Threshold(percent=80, max_failures="5%", min_finished=10), retry=Retry())
    assert asked(parallel=plan) == plan
    assert asked("--threshold", "2", parallel=plan).strategy == Threshold(count=2, max_failures="5%", min_finished=10)
    assert asked("--max-failures", "1", parallel=plan).strategy == Threshold(percent=80, max_failures=1)
    assert asked("--strategy", "threshold", parallel=plan) == plan
    assert asked("--strategy", "all", parallel=plan).strategy == "all"
    changed = asked("--retries", "1", "--timeout", "7", parallel=plan)
    assert (changed.retry, changed.child_timeout) == (Retry(max_attempts=2), 7)
    assert [(child.retry, child.timeout) for child in changed.listed] == [(None, None)]
    with pytest.raises(UsageError, match="needs --threshold"):
        asked("--max-failures", "1", parallel=Parallel(strategy="any"))


def test_the_schema_is_json(cli: CommandLine) -> None:
    assert json.loads(cli.ask("schema").output)["title"]


def test_without_pyyaml_the_extra_is_named(cli: CommandLine, plan: Path) -> None:
    done = cli.python("sys.modules['yaml'] = None", "run", "plan.yaml")
    assert (done.status, done.errors.count("\n")) == (2, 1)
    assert "parallel-orchestrator[cli]" in done.errors
