"""Every refusal is one line with the file, the line and the key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from events.errors import InvalidPlanError, MissingExtraError
from events.limits import Limits
from orchestrator import plan_yaml
from orchestrator.plan import load_plan
from tests.plan.corpus import ONE
from tests.plan.nested_corpus import REFUSED_NESTED
from tests.plan.refused_corpus import REFUSED, Refused


def refusal(path: Path | str, limits: Limits | None = None) -> str:
    with pytest.raises(InvalidPlanError) as caught:
        load_plan(path, limits=limits or Limits())
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 400
    assert message.startswith(f"{path}:")
    return message.removeprefix(f"{path}:")


@pytest.mark.parametrize("refused", REFUSED + REFUSED_NESTED, ids=lambda refused: f"{refused.rest[:50]}")
def test_a_plan_is_refused_with_line_key_and_reason(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(refused.text, encoding="utf-8")
    place = "" if refused.line is None else f"{refused.line}:"
    assert refusal(path).startswith(f"{place} {refused.rest}")


@pytest.mark.parametrize("refused", REFUSED + REFUSED_NESTED, ids=lambda refused: f"{refused.rest[:50]}")
def test_a_plan_is_refused_alike_without_the_c_library(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_yaml, "_LOADER", yaml.SafeLoader)
    path = tmp_path / "plan.yaml"
    path.write_text(refused.text, encoding="utf-8")
    place = "" if refused.line is None else f"{refused.line}:"
    expected = refused.rest.split("is not valid YAML")[0]  # each parser words it in its own way
    assert refusal(path).startswith(f"{place} {expected}")


def test_the_path_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plan.yaml").write_text("id: a\nid: b")
    monkeypatch.chdir(tmp_path)
    assert refusal("plan.yaml") == "2: id: duplicate key, first used on line 1"


@pytest.mark.parametrize("name", ["a\nb.yaml", "a\x1b.yaml", "a\udcff.yaml", ""])
def test_an_odd_path_keeps_the_message_on_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidPlanError) as caught:
        load_plan(name)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(ascii(name))


def test_what_is_no_plan_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refusal(tmp_path / "none.yaml") == " cannot be read: no such file or directory"
    assert refusal(tmp_path / "file" / "x") == " cannot be read: not a directory"
    assert refusal(tmp_path / "loop") == " cannot be read: too many levels of symbolic links"
    assert refusal(tmp_path / ("x" * 300)) == " cannot be read: file name too long"
    assert refusal(tmp_path) == " is a folder, not a plan file"
    assert refusal(tmp_path / "pipe") == " is a pipe, a device or a socket, not a plan file"
    assert refusal("/dev/zero") == " is a pipe, a device or a socket, not a plan file"
    with pytest.raises(InvalidPlanError, match="NUL"):
        load_plan("a\0b")


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    with path.open("wb") as stream:
        stream.truncate(50 * 1_073_741_824)  # a sparse file, larger than any memory here
    assert refusal(path) == " has 53,687,091,200 bytes, more than the limit plan_bytes_max of 16,777,216"
    path.write_text(ONE)
    assert load_plan(path, limits=Limits(plan_bytes_max=len(ONE))).parallel.children
    assert "plan_bytes_max of 10" in refusal(path, Limits(plan_bytes_max=10))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"tasks:\n- id: \xff\n")
    assert refusal(path) == "2: is not UTF-8 text (byte 13)"
    path.write_bytes(ONE.encode("utf-16"))
    assert refusal(path) == "1: is not UTF-8 text (byte 0)"


def test_a_bomb_of_aliases_is_refused_without_being_built(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30)]
    path.write_text("l0: &l0 [x]\n" + "\n".join(levels))
    assert refusal(path) == "1: l0: has the anchor &l0; a plan has none: write it out"


def test_a_plan_with_too_many_values_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_yaml, "_VALUES_MAX", 1_000)
    path = tmp_path / "plan.yaml"
    path.write_text("metadata: [" + "1, " * 2_000 + "1]")
    assert refusal(path) == "1: has more than 1,000 values"


def test_without_pyyaml_the_extra_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(ONE)
    code = (
        "import sys; sys.modules['yaml'] = None\n"
        "from orchestrator.plan import load_plan\n"
        "from orchestrator.plan_schema import plan_schema\n"
        "plan_schema()\n"
        "try: load_plan(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    expected = f"{MissingExtraError.__name__} reading a plan needs PyYAML: pip install 'parallel-orchestrator[cli]'\n"
    assert printed.stdout == expected
