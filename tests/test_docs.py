"""The documentation is true: its code runs, shows what is printed, links to what is there, and leaves nothing out."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_overloads

import pytest
from pydantic import BaseModel

import orchestrator
from events.catalogue import TYPES
from events.limits import Limits
from events.strategy import Strategy, Tally, calculate_status
from orchestrator import messages
from orchestrator.cli.arguments import SUMMARIES, parser_for
from tests.docs.pages import ROOT, anchors, blocks, links, pages, prose

PAGES = pages()
DOCS = ROOT / "docs"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def play(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Play a page in a process of its own, warnings being errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs.player", str(page)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = play(page, tmp_path)
    assert done.returncode == 0, done.stderr


WRONG = {
    "code that raises": "```python\n1 / 0\n```\n",
    "code that warns": "```python\nimport warnings\nwarnings.warn('old')\n```\n",
    "other output": "```python\nprint(1)\n```\n\n```output\n2\n```\n",
    "output of nothing": "```output\n2\n```\n",
    "a command that fails": "```console\n$ false\n```\n",
    "another exit status": "```console\n$ exit 3\n$ echo $?\n4\n```\n",
    "another line": "```console\n$ echo one; echo two\none\n```\n",
    "a line too many": "```console\n$ echo one\none\n...two\n```\n",
    "no command": "```console\norchestrator list\n```\n",
    "a plan without a name": "```yaml\ntasks: []\n```\n",
    "json that is none": "```json\n{at: 1}\n```\n",
    "an empty diagram": "```mermaid\nflowchart LR\n```\n",
    "a language nobody checks": "```toml\na = 1\n```\n",
    "a block that is not closed": "```python\nprint(1)\n",
}


@pytest.mark.parametrize("page", WRONG.values(), ids=WRONG)
def test_a_page_that_is_wrong_is_found_out(page: str, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(page)
    assert play(tmp_path / "page.md", tmp_path).returncode == 1


def test_wildcards_stand_for_anything_within_a_line_or_for_lines(tmp_path: Path) -> None:
    page = "```console\n$ seq 1 5; echo took 3 s; exit 2\n1\n...\n5\ntook ... s\n$ echo $?\n2\n```\n"
    (tmp_path / "page.md").write_text(page)
    done = play(tmp_path / "page.md", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = []
    for line, target in links(page):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = page if not path else (page.parent / path).resolve()
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(f"{name_of(page)}:{line}: {target}")
    assert not dead


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        todo += [(page.parent / target.partition("#")[0]).resolve() for _, target in links(page) if "://" not in target]
    assert [name_of(page) for page in PAGES if page not in seen] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_row_of_a_table_has_its_headings_cells(page: Path) -> None:
    uneven, columns = [], 0
    for number, line in prose(page):
        cells = len(re.split(r"(?<!\\)\|", line.strip())) if line.startswith("|") else 0
        if columns and cells and cells != columns:
            uneven.append(f"{name_of(page)}:{number}: {line}")
        columns = cells and (columns or cells)
    assert not uneven


def text_of(*names: str) -> str:
    return "\n".join((DOCS / name).read_text(encoding="utf-8") for name in names)


def table_rows(name: str) -> list[list[str]]:
    """Return the rows of all tables of a page, as lists of cells."""
    lines = [line for line in text_of(name).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_public_name_is_in_the_reference() -> None:
    text = text_of("reference/python.md")
    assert [name for name in orchestrator.__all__ if f"`{name}" not in text] == []


DEFINITIONS = (
    orchestrator.Child,
    orchestrator.Parallel,
    orchestrator.Retry,
    orchestrator.Threshold,
    orchestrator.Throttle,
)


@pytest.mark.parametrize("kind", DEFINITIONS, ids=lambda kind: kind.__name__)
def test_every_argument_of_a_definition_is_in_the_reference(kind: type[BaseModel]) -> None:
    text = text_of("reference/python.md")
    call = re.search(rf"`{kind.__name__}\((.*)\)`", text)
    named = call[1] if call else ""
    assert [name for name in kind.model_fields if f"`{name}`" not in text and f"{name}=" not in named] == []


@pytest.mark.parametrize(
    "kind", [orchestrator.Orchestrator, orchestrator.Run, orchestrator.Result, orchestrator.CurrentChild]
)
def test_every_public_method_and_its_arguments_are_in_the_reference(kind: type) -> None:
    text = text_of("reference/python.md")
    missing = []
    for name, member in inspect.getmembers(kind):
        if name.startswith("_") or name == "mro":
            continue
        if f"`{name}`" not in text and f"`{name}(" not in text:
            missing.append(name)
        elif inspect.isfunction(member):
            shown = "\n".join(re.findall(rf"`{name}\((.*?)\)`", text))
            missing += [
                f"{name}({each})"
                for each in inspect.signature(member).parameters
                if each != "self" and each not in shown
            ]
    assert missing == []


@pytest.mark.parametrize("called", [orchestrator.Orchestrator, orchestrator.task, orchestrator.batches])
def test_every_argument_of_a_function_is_in_the_reference(called: Callable[..., object]) -> None:
    text = text_of("reference/python.md")
    faces = get_overloads(called) or [called]
    given = [each for face in faces for each in inspect.signature(face).parameters.values()]
    named = [each.name for each in given if each.kind != each.POSITIONAL_ONLY]
    assert [name for name in named if not re.search(rf"\b{name}\b[`=,)]", text)] == []


def test_every_field_of_a_message_is_in_the_reference() -> None:
    rows = {row[0]: row for row in table_rows("reference/python.md")}
    missing = []
    for name in messages.__all__:
        fields = getattr(messages, name)._fields
        missing += [f"{name}.{field}" for field in fields if f"`{field}`" not in rows[f"`{name}`"][2]]
    assert missing == []


def test_everything_public_has_a_docstring() -> None:
    bare = []
    for name in orchestrator.__all__:
        value = getattr(orchestrator, name)
        if not inspect.getdoc(value):
            bare.append(name)
        for attribute, member in vars(value).items() if isinstance(value, type) else ():
            routine = inspect.isfunction(member) or isinstance(member, property | classmethod)
            if routine and not attribute.startswith("_") and not inspect.getdoc(member):
                bare.append(f"{name}.{attribute}")
    assert bare == []


@pytest.mark.parametrize("command", SUMMARIES)
def test_every_option_is_in_the_reference(command: str) -> None:
    text = text_of("reference/cli.md")
    assert f"`{command}" in text
    options = {word for action in parser_for(command)._actions for word in action.option_strings}
    assert [option for option in sorted(options) if f"`{option}" not in text and f" {option}" not in text] == []


@pytest.mark.parametrize("name", TYPES)
def test_every_event_and_its_fields_are_in_the_reference(name: str) -> None:
    text = text_of("reference/storage-format.md")
    _, _, section = text.partition(f"### {name}\n")
    section = section.partition("\n### ")[0]
    assert section
    assert [field for field in TYPES[name].model_fields if f"`{field}`" not in section and field != "at"] == []


def test_every_limit_is_in_the_reference() -> None:
    text = text_of("reference/python.md")
    assert [name for name in Limits.model_fields if f"`{name}`" not in text] == []


def test_every_field_of_the_json_output_is_in_the_reference() -> None:
    text = text_of("reference/cli.md")
    names = {*orchestrator.RunStatus._fields, *orchestrator.Counts._fields}
    names |= {
        field.name for kind in (orchestrator.ChildView, orchestrator.HistoryEvent) for field in dataclasses.fields(kind)
    }
    names -= {"progress", "message"}  # of a running attempt: in Python alone, the contract fixes the JSON
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
    assert "`progress`" in text_of("reference/python.md")


NAMING_TESTS = ("guarantees.md", "lifecycle.md", "architecture.md", "explanation/security.md", "reliability/fuzzing.md")


def test_the_tests_that_the_guarantees_name_are_there() -> None:
    missing = []
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text_of(*NAMING_TESTS))
    for path, function in named:
        file = ROOT / path
        if not file.exists() or (function and f"def {function}(" not in file.read_text(encoding="utf-8")):
            missing.append(f"{path}::{function}")
    assert named
    assert not missing


def test_every_line_of_the_threat_model_names_a_test() -> None:
    rows = [line for line in text_of("explanation/security.md").splitlines() if line.startswith("| ")]
    assert len(rows) > 25
    assert [row for row in rows if "`tests/" not in row and not row.endswith("| shown by |")] == []


def strategy_of(text: str) -> Strategy:
    """Return the strategy that a cell of the worked table names."""
    if text in ("all", "any"):
        return Strategy.model_validate({"kind": text})
    found = re.fullmatch(r"threshold (\d+)(%?)(?:, max_failures (\d+)(%?)(?: of (\d+))?)?", text)
    assert found, text
    amount, percent, failures, share, finished = found.groups()
    parts: dict[str, object] = {"percent" if percent else "count": float(amount) if percent else int(amount)}
    if failures:
        parts["max_failures_percent" if share else "max_failures"] = float(failures) if share else int(failures)
    if finished:
        parts["min_finished"] = int(finished)
    return Strategy.model_validate({"kind": "threshold", **parts})


def worked_lines() -> list[tuple[str, ...]]:
    rows = [
        tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in text_of("lifecycle.md").splitlines()
    ]
    return [row[:6] for row in rows if len(row) == 7 and row[1].isdecimal()]


@pytest.mark.parametrize("row", worked_lines(), ids=" ".join)
def test_the_worked_table_of_the_rule(row: tuple[str, ...]) -> None:
    strategy, status = strategy_of(row[0]), row[5]
    total, succeeded, ended, still_open = (int(cell) for cell in row[1:5])
    assert total == succeeded + ended + still_open
    tally = Tally(total=total, succeeded=succeeded, failed=ended, started=succeeded + ended > 0)
    assert calculate_status(strategy, tally) == status
