"""What `import orchestrator` gives."""

from __future__ import annotations

import subprocess
import sys

import pytest

import orchestrator
from events.model import BUILT_WHEN_USED


def test_every_public_name_is_there_and_no_other() -> None:
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name) is not None, name
    assert set(orchestrator.__all__) <= set(dir(orchestrator))
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = orchestrator.nothing


def test_a_star_import_gives_the_public_names() -> None:
    code = "from orchestrator import *; print(Orchestrator.__name__, task.__name__, Threshold.__name__)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "Orchestrator task Threshold\n", done.stderr


def test_the_bare_package_imports_nothing_heavy() -> None:
    code = "import orchestrator, sys; print([m for m in ('pydantic', 'pykka', 'eventsourcing') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "[]\n", done.stderr


LATER = (
    *("eventsourcing", "pykka", "sqlite3", "asyncio", "ssl", "subprocess", "socket", "concurrent.futures"),
    *("multiprocessing", "email", "tempfile", "difflib", "psycopg", "yaml", "rich", "cryptography"),
    *("events.facts", "events.catalogue", "events.log", "actors.system", "orchestrator.engine", "orchestrator.run"),
    *(("importlib.metadata",) if BUILT_WHEN_USED else ()),
)
"""What a program that only defines tasks and runs has no use for. (`importlib.metadata`: with it pydantic looks for
plug-ins when it builds the first model.)"""

DEFINED = """
from orchestrator import Child, Limits, Orchestrator, Parallel, Retry, Threshold, current_child, task

@task
def double(number: int) -> int:
    return 2 * number
"""


def loaded_after(code: str, names: tuple[str, ...]) -> str:
    """Return which modules a fresh interpreter has loaded after some code, as a list in text."""
    told = f"{code}\nimport sys; print([m for m in {names!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", told], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_what_programs_define_loads_nothing_that_works_on_runs() -> None:
    assert loaded_after(DEFINED, LATER) == "[]"


def test_a_run_of_functions_loads_nothing_that_it_does_not_use() -> None:
    ran = (
        f"{DEFINED}\n"
        "with Orchestrator('memory:') as orchestrator:\n"
        "    run = orchestrator.start(Parallel(children=[double.child(number=2)]))\n"
        "    assert run.settle(timeout=60).status == 'succeeded'\n"
    )
    unused = (
        *("asyncio", "ssl", "multiprocessing", "difflib", "psycopg", "yaml", "rich", "cryptography"),
        *("actors.executors.event_loop", "actors.executors.futures", "events.comparison", "events.explanation"),
        *("events.log.archiving", "events.log.redaction", "orchestrator.answers", "orchestrator.entrance"),
        *("orchestrator.feed", "orchestrator.replaying", "orchestrator.retention", "orchestrator.views"),
    )
    assert loaded_after(ran, unused) == "[]"


@pytest.mark.parametrize("words", [["--help"], ["map", "--help"], ["status", "--help"]])
def test_help_is_there_before_any_library_is_loaded(words: list[str]) -> None:
    code = (
        "import sys\nfrom orchestrator.__main__ import main\n"
        f"sys.argv[1:] = {words!r}\nmain()\n"
        "print([m for m in ('pydantic', 'pykka', 'eventsourcing', 'sqlite3') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"
    assert "orchestrator" in shown
