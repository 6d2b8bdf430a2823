"""The rules of the house, read from the source itself: which way imports run, how long things are, what is not done."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
SRC: Final = ROOT / "src"
FILES: Final = sorted(SRC.rglob("*.py"))
NAMES: Final = [str(path.relative_to(SRC)) for path in FILES]
CORE: Final = [path for path in FILES if path.parent in (SRC / "events", SRC / "events" / "invariants")]

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 45

MAY_IMPORT: Final = {
    "events": {"events"},
    "actors": {"events", "actors"},
    "orchestrator": {"events", "actors", "orchestrator"},
}

IMPURE: Final = frozenset(
    {
        *("asyncio", "concurrent", "ctypes", "fcntl", "getpass", "glob", "http", "importlib", "io", "logging", "mmap"),
        *("multiprocessing", "os", "pathlib", "pickle", "platform", "queue", "random", "sched", "secrets", "select"),
        *("selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading"),
        *("time", "urllib", "uuid", "warnings", "weakref"),
    }
)
"""Modules of the standard library that look at the world, change it, or tell the time."""

BROAD_HANDLERS: Final = {
    "actors/executors/failures.py": 1,  # the text of what user code raised is code of its own
    "actors/executors/telling.py": 1,  # the same for functions that run in another process, or in a user's executor
    "actors/executors/futures.py": 1,  # a user's executor may raise anything when it is given work
    "actors/executors/threads.py": 1,  # the one place where user code's endings become data
    "actors/executors/coroutines.py": 1,  # the same for what has to be awaited
    "actors/runtime.py": 1,  # a crash of an actor becomes news for its supervisor
    "actors/hearing.py": 1,  # what a listener raises is its own affair
    "actors/journal.py": 1,  # facts that cannot be written are their own parent's trouble, not that of all
    "actors/loader.py": 1,  # so is a history that cannot be read
    "actors/executors/commands.py": 1,  # a report that fails must not keep the others back
    "events/projections/branch.py": 1,  # a projection may be the user's own code
    "orchestrator/cli/importing.py": 1,  # a user's module may raise anything when it is imported
    "orchestrator/plan_tasks.py": 1,  # the same
    "orchestrator/pulling.py": 1,  # a source of children is user code: what it raises becomes data here
}

FORBIDDEN: Final = {
    "ActorRegistry": r"\bActorRegistry\b",
    "a proxy": r"\.proxy\(",
    "eval or exec": r"(?<![\w.])(?:eval|exec)\(",
    "pickle": r"\bimport (?:pickle|cPickle|dill|marshal|shelve)\b|\bpickle\.",
    "shell=True": r"\bshell\s*=\s*True\b",
    "yaml.load": r"\byaml\.(?:unsafe_|full_)?load\(|\b(?:Unsafe|Full)Loader\b",
    "os.environ": r"\bos\.(?:environ|getenv|putenv|environb)\b",
    "an import by name": r"\b(?:__import__|import_module|resolve_topic|get_topic)\(",
    "os.system": r"\bos\.(?:system|popen)\(",
    "a type that is ignored": r"#\s*type:\s*ignore",
}

ALLOWED: Final = {
    ("events/log/library.py", "os.environ"): 2,  # hides one variable from a library while it is imported
    ("actors/executors/commands.py", "os.environ"): 1,  # commands run in the user's own environment
    ("actors/executors/processes.py", "os.environ"): 1,  # so do worker processes
    ("orchestrator/cli/arguments_shared.py", "os.environ"): 1,  # $ORCHESTRATOR_STORE
    ("orchestrator/cli/keys.py", "os.environ"): 2,  # the files of keys
    ("orchestrator/cli/progress.py", "os.environ"): 1,  # $TERM
    ("actors/executors/secret_values.py", "os.environ"): 1,  # a secret that a child's input names
    ("actors/executors/process_tasks.py", "an import by name"): 1,  # the module of a function that its owner registered
    ("orchestrator/__init__.py", "an import by name"): 1,  # the package's own modules, from a table
    ("orchestrator/cli/main.py", "an import by name"): 1,  # one of the command line's own modules, from a table
    ("orchestrator/cli/importing.py", "an import by name"): 1,  # a module that the user names on the command line
    ("orchestrator/plan_tasks.py", "an import by name"): 1,  # `use: module:name`, checked to be a task
    ("orchestrator/entrance.py", "a type that is ignored"): 1,  # the same hook
    ("actors/runtime.py", "a type that is ignored"): 1,  # a hook of pykka that is static there and cannot be here
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports, wherever in the file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def code(path: Path) -> str:
    """Return a file's source without its docstrings and other texts that stand alone."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return "\n".join(lines)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


# Imports


def test_the_packages_are_these_three() -> None:
    assert {name.split("/")[0] for name in NAMES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(SRC).parts[0]
    above = set(MAY_IMPORT) - MAY_IMPORT[package]
    assert [name for name in imported(path) if name.split(".")[0] in above] == []


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_is_pure(path: Path) -> None:
    """Only the standard library, pydantic and the core itself; no clock, no chance, no files, no threads."""
    for name in imported(path):
        top = name.split(".")[0]
        assert top in sys.stdlib_module_names or top in ("pydantic", "events"), name
        assert top not in IMPURE, name
        assert name.split(".")[:2] != ["events", "log"], name
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    assert names.isdisjoint({"open", "print", "input", "breakpoint", "globals", "exit"})
    assert methods.isdisjoint({"now", "utcnow", "today", "fromtimestamp"})


def test_the_checker_shares_no_rule_with_what_it_checks() -> None:
    """Only `history` meets the core, to compare; the recount and its rule take nothing but words from it."""
    words = {
        "events.errors",
        "events.facts",
        "events.text_forms",
        "events.strategy",
        "events.views",
        "events.invariants",
    }
    from_strategy = {"events.strategy.Status", "events.strategy.Strategy"}
    for path in (SRC / "events" / "invariants").glob("*.py"):
        names = {name for name in imported(path) if name.startswith("events.")}
        taken = {name for name in names if name.startswith("events.strategy.")}
        assert taken <= from_strategy, path
        if path.name != "history.py":
            assert {name for name in names if not name.startswith(tuple(words))} == set(), path
    users = {path.relative_to(SRC).as_posix() for path in FILES if any("invariants" in name for name in imported(path))}
    assert {name for name in users if not name.startswith("events/invariants/")} <= {
        "events/log/audit.py",
        "events/log/importing.py",
    }


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.py")), ids=lambda path: path.name)
def test_users_import_only_the_face(path: Path) -> None:
    assert [name for name in imported(path) if name.split(".")[0] in ("events", "actors")] == []


# Sizes and words


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_files_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines < FILE_LINES_MAX, f"{lines} lines"
    long = {
        function.name: length
        for function in functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def undocumented(node: ast.Module | ast.ClassDef, where: str) -> Iterator[str]:
    """Yield everything public in a module or class that has no docstring."""
    if ast.get_docstring(node) is None:
        yield where
    for child in node.body:
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or child.name.startswith("_"):
            continue
        name = f"{where}.{child.name}"
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, name)
        elif ast.get_docstring(child) is None and not _speaks_for_another(child):
            yield name


def _speaks_for_another(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function only repeats one that has a docstring: an overload, an override, a setter."""
    marks = {ast.unparse(decorator).split(".")[-1] for decorator in function.decorator_list}
    return not marks.isdisjoint({"overload", "override", "setter"})


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_everything_public_has_a_docstring(path: Path) -> None:
    if path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip():
        return
    assert list(undocumented(tree(path), path.stem)) == []


# What is not done


def broad(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches everything, or nearly."""
    kinds = [] if handler.type is None else [node for node in ast.walk(handler.type) if isinstance(node, ast.Name)]
    return handler.type is None or any(kind.id in ("Exception", "BaseException") for kind in kinds)


def test_broad_handlers_stand_only_where_the_design_has_them() -> None:
    found = Counter(
        name
        for name, path in zip(NAMES, FILES, strict=True)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and broad(node)
    )
    assert found == BROAD_HANDLERS


def test_endings_of_user_code_become_data_in_one_place() -> None:
    found = [
        name
        for name, path in zip(NAMES, FILES, strict=True)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and node.type is not None and "BaseException" in ast.unparse(node.type)
    ]
    assert [name for name in found if name.startswith("actors/executors/")] == [
        "actors/executors/coroutines.py",  # for what has to be awaited
        "actors/executors/failures.py",  # the text of what it raised is user code too
        "actors/executors/telling.py",  # for worker processes, and executors of the user's own
        "actors/executors/threads.py",
    ]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_is_not_done_is_not_done(what: str) -> None:
    found = {
        (name, what): count
        for name, path in zip(NAMES, FILES, strict=True)
        if (count := len(re.findall(FORBIDDEN[what], code(path))))
    }
    assert found == {place: count for place, count in ALLOWED.items() if place[1] == what}


# Nothing of the machine or of a registry in what we publish

TEXT_SUFFIXES: Final = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".sh", ".cfg", ".ini", ".json", ".html", ""}
REGISTRIES: Final = r"\b(?:pypi|pythonhosted|npmjs|crates|rubygems|anaconda)\.(?:org|io|com)\b"
MACHINE_PATHS: Final = r"(?<![\w.~-])/(?:home|root|Users|work)(?:/|\b)"


def texts() -> Iterator[Path]:
    """Yield every text file of the project, those that tools made aside."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        made = any(part == "__pycache__" or part.endswith(".egg-info") for part in parts)
        hidden = parts[0] in ("build", "dist") or (parts[0].startswith(".") and parts[0] not in (".ci", ".gitignore"))
        if path.is_file() and not made and not hidden and path.suffix in TEXT_SUFFIXES:
            yield path


@pytest.mark.parametrize(("what", "pattern"), [("a registry", REGISTRIES), ("this machine", MACHINE_PATHS)])
def test_no_file_names_a_registry_or_a_path_of_the_machine(what: str, pattern: str) -> None:
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        if path != here
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert found == [], what


# The rules can fail


def test_the_rules_find_what_they_look_for() -> None:
    samples = {
        "ActorRegistry": "ActorRegistry.stop_all()",
        "a proxy": "ref.proxy()",
        "eval or exec": "x = eval('1')",
        "pickle": "import pickle",
        "shell=True": "run(c, shell=True)",
        "yaml.load": "yaml.load(text)",
        "os.environ": "os.environ['A']",
        "an import by name": "importlib.import_module(name)",
        "os.system": "os.system('ls')",
        "a type that is ignored": "x = 1  # type: ignore[misc]",
    }
    assert set(samples) == set(FORBIDDEN)
    assert [what for what, sample in samples.items() if not re.search(FORBIDDEN[what], sample)] == []
    bare = ast.parse("try: pass\nexcept (ValueError, Exception): pass\nexcept: pass\nexcept OSError: pass")
    handlers = [node for node in ast.walk(bare) if isinstance(node, ast.ExceptHandler)]
    assert [broad(handler) for handler in handlers] == [True, True, False]
    sample = ast.parse("class A:\n  'a'\n  def b(self): 'b'\n  def c(self): pass\n  def _d(self): pass\ndef e(): pass")
    assert list(undocumented(sample, "m")) == ["m", "m.A.c", "m.e"]
    assert re.search(MACHINE_PATHS, "see /home/me") is not None
    assert re.search(MACHINE_PATHS, "tests/work/data and ~/home/x") is None
    assert re.search(REGISTRIES, ".".join(("https://pypi", "org"))) is not None
