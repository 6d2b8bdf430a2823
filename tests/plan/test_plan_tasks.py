"""Functions that a plan names: imported on request, and only when they are marked @task."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from events.errors import InvalidPlanError, UnknownTaskError, UsageError
from orchestrator.definition import SHELL_TASK
from orchestrator.plan import load_plan
from orchestrator.plan_tasks import import_tasks
from orchestrator.tasks import Task, TaskRegistry

NUMBERS = itertools.count()

HEAD = "from orchestrator.tasks import task\n"

Module = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Return what writes a module into the current folder and returns its name, which no other test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def written(source: str) -> str:
        name = f"plan_module_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(HEAD + source.replace("NAME", name))
        return name

    return written


def plan_file(*uses: str) -> str:
    Path("plan.yaml").write_text("tasks:\n" + "".join(f"- id: t{n}\n  use: {use}\n" for n, use in enumerate(uses)))
    return "plan.yaml"


def refusal(*uses: str) -> str:
    with pytest.raises(InvalidPlanError) as caught:
        import_tasks(load_plan(plan_file(*uses)), TaskRegistry())
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_functions_become_known_under_the_names_of_the_plan(module: Module) -> None:
    name = module("@task\ndef NAME_double(x=1): return 2 * x\n@task(name='NAME other')\ndef other(): return 7\n")
    registry, path = TaskRegistry(), list(sys.path)
    plan = load_plan(plan_file(f"{name}:{name}_double", f"{name}:other", f"{name}:other"))
    assert name not in sys.modules
    import_tasks(plan, registry)
    import_tasks(plan, registry)
    assert registry.find(f"{name}:{name}_double")(x=4) == 8
    assert registry.find(f"{name}:other")() == 7
    assert set(registry) == {f"{name}:{name}_double", f"{name}:other"}
    assert sys.path == path


def test_loading_a_plan_imports_nothing(module: Module) -> None:
    name = module("raise SystemExit('imported')")
    assert load_plan(plan_file(f"{name}:f")).modules == (name,)
    assert name not in sys.modules


def test_a_module_may_lie_in_a_package_of_the_current_folder(module: Module, tmp_path: Path) -> None:
    package = f"plan_package_{next(NUMBERS)}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "work.py").write_text(f"{HEAD}@task(name='{package}')\ndef f(): return 1\n")
    registry = TaskRegistry()
    import_tasks(load_plan(plan_file(f"{package}.work:f")), registry)
    assert registry.find(f"{package}.work:f")() == 1


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def f(): pass", "of type function, without @task"),
        ("class f: pass", "of type type, without @task"),
        ("f = 'text'", "of type str, without @task"),
        ("from os import system as f", "of type builtin_function_or_method, without @task"),
        ("", "nothing of this name"),
    ],
)
def test_only_functions_marked_task_can_be_named(module: Module, source: str, kind: str) -> None:
    name = module(source)
    assert refusal(f"{name}:f") == (
        f"plan.yaml:3: tasks[0].use: {name}:f is {kind}: only functions marked @task can be named"
    )


def test_functions_of_the_standard_library_cannot_be_named(module: Module) -> None:
    assert "os:system is of type builtin_function_or_method, without @task" in refusal("os:system")


@pytest.mark.parametrize(
    "name", ["no_such_module", "no_such_module.inner", "json.no_such_module", "json.decoder.inner"]
)
def test_a_module_that_is_not_there_is_named(module: Module, name: str) -> None:
    message = refusal(f"{name}:f")
    assert message.startswith("plan.yaml:3: tasks[0].use: there is no module ")
    assert "neither in the current folder nor among the installed ones" in message


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_inside", "ModuleNotFoundError: No module named 'no_such_module_inside'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit", "SystemExit: no reason given"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("def f(:", "SyntaxError: "),
        ("@task\ndef f(x, /): pass", "UsageError: task 'f' takes arguments without a name"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(module: Module, source: str, reason: str) -> None:
    name, path = module(source), list(sys.path)
    assert refusal(f"{name}:f").startswith(f"plan.yaml:3: tasks[0].use: importing {name} failed: {reason}")
    assert sys.path == path


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("{}", "needs 'path' (it takes 'mode', 'path')"),
        ("{path: x, size: 3}", "has no argument 'size' (it takes 'mode', 'path')"),
        ("{pth: x}", "has no argument 'pth' and needs 'path' (it takes 'mode', 'path')"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(module: Module, given: str, reason: str) -> None:
    name = module("@task(name='NAME')\ndef f(path, mode='r'): pass")
    Path("plan.yaml").write_text(f"tasks:\n- id: a\n  use: {name}:f\n  with: {given}\n")
    registry = TaskRegistry()
    with pytest.raises(InvalidPlanError) as caught:
        import_tasks(load_plan("plan.yaml"), registry)
    assert str(caught.value) == f"plan.yaml:3: tasks[0].with: does not fit {name}:f, which {reason}"
    assert list(registry) == []


def test_the_current_folder_may_be_gone(module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan(plan_file("no_such_module:f"))
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(InvalidPlanError, match="there is no module no_such_module"):
        import_tasks(plan, TaskRegistry())


def test_a_registry_knows_a_task_under_a_further_name() -> None:
    def double(x: int) -> int:
        return 2 * x

    def triple(x: int) -> int:
        return 3 * x

    registry, made = TaskRegistry(), Task(double, "double")
    registry.add(made)
    registry.alias("m:double", made)
    registry.alias("m:double", made)
    assert registry.find("m:double") is registry.find("double") is made
    with pytest.raises(UsageError, match="two tasks are named 'm:double'"):
        registry.alias("m:double", Task(triple, "triple"))
    for name in ("", SHELL_TASK, "a\nb"):
        with pytest.raises(UsageError, match="cannot be named"):
            registry.alias(name, made)
    with pytest.raises(UnknownTaskError):
        registry.find("m:triple")
