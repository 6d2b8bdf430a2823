"""What `import orchestrator` gives."""

from __future__ import annotations

import subprocess
import sys

import pytest

import orchestrator


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
