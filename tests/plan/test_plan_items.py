"""Items of a collection from ranges, files and standard input: read lazily, refused with file and line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.errors import InvalidPlanError, UsageError
from orchestrator.definition import Child
from orchestrator.plan import load_plan
from orchestrator.plan_filter import parse_filter
from orchestrator.plan_items import LISTED_MAX
from orchestrator.plan_tasks import import_tasks
from orchestrator.streams import ChildStream
from orchestrator.tasks import TaskRegistry

Children = Callable[..., list[Child]]


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    """Return the children of a collection with these items, and files beside the plan."""

    def made(items: str, *more: str, task: str = "run: 'x {item}'", **files: Any) -> list[Child]:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            Path(name.replace("_", ".")).write_bytes(data)
        lines = ["type: collection", f"items: {items}", *more, f"task: {{{task}}}"]
        Path("plan.yaml").write_text("\n".join(lines), encoding="utf-8")
        found: Any = load_plan("plan.yaml").parallel.children
        return list(found)

    with chdir(tmp_path):
        yield made


def commands(found: list[Child]) -> list[str | None]:
    return [child.command for child in found]


# Where items come from


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", [0, 1, 2]), ("[2]", [0, 1]), ("[2, 5]", [2, 3, 4]), ("[5, 0, -2]", [5, 3, 1]), ("[-1, 1]", [-1, 0])],
)
def test_ranges(children: Children, text: str, numbers: list[int]) -> None:
    assert [child.input for child in children(f"{{range: {text}}}", task="use: m:f, with: {n: '{item}'}")] == [
        {"n": number} for number in numbers
    ]


def test_a_long_range_is_made_as_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("type: collection\nitems: {range: 1000000000000}\ntask: {run: x}")
    stream = load_plan(path).parallel.children
    assert isinstance(stream, ChildStream)
    assert next(iter(stream)).command == "x 0"
    path.write_text(f"type: collection\nitems: {{range: {LISTED_MAX}}}\ntask: {{run: x}}")
    assert len(load_plan(path).parallel.listed) == LISTED_MAX


def test_lines_are_items_byte_for_byte(children: Children) -> None:
    found = children("{lines: a.txt}", a_txt=b"one\n\n two \r\n\xff\nlast")
    assert commands(found) == ["x one", "x ''", "x ' two \r'", "x '\udcff'", "x last"]
    assert children("{lines: a.txt}", a_txt="") == []


def test_json_lines_are_values(children: Children) -> None:
    text = '\ufeff{"a": [1, {"b": "x y"}]}\r\n\n"text"\nnull\n1.5\n'
    found = children("{jsonl: a.jsonl}", task="use: m:f, with: {v: '{item}'}", a_jsonl=text)
    assert [child.input["v"] for child in found] == [{"a": [1, {"b": "x y"}]}, "text", None, 1.5]


def test_rows_are_objects_by_their_header(children: Children) -> None:
    text = '\ufeffname,size\r\n"a, b",1\r\n\r\n"two\nlines",\r\n'
    found = children("{csv: a.csv}", task="use: m:f, with: {v: '{item}'}", a_csv=text)
    assert [child.input["v"] for child in found] == [{"name": "a, b", "size": "1"}, {"name": "two\nlines", "size": ""}]
    found = children('{csv: a.csv, delimiter: "\\t"}', task="run: 'x {item.b}'", a_csv="a\tb\n1\t2\n")
    assert commands(found) == ["x 2"]


@pytest.mark.parametrize("items", ["{stdin: lines}", "{lines: '-'}"])
def test_standard_input(tmp_path: Path, items: str) -> None:
    (tmp_path / "plan.yaml").write_text(f"type: collection\nitems: {items}\ntask: {{run: x}}")
    program = (
        "from orchestrator.plan import load_plan\n"
        "for child in load_plan('plan.yaml').parallel.children: print(child.command)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=b"a\nb c", capture_output=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (b"x a\nx 'b c'\n", b"")


def test_a_file_is_read_only_as_far_as_it_is_needed(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as stream:
        stream.write(b"first\nsecond\n")
        stream.truncate(50 * 1_073_741_824)  # a sparse file, larger than any memory here
    (tmp_path / "plan.yaml").write_text("type: collection\nitems: {lines: a.txt}\ntask: {run: x}")
    found: Any = load_plan(tmp_path / "plan.yaml").parallel.children
    lines = iter(found)
    assert [next(lines).command, next(lines).command] == ["x first", "x second"]
    with pytest.raises(InvalidPlanError, match="line 3 is longer than the limit item_bytes_max of 1,048,576 bytes"):
        next(lines)


@pytest.mark.parametrize(
    ("items", "data", "why"),
    [
        ("{jsonl: a}", b'{"a": 1}\n\n{"a": \n', "a:3: is not valid JSON: Expecting value (character 7)"),
        ("{jsonl: a}", b"NaN\n", "a:1: is not valid JSON: NaN is no number"),
        ("{jsonl: a}", b'1e308\n\n{"a": [-1e999]}\n', "a:3: holds -1e999, which is too large for a number"),
        ("{jsonl: a}", b"1" * 5_000, "a:1: is not valid JSON: Exceeds the limit"),
        ("{jsonl: a}", b"[" * 100_000, "a:1: is nested too deep"),
        ("{jsonl: a}", b"1\n\xff\n", "a:2: is not UTF-8 text (byte 1 of the line)"),
        ("{lines: a}", b"a\nb\0c\n", "a:2: contains a NUL character: give one item a line"),
        ("{lines: a}", b"a\n" + b"x" * 2_000_000, "a: line 2 is longer than the limit item_bytes_max"),
        ("{csv: a}", b"a,b\n1,2\n1,2,3\n", "a:3: has 3 values, the header has 2"),
        ("{csv: a}", b"a,b\n1\n", "a:2: has 1 value, the header has 2"),
        ("{csv: a}", b"a,a\n1,2\n", 'a:1: is no header: two columns are named "a"'),
        ("{csv: a}", b"a,\n1,2\n", "a:1: is no header: column 2 has no name"),
        ("{csv: a}", b"\na,b\n1,2\n", "a:1: is no header: it is empty"),
        ("{csv: a}", b'a,b\n"1,2\n', "a:2: is not valid CSV: unexpected end of data"),
        ("{csv: a}", b'a,b\n"1"x,2\n', "a:2: is not valid CSV: "),
        ("{csv: a}", b"a,b\n1,\xff\n", "a:2: is not UTF-8 text (byte 3 of the line)"),
        ("{csv: a}", b'a\n"' + b"x\n" * 100_000, "a:"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(children: Children, items: str, data: bytes, why: str) -> None:
    with pytest.raises(InvalidPlanError) as caught:
        children(items, a=data)
    assert str(caught.value).startswith(why)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("form", ["lines", "jsonl", "csv"])
@given(data=st.binary(max_size=120) | st.text('{}[]",:\n\r\\a1.\0é', max_size=60).map(str.encode))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_items_or_refused(children: Children, form: str, data: bytes) -> None:
    refusal = ""
    try:
        children(f"{{{form}: a}}", task="use: m:f, with: {v: '{item}'}", a=data)
    except InvalidPlanError as error:
        refusal = str(error)
    assert refusal == "" or refusal.isprintable()


def test_a_file_that_went_away_is_named(children: Children) -> None:
    children("{lines: a.txt}", a_txt="x")
    stream: Any = load_plan("plan.yaml").parallel.children
    Path("a.txt").unlink()
    with pytest.raises(InvalidPlanError, match=r"a.txt cannot be read: no such file or directory"):
        list(stream)


def test_the_function_of_a_stream_is_checked_before_it_runs(children: Children) -> None:
    children("{lines: a.txt}", task="use: m:f, with: {v: '{item}', w: 1}", a_txt="x")
    plan = load_plan("plan.yaml")
    assert [(use.name, use.input) for use in plan.uses] == [("m:f", {"v": "{item}", "w": 1})]
    with pytest.raises(InvalidPlanError, match=r"plan.yaml:3: task.use: there is no module m,"):
        import_tasks(plan, TaskRegistry())


@pytest.mark.parametrize(
    "run",
    [
        "awk '{print}' {item}",
        "awk '{print $1}' {item}",
        "find {item} -exec echo {} \\;",
        "echo ${itm} %{itm} \\{itm} {item}",
        'echo \'{"item":1,"itm":{}}\'',
        "docker inspect --format '{{.Item}} {{range .Items}}' {item}",
        "jq '{name, time, iterm2}' {item}",
        "echo {a,itm} {1..3} {term} {temp} {i} {it} {item}",
        "{ itm; } < {item}",
        "git log HEAD@{upstream} {item}",
    ],
)
def test_what_means_something_to_a_command_stays_as_it_is(children: Children, run: str) -> None:
    [child] = children("[a]", task=f"run: {json.dumps(run)}")
    assert child.command == run.replace("{item}", "a").replace("{}", "a").replace("${item}", "$a").replace(
        "$a", "${item}"
    )


def test_a_short_name_is_only_taken_for_itself(children: Children) -> None:
    [child] = children("[a]", "item_var: f", task="run: 'x {f} {g} {ff} {}'")
    assert child.command == "x a {g} {ff} a"


# Filters


ITEM = {"n": 5, "s": "ab", "t": ["x", 1, None], "o": {"k y": True, "z": 0}, "f": 1.5, "text": "17"}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("true", True),
        ("item", True),
        ("item.n == 5 and item.s == 'ab'", True),
        ("item.n != 5 or item.f >= 1.5", True),
        ("item.n < 5 or item.n > 5", False),
        ("item.n <= 5", True),
        ("not item.n == 5", False),
        ("not not item.n", True),
        ("item.missing == null", True),
        ("item.missing.deeper", False),
        ("item.missing < 3", False),
        ("item.missing in [1, null]", True),
        ('item.t[0] == "x" and item.t[-1] == null', True),
        ("item.t[9] == null", True),
        ("item.o[\"k y\"] == true and item.o['k y'] != 1", True),
        ("item.n in [1, 5]", True),
        ("item.n not in [1, 5]", False),
        ("'a' in item.s", True),
        ("'k y' in item.o", True),
        ("1 in item.t", True),
        ("true in [1]", False),
        ("item.s > 'aa'", True),
        ("number(item.text) == 17 and number('1e1') > 9.5 and number(item.n) == 5", True),
        ("number(item.s) == null and number(true) == null", True),
        ("(item.n == 1 or item.n == 5) and (item.f == 1.5)", True),
        ("item.n == 1 or item.n == 5 and item.f == 2", False),
        ("-1 < item.n", True),
        ("item.s == 'it\\'s' or \"\\n\\t\\\\\" == '\\n\\t\\\\'", True),
        ("[] or [1]", True),
    ],
)
def test_filters(text: str, passes: bool) -> None:
    assert bool(parse_filter(text, "item")(ITEM)) is passes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("item.s < 5", "< compares two numbers or two texts, not a text and a number"),
        ("item.t > [1]", "> compares two numbers or two texts, not a list and a list"),
        ("item.o >= true", ">= compares two numbers or two texts, not an object and a boolean"),
        ("1 in 5", "in looks into a list, a text or an object, not for a number in a number"),
        ("1 in 'a1'", "in looks into a list, a text or an object, not for a number in a text"),
    ],
)
def test_what_cannot_be_compared_is_an_error(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_filter(text, "item")(ITEM)
    assert str(caught.value) == why


@given(
    text=st.lists(
        st.sampled_from(
            ["item", ".n", "[0]", "and", "or", "not", "in", "(", ")", "[", "]", ",", "==", "<", "1", "'a'", "null"]
        ),
        max_size=14,
    ).map(" ".join)
    | st.text(max_size=40),
    item=st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=4),
)
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_filter_or_refused(text: str, item: Any) -> None:
    refusal = ""
    try:
        parse_filter(text, "item")(item)
    except UsageError as error:
        refusal = str(error)
    assert refusal == "" or refusal.isprintable()


@pytest.mark.parametrize("text", ["[" * 1_900, "(" * 1_900, "item" + "[0]" * 500, "number(" * 280])
def test_a_deep_filter_takes_no_stack(text: str) -> None:
    with pytest.raises(UsageError, match="levels deep"):
        parse_filter(text, "item")
    assert parse_filter("not " * 490 + "item", "item")(True) is True


def test_items_are_filtered_and_numbered_anew(children: Children) -> None:
    found = children("[1, 5, 3, 9]", "filter: item > 2", task="run: 'x {item} {#}'")
    assert commands(found) == ["x 5 1", "x 3 2", "x 9 3"]
    assert children("[1]", "filter: item > 2") == []
    with pytest.raises(InvalidPlanError, match=r"plan.yaml:2: items\[1\]: > compares two numbers"):
        children("[1, a]", "filter: item > 2")
    with pytest.raises(InvalidPlanError, match=r"a.jsonl:2: > compares two numbers"):
        children("{jsonl: a.jsonl}", "filter: item > 2", a_jsonl='1\n"a"\n')


def test_the_item_variable_is_known_by_its_name_alone(children: Children) -> None:
    task = "run: 'x {row.a} {item.a}'"
    found = children("[{a: 1}, {a: 2}]", "item_var: row", "filter: row.a == 2", task=task)
    assert commands(found) == ["x 2 {item.a}"]
    with pytest.raises(InvalidPlanError, match=r'"item.a == 2": expected row'):
        children("[{a: 1}]", "item_var: row", "filter: item.a == 2", task=task)


# Parts of items


def test_parts_of_items_are_data_everywhere(children: Children) -> None:
    hostile = ["a b'; touch pwned #", "$(id)", "two\nlines", "-rf"]
    lines = "".join(f'{{"a": {{"b": [{json.dumps(text)}]}}}}\n' for text in hostile)
    task = "run: \"printf '%s|' {item.a.b[0]} '{item.a.b[0]}'\""
    for child, text in zip(children("{jsonl: a}", task=task, a=lines), hostile, strict=True):
        assert child.command is not None
        printed = subprocess.run(["/bin/sh", "-c", child.command], capture_output=True).stdout.decode()
        assert printed == f"{text}|{text}|"


def test_parts_keep_their_type_where_they_are_the_whole_value(children: Children) -> None:
    task = 'id: "n-{item.k}", use: m:f, with: {x: "{item.v}", y: ["<{item.v}> {item[\'k\']}"]}'
    found = children("[{k: a, v: [1, 2]}]", task=task)
    assert [(child.id, child.input) for child in found] == [("n-a", {"x": [1, 2], "y": ["<[1,2]> a"]})]


def test_a_part_that_is_not_there_is_named(children: Children) -> None:
    with pytest.raises(InvalidPlanError) as caught:
        children("{jsonl: a}", task="run: 'x {item.b}'", a='{"b": 1}\n{"a": 1}\n')
    assert str(caught.value) == 'a:2: {item.b} is not there: the item is "{"a":1}"'


# Batches


@pytest.mark.parametrize("items", ["[a b, c, d, '$x', e]", "{lines: a}"])
def test_batches_put_items_side_by_side(children: Children, items: str) -> None:
    found = children(items, "batch: 2", task="run: 'x {} {/} -n {#}'", a="a b\nc\nd\n$x\ne\n")
    assert commands(found) == ["x 'a b' c 'a b' c -n 1", "x d '$x' d '$x' -n 2", "x e e -n 3"]


def test_a_function_gets_the_list(children: Children) -> None:
    task = "use: m:f, with: {many: '{item}', first: '{item[0].n}'}"
    found = children("[{n: 1}, {n: 2}, {n: 3}]", "batch: {count: 2}", task=task)
    assert [child.input for child in found] == [
        {"many": [{"n": 1}, {"n": 2}], "first": 1},
        {"many": [{"n": 3}], "first": 3},
    ]


def test_batches_by_bytes(children: Children) -> None:
    found = children("[aa, bb, ccc, d]", "batch: {bytes: 8}", task="use: m:f, with: {v: '{item}'}")
    assert [child.input["v"] for child in found] == [["aa", "bb"], ["ccc", "d"]]
    found = children("[aa, bb]", "batch: {bytes: 1k, count: 9}", task="use: m:f, with: {v: '{item}'}")
    assert [child.input["v"] for child in found] == [["aa", "bb"]]


def test_filters_come_before_batches(children: Children) -> None:
    assert commands(children("{range: 10}", "filter: item > 5", "batch: 3")) == ["x 6 7 8", "x 9"]


def test_nothing_is_left_open(children: Children) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    stream: Any
    children("{lines: a}", a="x\ny\n")
    stream = load_plan("plan.yaml").parallel.children
    reading = iter(stream)
    next(reading)
    reading.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
