"""Plans with parents inside: what is printed and said of them, and how they are gone on with."""

from __future__ import annotations

import signal

import pytest

from orchestrator import Child, Parallel, Retry
from orchestrator.cli.arguments import parser_for
from orchestrator.cli.rules import cores, widest, with_options
from tests.cli.driver import CommandLine
from tests.support.waiting import until

PLAN = """
id: deploy
strategy: wait_all
max_workers: 1
tasks:
  - id: build
    run: echo built
  - id: fetch
    type: parallel
    strategy: race
    max_workers: 1
    tasks:
      - {id: mirror-a, run: "echo a; exit 3"}
      - {id: mirror-b, run: "echo b"}
  - id: hosts
    type: collection
    items: [web1, web2]
    item_var: host
    max_workers: 1
    on_decided: continue
    task: {id: "on-{host}", run: "echo to {host}; [ {host} = web2 ] || [ -e mended ]"}
"""
HANGING = """
id: r
max_workers: 1
tasks:
  - {id: first, run: echo first >> ran}
  - id: middle
    type: parallel
    max_workers: 1
    tasks:
      - {id: a, run: echo a >> ran}
      - id: deep
        type: parallel
        max_workers: 1
        tasks:
          - {id: x, run: echo x >> ran}
          - {id: y, run: "echo y >> ran; until [ -e go ]; do sleep 0.02; done"}
          - {id: z, run: echo z >> ran}
      - {id: b, run: echo b >> ran}
  - {id: last, run: echo last >> ran}
"""
ORDER = ["first", "a", "x", "y", "z", "b", "last"]


def ran(cli: CommandLine) -> list[str]:
    path = cli.folder / "ran"
    return path.read_text().split() if path.exists() else []


def started(cli: CommandLine, text: str = HANGING) -> None:
    """Start a run, kill the process in its midst, with SIGKILL, and leave the run with nobody."""
    (cli.folder / "plan.yaml").write_text(text)
    going = cli.begin("run", "plan.yaml")
    until(lambda: ran(cli) == ORDER[:4], what="a child of a parent in a parent")
    going.signal(signal.SIGKILL)
    assert going.end().status == -signal.SIGKILL


def test_what_is_inside_is_printed_in_order_told_of_and_redriven(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(PLAN)
    done = cli.run("run", "plan.yaml")
    assert (done.status, done.lines) == (1, ["built", "a", "b", "to web1", "to web2"])
    first, failed, see = done.errors.splitlines()
    assert first.startswith("run deploy: failed - 2 of 3 succeeded, 1 failed, ")
    assert failed == (
        "  failed: hosts (all of 2: on-web1, on-web2): "
        "run 'deploy/hosts' failed: 1 of 2 ended without success, 2 successes required"
    )
    assert see == "    see: orchestrator children deploy/hosts"
    rows = [line.split(maxsplit=2)[:2] for line in cli.ask(*see.split()[2:]).lines]
    assert rows == [["ID", "STATUS"], ["on-web1", "failed"], ["on-web2", "succeeded"]]
    questions_know_the_parents_inside(cli)
    (cli.folder / "mended").touch()
    again = cli.run("redrive", "deploy")
    assert (again.status, again.lines) == (0, ["to web1"]), "what failed inside runs again, and nothing else"
    assert again.errors.startswith("run deploy: succeeded - 3 of 3 succeeded, ")
    assert cli.status("deploy/hosts")["status"] == "succeeded"


def questions_know_the_parents_inside(cli: CommandLine) -> None:
    children = cli.ask("children", "deploy").text
    assert "any of 2: mirror-a, mirror-b  run deploy/fetch: 1 of 2 succeeded\n" in children
    assert [line.split()[:2] for line in cli.ask("list").lines[1:]] == [
        ["deploy", "failed"],
        ["deploy/fetch", "succeeded"],
        ["deploy/hosts", "failed"],
    ]
    assert cli.status("deploy/fetch")["strategy"] == {"kind": "any", "required": 1}
    assert cli.ask("children", "deploy", "--json").objects[1]["output"]["id"] == "deploy/fetch"
    assert cli.ask("events", "deploy/fetch").lines[0].split()[4] == "ParentCreated"
    assert cli.ask("audit", "verify").status == 0


def test_a_dry_run_shows_the_tree(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(HANGING)
    assert cli.ask("run", "plan.yaml", "--dry-run").lines == [
        "first\techo first >> ran",
        "middle\tall of 3: a, deep, b",
        "  a\techo a >> ran",
        "  deep\tall of 3: x, y, z",
        "    x\techo x >> ran",
        "    y\techo y >> ran; until [ -e go ]; do sleep 0.02; done",
        "    z\techo z >> ran",
        "  b\techo b >> ran",
        "last\techo last >> ran",
    ]
    middle = cli.ask("run", "plan.yaml", "--dry-run", "--json").objects[1]
    assert middle["strategy"] == {"kind": "all", "required": 3}
    assert [child["id"] for child in middle["children"]] == ["a", "deep", "b"]
    assert middle["children"][1]["children"][0] == {
        "id": "x",
        "index": 0,
        "command": "echo x >> ran",
        "task": None,
    }
    assert not cli.store.exists()


@pytest.mark.parametrize("words", [["resume"], ["run", "plan.yaml"]], ids=" ".join)
def test_a_run_that_was_killed_is_gone_on_with_in_its_order(cli: CommandLine, words: list[str]) -> None:
    started(cli)
    (cli.folder / "go").touch()
    done = cli.run(*words)
    assert (done.status, done.errors.count("\n")) == (0, 1)
    assert done.errors.startswith("run r: succeeded - 3 of 3 succeeded, ")
    assert ran(cli) == [*ORDER[:4], *ORDER[3:]]
    for run_id in ("r", "r/middle", "r/middle/deep"):
        view = cli.status(run_id)
        assert (view["status"], view["settled"], view["counts"]["succeeded"]) == ("succeeded", True, 3)
    attempts = {child["id"]: child["attempts"] for child in cli.ask("children", "r/middle/deep", "--json").objects}
    assert attempts == {"x": 1, "y": 2, "z": 1}


def test_a_parent_inside_has_its_workers_after_a_crash_too(cli: CommandLine) -> None:
    many = cores() + 3
    (cli.folder / "plan.yaml").write_text(
        'id: r\nmax_workers: 1\ntasks:\n- {id: first, run: "echo first >> ran; [ -e go ] || exec sleep 60"}\n'
        f"- id: wide\n  type: collection\n  max_workers: {many}\n  items: {{range: {many}}}\n"
        "  task:\n    timeout: 30s\n"
        f'    run: "touch met.{{}}; until [ $(ls met.* | wc -l) = {many} ]; do sleep 0.05; done"\n'
    )
    going = cli.begin("run", "plan.yaml")
    until(lambda: ran(cli) == ["first"], what="the first child")
    going.signal(signal.SIGKILL)
    going.end()
    (cli.folder / "go").touch()
    assert cli.run("resume", "r").status == 0, "all of those inside have met"


def test_cancelling_a_run_that_nobody_works_on_goes_down(cli: CommandLine) -> None:
    started(cli)
    assert cli.run("cancel", "r").text.startswith("run r: cancelled - 1 of 3 succeeded, 1 cancelled, 1 skipped")
    assert [line.split()[1] for line in cli.ask("list").lines[1:]] == ["cancelled"] * 3


def test_a_run_at_work_is_cancelled_with_all_that_is_in_it(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(HANGING)
    going = cli.begin("run", "plan.yaml", "--quiet")
    until(lambda: "y" in ran(cli), what="the deepest child that hangs")
    assert cli.run("cancel", "r").status == 0
    assert going.end().status == 1
    assert [line.split()[1] for line in cli.ask("list").lines[1:]] == ["cancelled"] * 3


def test_a_pause_holds_up_what_is_next_and_each_parent_has_its_own(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(HANGING)
    going = cli.begin("run", "plan.yaml", "--quiet")
    until(lambda: "y" in ran(cli), what="the deepest child that hangs")
    assert cli.ask("pause", "r").text == "paused r; 1 running child goes on to its end\n"
    assert cli.ask("pause", "r/middle/deep").status == 0
    (cli.folder / "go").touch()
    cli.wait_for("r/middle/deep", "ChildFinished", 2)
    assert ran(cli) == ORDER[:4], "what is next waits where it was paused"
    assert cli.ask("resume", "r/middle/deep").status == 0
    cli.wait_for("r", "ChildFinished", 2)
    assert ran(cli)[4:] == ["z", "b"], "a parent inside goes on where the outer one is paused"
    assert cli.ask("resume", "r").status == 0
    assert going.end().status == 0
    assert ran(cli) == ORDER


def test_functions_inside_are_imported_and_asked_for_on_going_on(cli: CommandLine) -> None:
    tasks = "from orchestrator import task\n\n\n@task\ndef upper(text: str) -> str:\n    return text.upper()\n"
    (cli.folder / "deeptasks.py").write_text(tasks)
    (cli.folder / "plan.yaml").write_text(
        HANGING.replace("run: echo z >> ran}", 'use: "deeptasks:upper", with: {text: z}}')
    )
    going = cli.begin("run", "plan.yaml")
    until(lambda: "y" in ran(cli), what="the child that hangs")
    going.signal(signal.SIGINT)
    done = going.end()
    assert done.errors.endswith("go on with: orchestrator resume r --import deeptasks\n")
    (cli.folder / "go").touch()
    unknown = cli.run("resume", "r")
    assert (unknown.status, unknown.errors.count("\n")) == (2, 1)
    assert "needs functions that are not known here (deeptasks:upper)" in unknown.errors
    line = unknown.errors.strip().partition("go on with: ")[2]
    assert line == "orchestrator resume r --import deeptasks"
    assert cli.again(line).status == 0
    assert cli.ask("children", "r/middle/deep", "--json").objects[2]["output"] == "Z"


def test_a_function_inside_that_is_none_is_refused_with_its_place(cli: CommandLine) -> None:
    (cli.folder / "plan.yaml").write_text(
        "tasks:\n- id: n\n  type: parallel\n  tasks:\n  - {id: a, use: 'nosuch.module:f'}\n"
    )
    done = cli.ask("run", "plan.yaml", "--dry-run")
    assert (done.status, done.text, done.errors.count("\n")) == (2, "", 1)
    assert "plan.yaml:5: tasks[0].tasks[0].use: there is no module nosuch" in done.errors


def test_options_for_attempts_go_down(cli: CommandLine) -> None:
    leaf = Child(id="a", command="true", timeout=5, retry=Retry(max_attempts=9))
    inner = Child(id="n", parallel=Parallel(children=[leaf], max_workers=7), retry=Retry(max_attempts=4))
    options = parser_for("map").parse_args(["--retries", "1", "--timeout", "7", "-j3", "true"])
    changed = with_options(Parallel(children=[inner], max_workers=2), options)
    nested = changed.listed[0].parallel
    assert nested is not None
    assert (changed.max_workers, nested.max_workers, changed.listed[0].retry) == (3, 7, Retry(max_attempts=4))
    assert (nested.retry, nested.child_timeout) == (Retry(max_attempts=2), 7)
    assert (nested.listed[0].retry, nested.listed[0].timeout) == (None, None)


def test_the_widest_parent_says_how_many_workers_there_are() -> None:
    narrow = Parallel(children=[Child(command="true")], max_workers=1)
    wide = Parallel(children=[Child(command="true")], max_workers=40)
    assert widest(narrow) == 1
    assert widest(Parallel(children=[Child(parallel=narrow), Child(parallel=wide)], max_workers=1)) == 40
