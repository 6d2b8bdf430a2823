"""Secrets are named in inputs and never stored: the children that are given them run in every kind of executor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.executors.secret_values import SecretNotFoundError, pointer, revealed, scrubbed_json
from orchestrator import Child, Orchestrator, Parallel, Retry, SecretRef, UsageError, current_child, task
from orchestrator.plan import load_plan
from orchestrator.secret_ref import secrets_in
from tests.privacy.stores import holders

VALUE = 'swordfish-"é"-\\0815'


@task(name="secret-use")
def use(token: str, how: str = "fine") -> dict[str, object]:
    current_child().heartbeat(message=f"using {token}")
    if how == "raise":
        raise RuntimeError(f"cannot log in with {token!r} / {token}")
    return {"length": len(token), token: [token, f"a {token} b"]}


@task(name="secret-async")
async def use_async(token: str) -> list[object]:
    await asyncio.sleep(0)
    return [len(token), token]


@task(name="secret-process", executor="processes")
def use_in_process(token: str, how: str = "fine") -> list[object]:
    if how == "raise":
        raise RuntimeError(f"cannot log in with {token}")
    return [len(token), token]


@task(name="secret-elsewhere", executor="mine")
def use_elsewhere(token: str) -> list[object]:
    return [len(token), token]


@task(name="secret-large")
def use_large(token: str, text: str) -> int:
    return len(token) + len(text)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ORCHESTRATOR_TEST_TOKEN", VALUE)
    return "env:ORCHESTRATOR_TEST_TOKEN"


@pytest.mark.parametrize("name", ["secret-use", "secret-async", "secret-process", "secret-elsewhere"])
def test_every_executor_gives_the_value_and_keeps_it_to_itself(name: str, secret: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with ThreadPoolExecutor(1) as mine, Orchestrator(path, executors={"mine": mine}) as orchestrator:
        run = orchestrator.start(Parallel(children=[Child(id="a", task=name, input={"token": SecretRef(secret)})]))
        outputs = run.result(timeout=60).outputs["a"]
        told = outputs if isinstance(outputs, dict) else {"length": outputs[0], "***": ["***", "a *** b"]}
        assert told == {"length": len(VALUE), "***": ["***", "a *** b"]}
        (child,) = run.children()
        assert json.loads(child.input) == {"token": secret}
    assert holders(path, b"swordfish") == []
    assert holders(path, secret.encode())


@pytest.mark.parametrize("name", ["secret-use", "secret-process"])
def test_what_is_raised_tells_no_secret(name: str, secret: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Orchestrator(path) as orchestrator:
        child = Child(id="a", task=name, input={"token": SecretRef(secret), "how": "raise"})
        run = orchestrator.start(Parallel(children=[child], retry=Retry(max_attempts=2)))
        error = run.result(timeout=60).errors["a"]
    assert "cannot log in with" in error["message"]
    assert "***" in error["message"]
    assert VALUE not in str(error)
    assert holders(path, VALUE.encode()) == []
    assert holders(path, json.dumps(VALUE)[1:-1].encode()) == []


def test_a_file_is_read_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abcdef\n")
    with Orchestrator("memory:") as orchestrator:
        child = use.child(token=SecretRef(f"file:{tmp_path}/token"))
        output = orchestrator.start(Parallel(children=[child])).result(timeout=30).outputs
    assert next(iter(output.values()))["length"] == 6


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("env:ORCHESTRATOR_TEST_NOT_THERE", "no such variable"),
        ("file:/nowhere/at/all", "No such file"),
        ("file:/etc", "no plain file"),
        ("file:/dev/zero", "no plain file"),
    ],
)
def test_a_secret_that_is_not_there_is_the_childs_failure(name: str, reason: str, tmp_path: Path) -> None:
    with Orchestrator("memory:") as orchestrator:
        children = [Child(id="a", task="secret-use", input={"token": SecretRef(name)}), Child(id="b", command="true")]
        result = orchestrator.start(Parallel(children=children, on_decided="continue")).settle(timeout=30)
        assert result.errors["a"]["type"] == "SecretNotFound"
        assert name in result.errors["a"]["message"]
        assert reason in result.errors["a"]["message"]
        assert result.counts.succeeded == 1


def test_a_large_input_may_name_a_secret(secret: str, tmp_path: Path) -> None:
    with Orchestrator(tmp_path / "s.db") as orchestrator:
        child = Child(id="a", task="secret-large", input={"token": SecretRef(secret), "text": "x" * 100_000})
        assert orchestrator.start(Parallel(children=[child])).result(timeout=30).outputs == {"a": 100_000 + len(VALUE)}
    assert holders(tmp_path / "s.db", b"swordfish") == []


def test_a_nested_run_names_secrets_and_the_same_content_is_the_same_run(secret: str, tmp_path: Path) -> None:
    def asked(name: str) -> Parallel:
        inner = Parallel(children=[Child(id="a", task="secret-use", input={"token": SecretRef(name)})])
        return Parallel(children=[Child(id="inner", parallel=inner), use.child(token=SecretRef(name))])

    with Orchestrator(tmp_path / "s.db") as orchestrator:
        assert orchestrator.start(asked(secret), id="r").settle(timeout=30).counts.succeeded == 2
        assert orchestrator.start(asked(secret), id="r").status().settled
        with pytest.raises(UsageError, match="other content"):
            orchestrator.start(asked("env:ANOTHER"), id="r")
        assert orchestrator.get("r/inner").result(timeout=10).outputs["a"]["length"] == len(VALUE)


def test_data_of_the_users_own_is_never_taken_for_a_secret(secret: str) -> None:
    given_data = {"token": secret, "how": "fine"}
    with Orchestrator("memory:") as orchestrator:
        run = orchestrator.start(Parallel(children=[Child(id="a", task="secret-use", input=given_data)]))
        assert run.result(timeout=30).outputs["a"]["length"] == len(secret)


@pytest.mark.parametrize("name", ["", "API_TOKEN", "env:", "env:A-B", "env:A=B", "file:relative", "file:", "vault:x"])
def test_what_names_no_secret_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="env:NAME or file:/absolute/path"):
        SecretRef(name)


def test_a_command_is_given_none() -> None:
    with Orchestrator("memory:") as orchestrator, pytest.raises(UsageError, match="reads them itself"):
        orchestrator.start(Parallel(children=[Child(command="true", input=SecretRef("env:A"))]))


PLAN = """
tasks:
  - {id: a, use: "tests.privacy.test_secrets:use", with: {how: fine}, secrets: {token: "env:API_TOKEN"}}
"""


def test_a_plan_names_secrets(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    (child,) = load_plan(path).parallel.listed
    assert child.input == {"how": "fine", "token": SecretRef("env:API_TOKEN")}
    for bad, why in (
        ("env:API_TOKEN", ""),
        ("API_TOKEN", "env:NAME"),
        ("{env: A}", "text"),
    ):
        path.write_text(PLAN.replace('"env:API_TOKEN"', bad))
        if why:
            with pytest.raises(UsageError, match=why):
                load_plan(path)
    path.write_text("tasks: [{id: a, run: x, secrets: {token: 'env:A'}}]")
    with pytest.raises(UsageError, match="goes with use"):
        load_plan(path)
    path.write_text(PLAN.replace("how: fine", "token: fine"))
    with pytest.raises(UsageError, match="stands under with, too"):
        load_plan(path)


# The parts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, list | dict):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, (*path, key))


@given(JSON)
def test_every_place_of_an_input_can_hold_a_secret(value: object) -> None:
    for path in paths(value):
        with pytest.raises(SecretNotFoundError):
            revealed(json.dumps(value), [pointer(path)])


def test_a_place_that_is_not_there_is_said_to_be_missing() -> None:
    for place in ("/a", "/0", "/b/c", "x"):
        with pytest.raises(SecretNotFoundError, match=r"no place|no name"):
            revealed('{"b": 1}', [place])


@given(JSON)
def test_what_tells_no_secret_stays_as_it_is(value: object) -> None:
    text = json.dumps(value)
    assert scrubbed_json(text, ("never-there", "abc")) == text


def test_an_input_that_holds_itself_or_is_no_input_at_all_names_no_secret() -> None:
    within: list[object] = [SecretRef("env:A")]
    within += [within, within]
    deep: list[object] = [SecretRef("env:A")]
    for _ in range(300):
        deep = [deep]
    wide = [[SecretRef("env:A")] * 1_000] * 2_000
    for value in (within, deep, wide):
        assert secrets_in(value) == []
    assert secrets_in([{"a": [SecretRef("env:A")]}, SecretRef("env:B")]) == [(0, "a", 0), (1,)]
