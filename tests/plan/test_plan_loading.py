"""What a plan means."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.errors import InvalidPlanError
from events.limits import Limits
from orchestrator.definition import Child, Parallel, Retry, Threshold
from orchestrator.plan import Plan, load_plan
from tests.plan.corpus import CONTRACT, FINE, ONE, TWO
from tests.plan.refused_corpus import REFUSED

INNER = Parallel(
    children=(Child(id="fast", command="./fast"), Child(id="slow", command="./slow")),
    strategy="any",
    retry=Retry(max_attempts=3),
    child_timeout=30.0,
)
QUICK = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def loaded(text: str) -> Plan:
        path = tmp_path / "plan.yaml"
        path.write_text(text, encoding="utf-8")
        return load_plan(path)

    return loaded


def test_the_example_of_the_contract(load: Any) -> None:
    plan = load(CONTRACT)
    assert plan.id == "nightly"
    assert plan.parallel == Parallel(
        children=(
            Child(id="compress", command="gzip -k a.log"),
            Child(id="check", task="mypackage.tasks:checksum", input={"path": "b.log"}),
            Child(id="inner", parallel=INNER),
        ),
        strategy=Threshold(percent=80.0),
        max_workers=4,
        timeout=600.0,
        on_decided="cancel",
        retry=Retry(max_attempts=3),
        child_timeout=30.0,
    )
    assert plan.modules == ("mypackage.tasks",)


def test_what_is_left_out_takes_its_default(load: Any) -> None:
    plan = load(ONE)
    assert plan == Plan(None, Parallel(children=(Child(id="a", command="x"),)))
    assert plan.modules == ()


@pytest.mark.parametrize(
    ("name", "strategy", "on_decided"),
    [
        ("all", "all", "cancel"),
        ("any", "any", "cancel"),
        ("wait_all", "all", "continue"),
        ("fail_fast", "all", "cancel"),
        ("best_effort", Threshold(count=1), "continue"),
        ("race", "any", "cancel"),
    ],
)
def test_each_name_of_a_strategy_has_its_meaning(load: Any, name: str, strategy: Any, on_decided: str) -> None:
    parallel = load(f"strategy: {name}\n{TWO}").parallel
    assert (parallel.strategy, parallel.on_decided) == (strategy, on_decided)


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("threshold: 2", Threshold(count=2)),
        ("threshold: '2'", Threshold(count=2)),
        ("threshold: 33.3%", Threshold(percent=33.3)),
        ("threshold: 1\nmax_failures: 0", Threshold(count=1, max_failures=0)),
        ("threshold: 1\nmax_failures: '2'", Threshold(count=1, max_failures=2)),
        ("threshold: 1\nmax_failures: 5%\nmin_finished: 20", Threshold(count=1, max_failures="5%", min_finished=20)),
    ],
)
def test_thresholds(load: Any, text: str, threshold: Threshold) -> None:
    parallel = load(f"strategy: threshold\n{text}\non_decided: drain\n{TWO}").parallel
    assert (parallel.strategy, parallel.on_decided) == (threshold, "drain")


def test_a_task_has_limits_of_its_own(load: Any) -> None:
    plan = load("tasks: [{id: a, run: x, timeout: 1m, retries: 0, on_lost: fail}, {id: b, run: y, retries: 4}]")
    assert plan.parallel.children == (
        Child(id="a", command="x", timeout=60.0, retry=Retry(max_attempts=1), on_lost="fail"),
        Child(id="b", command="y", retry=Retry(max_attempts=5)),
    )


def test_values_keep_their_types(load: Any) -> None:
    text = "{a: [1, -2.5, true, null, ~, 'on', \"1\", 08:15 h, y], b: {c: TRUE, d: ''}, e: 1.5e-3}"
    value = {"a": [1, -2.5, True, None, None, "on", "1", "08:15 h", "y"], "b": {"c": True, "d": ""}, "e": 0.0015}
    plan = load(f"metadata: {text}\ntasks: [{{id: a, use: m:f, with: {text}}}]")
    assert plan.parallel.metadata == value
    assert plan.parallel.children[0].input == value
    assert plan.modules == ("m",)


def test_modules_are_named_once_in_order(load: Any) -> None:
    plan = load("tasks: [{id: a, use: z.y:f}, {id: b, use: a:g}, {id: c, use: z.y:h}]")
    assert plan.modules == ("z.y", "a")


def test_commands_of_a_list_are_not_templates(load: Any) -> None:
    assert (
        load("tasks: [{id: a, run: 'echo {} {item} `date`'}]").parallel.children[0].command == "echo {} {item} `date`"
    )


def test_a_collection_does_its_task_for_each_item(load: Any) -> None:
    plan = load(
        "type: collection\nitems: [a b, $(id), 7, true, {k: [1]}]\ntask: {run: \"echo {#} '{item}'\", retries: 1}"
    )
    assert [child.command for child in plan.parallel.children] == [
        "echo 1 'a b'",
        "echo 2 '$(id)'",
        "echo 3 '7'",
        "echo 4 'true'",
        "echo 5 '{\"k\":[1]}'",
    ]
    assert {child.id for child in plan.parallel.children} == {None}
    assert {child.retry for child in plan.parallel.children} == {Retry(max_attempts=2)}


def test_hostile_items_of_a_collection_are_data(load: Any) -> None:
    items = ["a b'; touch pwned #", "$(id)", "two\nlines", "-rf"]
    text = "\n".join(f"- {yaml_text(item)}" for item in items)
    plan = load(f"type: collection\nitems:\n{text}\ntask:\n  run: |\n    printf '%s|'\n")
    printed = [
        subprocess.run(["/bin/sh", "-c", child.command], capture_output=True) for child in plan.parallel.children
    ]
    assert [ended.stdout.decode() for ended in printed] == [f"{item}|" for item in items]


def yaml_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def test_items_keep_their_type_where_they_are_the_whole_value(load: Any) -> None:
    plan = load(
        "type: collection\nitems: [1, {a: b}]\nitem_var: it\n"
        'task: {id: "n-{it}", use: m:f, with: {x: "{it}", y: ["<{it}>"], z: 5, w: "{item}"}}'
    )
    assert [(child.id, child.input) for child in plan.parallel.children] == [
        ("n-1", {"x": 1, "y": ["<1>"], "z": 5, "w": "{item}"}),
        ('n-{"a":"b"}', {"x": {"a": "b"}, "y": ['<{"a":"b"}>'], "z": 5, "w": "{item}"}),
    ]
    assert [use.input for use in plan.uses] == [child.input for child in plan.parallel.children]


def test_a_collection_has_the_keys_of_any_parent(load: Any) -> None:
    plan = load(
        "id: c\ntype: collection\nstrategy: threshold\nthreshold: 50%\nmax_workers: 2\ntimeout: 1h\n"
        "defaults: {retries: 1}\nitems: [a, b]\ntask: {run: gzip}"
    )
    assert (plan.id, plan.parallel.strategy, plan.parallel.max_workers) == ("c", Threshold(percent=50.0), 2)
    assert (plan.parallel.timeout, plan.parallel.retry) == (3_600.0, Retry(max_attempts=2))


def test_a_path_may_be_text_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(ONE)
    (tmp_path / "link").symlink_to(path)
    assert load_plan(path) == load_plan(os.fspath(path)) == load_plan(tmp_path / "link")


def test_ten_thousand_tasks_load_in_a_few_seconds(load: Any) -> None:
    tasks = "".join(
        f"- id: t{n}\n  use: a.b:c\n  with: {{path: /x/{n}, n: {n}}}\n  timeout: 5m\n" for n in range(10_000)
    )
    started = time.monotonic()
    plan = load(f"tasks:\n{tasks}")
    assert len(plan.parallel.children) == len(plan.uses) == 10_000
    assert time.monotonic() - started < 15


@given(st.binary(max_size=200))
@QUICK
def test_any_bytes_are_a_plan_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(data)
    load_or_refuse(path)


@given(
    text=st.sampled_from([*FINE, *(refused.text for refused in REFUSED if len(refused.text) < 1_000)]),
    at=st.integers(0, 400),
    cut=st.integers(0, 6),
    put=st.text(st.sampled_from("[]{}:,&*!|>'\"#%@`-?~\n\t \\0aé=<." + "\u0085\u2028\ufeff"), max_size=6),
)
@QUICK
def test_any_text_is_a_plan_or_refused(tmp_path: Path, text: str, at: int, cut: int, put: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text[:at] + put + text[at + cut :], encoding="utf-8")
    load_or_refuse(path)


def load_or_refuse(path: Path) -> None:
    refusal = f"{path}: "
    try:
        assert load_plan(path).parallel.children
    except InvalidPlanError as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert refusal.startswith(f"{path}:")


def test_a_task_with_a_type_is_a_parent_with_its_own_rules(load: Any) -> None:
    plan = load(
        "strategy: any\nmax_workers: 1\ntasks:\n- {id: a, run: x}\n- id: n\n  type: parallel\n  strategy: threshold\n"
        "  threshold: 1\n  max_workers: 2\n  timeout: 5m\n  on_decided: drain\n  retries: 2\n  metadata: {k: 1}\n"
        "  tasks:\n  - {id: a, run: y, timeout: 5s, on_lost: fail}\n"
        "  - id: m\n    type: collection\n    items: [p, q]\n    task: {id: 'on-{item}', run: 'z {item}'}\n"
    )
    deepest = Parallel(children=(Child(id="on-p", command="z p"), Child(id="on-q", command="z q")))
    inner = Parallel(
        children=(Child(id="a", command="y", timeout=5.0, on_lost="fail"), Child(id="m", parallel=deepest)),
        strategy=Threshold(count=1),
        max_workers=2,
        timeout=300.0,
        on_decided="drain",
        metadata={"k": 1},
    )
    outer = Child(id="n", parallel=inner, retry=Retry(max_attempts=3))
    assert plan.parallel == Parallel(children=(Child(id="a", command="x"), outer), strategy="any", max_workers=1)
    assert plan.parallel.depth == 2


def test_defaults_go_down_until_a_parent_inside_has_its_own(load: Any) -> None:
    def found(parallel: Parallel) -> list[Any]:
        inner = [found(child.parallel) for child in parallel.listed if child.parallel is not None]
        return [parallel.retry and parallel.retry.max_attempts, parallel.child_timeout, *inner]

    one = "tasks: [{id: a, run: x}]"
    plan = load(
        "defaults: {retries: 2, timeout: 30s}\ntasks:\n"
        f"- {{id: as-it-is, type: parallel, {one}}}\n"
        f"- {{id: one, type: parallel, defaults: {{retries: 0}}, tasks: [{{id: deep, type: parallel, {one}}}]}}\n"
        f"- {{id: both, type: parallel, defaults: {{retries: 1, timeout: 5}}, {one}}}\n"
    )
    assert found(plan.parallel) == [3, 30.0, [3, 30.0], [1, 30.0, [1, 30.0]], [2, 5.0]]
    assert [child.retry for child in plan.parallel.listed] == [None, None, None]


def test_functions_of_parents_inside_are_those_of_the_plan(load: Any) -> None:
    plan = load(
        "tasks:\n- {id: a, use: 'm:f'}\n- id: n\n  type: parallel\n  tasks:\n  - {id: a, run: x}\n"
        "  - {id: b, type: collection, items: [1], task: {use: 'o.p:g', with: {x: '{item}'}}}\n"
    )
    assert plan.modules == ("m", "o.p")
    assert [(use.name, use.line, use.key) for use in plan.uses] == [
        ("m:f", 2, "tasks[0]"),
        ("o.p:g", 7, "tasks[1].tasks[1].task"),
    ]


def test_the_inputs_of_parents_inside_count_towards_those_of_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    tasks = ", ".join(f"{{id: t{number}, run: 'echo {'x' * 20}'}}" for number in range(3))
    path.write_text(
        f"tasks:\n- {{id: n, type: parallel, tasks: [{tasks}]}}\n- {{id: m, type: parallel, tasks: [{tasks}]}}"
    )
    with pytest.raises(
        InvalidPlanError, match=r"plan.yaml:3: tasks\[1\].tasks\[0\]: the inputs of all tasks have more"
    ):
        load_plan(path, limits=Limits(plan_inputs_bytes_max=150))
    with pytest.raises(
        InvalidPlanError, match=r"plan.yaml:2: tasks\[0\]: the inputs of its tasks have more bytes than"
    ):
        load_plan(path, limits=Limits(payload_bytes_max=100))
