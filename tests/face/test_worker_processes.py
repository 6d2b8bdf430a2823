"""Runs whose children run in worker processes, or in an executor of the user's own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from orchestrator import Child, Orchestrator, Parallel, Retry, TaskRegistry, UsageError, current_child, task
from orchestrator.tasks import Task, TaskSettings
from tests.support import violent
from tests.support.desk import children, gone, pid_in


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    before = children()
    yield tmp_path / "runs.db"
    assert children() <= before, "a process is left"


def test_children_run_in_processes_beside_others(store: Path) -> None:
    before = children()
    with Orchestrator(store, max_workers=3) as orchestrator:
        assert children() == before
        here = tasks_here()
        mixed = [violent.double.child(x=1), here.child(x=2), violent.later.child(x=3), violent.who.child()]
        run = orchestrator.start(Parallel(children=mixed))
        result = run.result(timeout=60)
        assert result.status == "succeeded"
        one, two, three, who = result.outputs.values()
        assert (one, two, three) == (2, 4, 4)
        assert who["ids"] == [run.id, "violent.who-3", 1]
        assert who["pid"] in children() - before


def test_types_go_to_workers_and_come_back(store: Path) -> None:
    with Orchestrator(store) as orchestrator:
        run = orchestrator.start(Parallel(children=[violent.next_day.child(day=date(2026, 2, 28)).with_id("a")]))
        assert dict(run.result(timeout=60).outputs) == {"a": date(2026, 3, 1)}


def tasks_here() -> Task[..., Any]:
    found: Task[..., Any] = task(name="face.worker_processes.here")(_twice)
    return found


def _twice(x: int) -> int:
    return 2 * x


def test_a_child_whose_worker_dies_runs_again_and_three_deaths_fail_it(store: Path, tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    with Orchestrator(store, max_workers=2) as orchestrator:
        poison = violent.segfault.child().with_id("poison")
        unruly = violent.unruly.child(path=str(steps)).with_id("unruly")
        fine = [violent.double.child(x=number) for number in range(4)]
        run = orchestrator.start(Parallel(children=[poison, unruly, *fine], on_decided="continue"))
        result = run.settle(timeout=60)
        assert (result.counts.succeeded, result.counts.failed) == (5, 1)
        assert result.outputs["unruly"] == 3
        assert steps.read_text() == "xxx"
        assert result.errors["poison"] == {
            "type": "AttemptLost",
            "message": "its worker died 3 times: worker process died: SIGSEGV",
        }
        lost = [event.data for event in run.history() if event.type == "AttemptLost"]
        assert len(lost) == 5
        assert {each["signal"] for each in lost} == {"SIGSEGV"}
        assert {child.id: child.attempts for child in run.children()}["poison"] == 3


def test_times_retries_and_cancelling_reach_processes(store: Path, tmp_path: Path) -> None:
    never = str(tmp_path / "never")
    with Orchestrator(store, max_workers=2) as orchestrator:
        slow = violent.stop.child().model_copy(update={"timeout": 0.2, "retry": Retry(max_attempts=2)})
        deaf = violent.wait_for.child(path=never, begun=str(tmp_path / "deaf"), listen=False)
        run = orchestrator.start(
            Parallel(children=[slow.with_id("slow"), deaf.with_id("deaf").model_copy(update={"grace": 0.1})])
        )
        result = run.settle(timeout=60)
        assert result.status == "failed"
        assert {child.id: (child.status, child.attempts) for child in run.children()} == {
            "slow": ("timed_out", 2),
            "deaf": ("cancelled", 1),
        }
        assert gone(pid_in(tmp_path / "deaf"))


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda: 1, "it is a lambda"),
        (FunctionType(tasks_here.__code__, {"__name__": "nowhere"}), "its module 'nowhere' is not loaded"),
    ],
)
def test_what_a_worker_could_not_find_is_refused_before_anything_is_written(
    store: Path, function: Any, complaint: str
) -> None:
    registry = TaskRegistry()
    registry.add(Task(function, "odd", TaskSettings(executor="processes")))
    with Orchestrator(store, tasks=registry) as orchestrator:
        with pytest.raises(UsageError, match=f"task 'odd' cannot run in another process: {complaint}"):
            orchestrator.start(Parallel(children=[registry.find("odd").child()]))
        assert orchestrator.list() == []


def test_a_function_within_a_function_and_one_that_was_replaced_are_refused(store: Path) -> None:
    def within() -> None:
        """Stand where nobody finds it."""

    registry = TaskRegistry()
    registry.add(Task(within, "within", TaskSettings(executor="processes")))
    replaced: Task[..., Any] = Task(_twice, "replaced", TaskSettings(executor="processes"))
    replaced.__qualname__ = "tasks_here"
    registry.add(replaced)
    with Orchestrator(store, tasks=registry) as orchestrator:
        for name, complaint in (("within", "is defined inside a function"), ("replaced", "is something else now")):
            with pytest.raises(UsageError, match=complaint):
                orchestrator.start(Parallel(children=[Child(task=name)]))


# Executors of the user's own


def test_children_run_in_an_executor_of_the_users_which_stays_open(store: Path) -> None:
    def shout(word: str) -> str:
        current_child().heartbeat(1.0)
        return word.upper()

    registry = TaskRegistry()
    loud: Task[..., Any] = Task(shout, "shout", TaskSettings(executor="gpu"))
    registry.add(loud)
    with ThreadPoolExecutor(2) as pool:
        with Orchestrator(store, tasks=registry, executors={"gpu": pool}) as orchestrator:
            run = orchestrator.start(Parallel(children=[loud.child(word=word) for word in "abc"]))
            assert list(run.result(timeout=60).outputs.values()) == ["A", "B", "C"]
        assert pool.submit(int).result(5) == 0
    with Orchestrator(store, tasks=registry) as orchestrator, pytest.raises(UsageError, match="executor 'gpu'"):
        orchestrator.start(Parallel(children=[loud.child(word="d")]))


def test_types_go_to_an_executor_of_the_users_and_come_back(store: Path) -> None:
    def shift(day: date) -> date:
        return day.replace(year=2027)

    registry = TaskRegistry()
    typed: Task[..., Any] = Task(shift, "shift", TaskSettings(executor="gpu"))
    registry.add(typed)
    with ThreadPoolExecutor(1) as pool, Orchestrator(store, tasks=registry, executors={"gpu": pool}) as orchestrator:
        run = orchestrator.start(Parallel(children=[typed.child(day=date(2026, 2, 28)).with_id("a")]))
        assert dict(run.result(timeout=60).outputs) == {"a": date(2027, 2, 28)}


@pytest.mark.parametrize(
    ("executors", "complaint"),
    [
        ({"threads": ThreadPoolExecutor}, "cannot be named 'threads'"),
        ({"processes": None}, "cannot be named 'processes'"),
        ({"commands": None}, "cannot be named 'commands'"),
        ({"async": None}, "cannot be named 'async'"),
        ({"gpu": None}, "executor 'gpu' is a concurrent.futures.Executor, not None"),
        ({"": None}, "an executor cannot be named ''"),
        ({"a\nb": None}, "an executor cannot be named"),
        ({5: None}, "the name of an executor is a text, not 5"),
        ([1], "executors are a mapping"),
    ],
)
def test_what_is_no_executor_is_refused_before_there_is_a_store(store: Path, executors: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Orchestrator(store, executors=executors)
    assert not store.exists()


# The program itself

PROGRAM = """
    import os, sys
    from orchestrator import Child, Orchestrator, Parallel, task

    BASE = 10

    @task(executor="processes")
    def add(x: int) -> list:
        return [BASE + x, __name__, os.getpid() == {owner}]

    def main() -> None:
        with Orchestrator("memory:", max_workers=2) as orchestrator:
            result = orchestrator.start(Parallel(children=[add.child(x=n) for n in range(3)])).settle(timeout=60)
            print(result.status, *result.outputs.values(), *[e["message"] for e in result.errors.values()])

    print("loaded", file=sys.stderr)
"""
GUARDED = PROGRAM + "    if __name__ == '__main__':\n        main()\n"


def run_program(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    text = textwrap.dedent(text.replace("{owner}", "0"))
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    for name in ("program.py", "package/program.py", "package/__main__.py"):
        (folder / name).write_text(text)
    command = [sys.executable, *(arguments or ("program.py",))]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("arguments", [("program.py",), ("-m", "package.program"), ("-m", "program")])
def test_tasks_of_the_program_itself_are_found_by_loading_it_again(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run_program(tmp_path, GUARDED, *arguments)
    assert done.returncode == 0, done.stderr
    found = ["[10, '__mp_main__', False]", "[11, '__mp_main__', False]", "[12, '__mp_main__', False]"]
    assert done.stdout == f"succeeded {' '.join(found)}\n"
    assert done.stderr.replace("loaded", "").split() == [], "two processes may say it at once"


def test_a_program_that_starts_runs_when_it_is_loaded_starts_none_in_its_workers(tmp_path: Path) -> None:
    done = run_program(tmp_path, PROGRAM + "    main()\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("failed "), done.stdout
    assert "put that place under `if __name__ == '__main__':`" in done.stdout
    assert done.stdout.count("failed") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-m", "package"), "it is defined in package.__main__, which cannot be loaded without running it"),
        (("-c", textwrap.dedent(GUARDED)), "it was typed in or read from nowhere"),
    ],
)
def test_a_program_that_cannot_be_loaded_again_is_told_so(
    tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    done = run_program(tmp_path, GUARDED, *(each.replace("{owner}", "0") for each in arguments))
    assert done.returncode == 1
    assert f"task 'add' cannot run in another process: {complaint}" in done.stderr.splitlines()[-1]


PLAN = """
    type: parallel
    tasks:
      - {id: a, use: "near:area", with: {width: 2, height: 3}}
      - {id: b, use: "package.near:area", with: {width: 3, height: 4}}
"""
NEAR = """
    from orchestrator import task

    @task(name=f"{__name__}.area", executor="processes")
    def area(width: int, height: int) -> int:
        return width * height
"""


def test_tasks_that_the_command_line_found_in_its_folder_are_found_there_by_workers(tmp_path: Path) -> None:
    """It looks there only while it imports what the plan names."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    for name in ("near.py", "package/near.py"):
        (tmp_path / name).write_text(textwrap.dedent(NEAR))
    (tmp_path / "plan.yaml").write_text(textwrap.dedent(PLAN))
    command = [sys.executable, "-c", "from orchestrator.__main__ import main; main()", "run", "plan.yaml", "--id", "r"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    with Orchestrator(tmp_path / "orchestrator.db") as orchestrator:
        assert [child.output for child in orchestrator.get("r").children()] == [6, 12]
