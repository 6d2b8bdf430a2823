"""Plan files: any bytes, any YAML, and those that are made to be expensive."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import InvalidPlanError
from orchestrator.plan import Plan, load_plan
from tests.cli.driver import CommandLine
from tests.hostile.checks import calm, refused
from tests.hostile.effort import tries
from tests.hostile.limits import bounded
from tests.hostile.names import NAMES
from tests.plan.corpus import FINE

TASKS = "tasks: [{id: a, run: x}]\n"
MILLION = 1_000_000


def load(data: bytes) -> Plan | None:
    """Return the plan, or None where it is refused as it must be."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_bytes(data)
        try:
            return load_plan(path)
        except InvalidPlanError as error:
            text = str(error)
    assert text.startswith(str(path))
    calm(text)
    assert len(text) < 3_000
    return None


def _collection(run: str, items: str = "[a]") -> str:
    return f"type: collection\nitems: {items}\ntask: {{run: '{run}'}}\n"


EXPENSIVE: dict[str, str] = {
    "a million brackets": "[" * MILLION,
    "a million mappings": "{a: " * MILLION,
    "a million dashes": "- " * MILLION,
    "anchors that explode": "a: &a [x,x]\n" + "".join(f"b{n}: &b{n} [*a,*a]\n" for n in range(1_000)),
    "an anchor in a circle": "tasks: &a [*a]\n",
    "a merge key": "<<: {id: a}\n" + TASKS,
    "a tag that would run code": "tasks: !!python/object/apply:os.system ['touch owned']\n",
    "a tag that would import": "tasks: !!python/name:os.system\n",
    "duplicate keys": TASKS + TASKS,
    "two documents": TASKS + "---\n" + TASKS,
    "a hundred thousand tags": "".join(f"%TAG !a{n}! tag:x,2000:\n" for n in range(100_000)) + "---\n" + TASKS,
    "an integer of 100,000 digits": "max_workers: " + "1" * 100_000 + "\n" + TASKS,
    "a hexadecimal one": "max_workers: 0x" + "f" * 100_000 + "\n" + TASKS,
    "a number beyond numbers": "timeout: 1e999999\n" + TASKS,
    "a date": "id: 2026-11-22\n" + TASKS,
    "a long duration": "timeout: '" + "1h " * MILLION + "'\n" + TASKS,
    "a key of 4 MB": '? "' + "x" * 4 * MILLION + '"\n: 1\n',
    "a word of 4 MB": "strategy: " + "allany" * MILLION + "\n" + TASKS,
    "an anchor of 4 MB": "a: &" + "x" * 4 * MILLION + " 1\n",
    "parts of an item without end": _collection("{item." * MILLION),
    "placeholders without end": _collection("{item} " * MILLION),
    "many placeholders": _collection("{item} " * 5_000),
    "a command that multiplies its item": _collection("{item}" * 200, "[" + "x" * MILLION + "]"),
    "arguments that multiply their item": "type: collection\nitems: ["
    + "x" * MILLION
    + "]\ntask: {use: 'a:b', with: {a: '"
    + "{item}" * 1_000
    + "'}}\n",
    "an id that multiplies its item": "type: collection\nitems: ["
    + "x" * 500_000
    + "]\ntask: {run: 'echo {item}', id: '"
    + "{item}" * 10_000
    + "'}\n",
    "items that multiply their arguments": "type: collection\nitems: ["
    + "x," * 4_000
    + "y]\ntask: {use: 'a:b', with: {a: '{item} "
    + "x" * 500_000
    + "'}}\n",
    "quotes without end": "tasks: '" + "''" * 4 * MILLION,
    "NUL": "tasks: \0",
    "half a surrogate": 'tasks: ["\\ud800"]',
    "ids in a circle": "tasks: [{id: a, run: x}, {id: b, run: x}, {id: a, run: x}]\n",
    "a list as a key": "? [a]\n: 1\n",
}


@pytest.mark.parametrize("text", EXPENSIVE.values(), ids=EXPENSIVE)
@pytest.mark.timeout(30)
def test_an_expensive_plan_is_refused_in_one_line(text: str) -> None:
    assert load(text.encode()) is None


def test_the_worst_of_them_within_bounds(cli: CommandLine) -> None:
    for name in ("anchors that explode", "items that multiply their arguments"):
        (cli.folder / "plan.yaml").write_text(EXPENSIVE[name])
        done = bounded(cli, "run", "plan.yaml")
        assert done.status == 2, (name, done)
        refused(done)
    assert [path.name for path in cli.folder.iterdir()] == ["plan.yaml"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "latin-1"])
def test_another_encoding_is_refused(encoding: str) -> None:
    assert load("id: é\n".encode(encoding) + TASKS.encode(encoding)) is None


def test_a_byte_order_mark_is_no_matter() -> None:
    assert load(b"\xef\xbb\xbf" + TASKS.encode()) is not None


def test_many_tasks_are_no_matter() -> None:
    plan = load(("tasks:\n" + "".join(f"- {{id: a{n}, run: x}}\n" for n in range(20_000))).encode())
    assert plan is not None
    assert len(plan.parallel.listed) == 20_000


@given(data=st.binary(max_size=300))
@tries(150)
def test_any_bytes(data: bytes) -> None:
    load(data)


@given(data=st.data())
@tries(150)
def test_good_plans_with_bytes_changed(data: st.DataObject) -> None:
    plan = bytearray(data.draw(st.sampled_from(FINE)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(plan) - 1))
        plan[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    load(bytes(plan))


KEYS = st.sampled_from(
    [
        *("id", "type", "strategy", "threshold", "max_workers", "timeout", "on_decided", "defaults", "tasks", "run"),
        *("use", "with", "items", "item_var", "task", "metadata", "max_failures", "min_finished", "retries", "on_lost"),
    ]
)
WORDS = st.one_of(
    st.sampled_from([*NAMES.values()]).map(lambda name: name[:500]),
    st.sampled_from(["all", "threshold", "collection", "parallel", "80%", "3", "10m", "a", "b", "echo {item}", "m:f"]),
    st.text(max_size=10),
    st.integers(-2, 200).map(str),
)


@st.composite
def yamls(draw: st.DrawFn, depth: int = 0) -> str:
    """Make YAML in flow style, of the keys that plans have and anything as a value."""
    kind = draw(st.integers(0, 3 if depth < 4 else 0))
    if kind <= 1 and depth:
        word = draw(WORDS)
        escaped = "".join(each if each.isalnum() else f"\\U{ord(each):08x}" for each in word)
        return f'"{escaped}"' if draw(st.booleans()) or not word.isalnum() else word
    if kind == 2:
        return "[" + ",".join(draw(st.lists(yamls(depth + 1), max_size=3))) + "]"
    entries = draw(st.dictionaries(KEYS, yamls(depth + 1), max_size=5))
    return "{" + ",".join(f"{key}: {value}" for key, value in entries.items()) + "}"


@pytest.mark.parametrize("word", ["\u3164\u115f\u2800", "e" + "\u0301\u0336" * 30, "\u202e"])
def test_a_word_that_nobody_sees_is_written_out(word: str) -> None:
    load(f'{{type: "{word}"}}'.encode())


@given(text=yamls())
@tries(60)
def test_any_yaml_of_the_keys_of_plans(text: str) -> None:
    load(text.encode("utf-8", "surrogatepass"))
