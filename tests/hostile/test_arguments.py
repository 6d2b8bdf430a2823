"""The Python face: whatever is handed in, of any type and shape, is taken or is one `OrchestratorError`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.executors.failures import describe
from orchestrator import (
    Child,
    Orchestrator,
    OrchestratorError,
    Parallel,
    Retry,
    RunHaltedError,
    Threshold,
    Throttle,
    batches,
    current_child,
    task,
)
from orchestrator.given import shown_value
from orchestrator.interfaces import Response
from orchestrator.tasks import TaskRegistry
from tests.hostile.effort import tries
from tests.hostile.names import NAMES


class Mine(str):
    """A text of its own kind."""

    __slots__ = ()


class Rude:
    """An object that must not be touched."""

    def __repr__(self) -> str:
        raise RuntimeError("it was shown")

    __str__ = __repr__
    __hash__ = None  # type: ignore[assignment]


def _deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(10_000):
        value = [value]
    return value


def _cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


HUGE = 10**5_000
SCALARS: list[Any] = [
    *(None, True, 0, -1, 1, 10**18, 10**30, HUGE, -HUGE, 0.5, -0.5, 1e300, float("nan"), float("inf"), 1j),
    *(b"x", Mine("x"), (), {1: 2}, {"a": {1}}, object(), Rude(), Rude, [Rude()], {"x": Rude()}, len, iter([1]), ...),
    *(_deep(), _cycle(), range(3), NotImplemented, {"max_attempts": 1}, {"count": 1}),
]
SCALAR = st.integers(0, len(SCALARS) - 1).map(lambda place: SCALARS[place])
"""By place, since Hypothesis would look at the values' texts otherwise."""
ODD = st.one_of(
    SCALAR,
    st.sampled_from(list(NAMES.values())),
    st.recursive(
        SCALAR,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
)

registry = TaskRegistry()


@task(name="hostile-anything")
def anything(**_: object) -> int:
    return 1


@task(name="hostile-beat")
def beat(place: int, part: str) -> int:
    current_child().heartbeat(**{part: (*SCALARS, *NAMES.values())[place]})
    return 1


def _child(**fields: Any) -> Parallel:
    return Parallel(children=[Child(**fields)])


def _whole(**fields: Any) -> Parallel:
    return Parallel(**{"children": [anything.child()], **fields})


def _made(orchestrator: Orchestrator) -> str:
    """Return a parent whose child an engine runs by itself."""
    parent_id = orchestrator.create_state(Parallel()).id
    orchestrator.prepare_children(parent_id, [anything.child().with_id("a")])
    orchestrator.create_children(parent_id)
    return parent_id


def _starting(make: Callable[[dict[str, Any]], Parallel], name: str) -> Callable[[Orchestrator, Any], object]:
    """Return what starts a run with one field of its definition set."""
    return lambda orchestrator, value: orchestrator.start(make({name: value}))


def _asking(method: str, name: str) -> Callable[[Any, Any], object]:
    """Return what asks something of a run with one argument set."""
    return lambda run, value: getattr(run, method)(**{name: value})


START: dict[str, Callable[[Orchestrator, Any], object]] = {
    **{
        f"Child.{name}": _starting(lambda fields: _child(**{"task": anything, **fields}), name)
        for name in Child.model_fields
        if name != "command"
    },
    "Child.command": lambda o, v: _child(command=v),
    "Child.model_copy": lambda o, v: o.start(Parallel(children=[anything.child().model_copy(update={"timeout": v})])),
    "Parallel.model_copy": lambda o, v: o.start(_whole().model_copy(update={"timeout": v})),
    "Child.unknown": lambda o, v: _child(task=anything, nope=v),
    **{f"Parallel.{name}": _starting(lambda fields: _whole(**fields), name) for name in Parallel.model_fields},
    **{
        f"Threshold.{name}": _starting(lambda fields: _whole(strategy=Threshold(**{"count": 1, **fields})), name)
        for name in Threshold.model_fields
    },
    **{f"Retry.{name}": _starting(lambda fields: _whole(retry=Retry(**fields)), name) for name in Retry.model_fields},
    "task.child": lambda o, v: o.start(Parallel(children=[anything.child(a=v)])),
    "start": lambda o, v: o.start(v),
    "start(id)": lambda o, v: o.start(_whole(), id=v),
    "start(timeout)": lambda o, v: o.start(_whole(), timeout=v),
    "start(reply_to)": lambda o, v: o.start(_whole(), reply_to=v),
    "create_state": lambda o, v: o.create_state(v),
    "create_state(id)": lambda o, v: o.create_state(_whole(), id=v),
    "prepare_children(id)": lambda o, v: o.prepare_children(v, [anything.child()]),
    "prepare_children": lambda o, v: o.prepare_children(_made(o), v),
    "prepare_children(child)": lambda o, v: o.prepare_children(_made(o), [v]),
    "handle_response(child)": lambda o, v: o.handle_response(_made(o), v, Response("succeeded")),
    "handle_response": lambda o, v: o.handle_response(_made(o), "a", v),
    "handle_response(outcome)": lambda o, v: o.handle_response(_made(o), "a", Response(v)),
    "handle_response(output)": lambda o, v: o.handle_response(_made(o), "a", Response("succeeded", output=v)),
    "create_children": lambda o, v: o.create_children(v),
    "prepare_execution": lambda o, v: o.prepare_execution(v),
    "get_children_metadata": lambda o, v: o.get_children_metadata(v),
    "calculate_status": lambda o, v: o.calculate_status(v),
    "get": lambda o, v: o.get(v),
    "resume": lambda o, v: o.resume(v),
    "list(status)": lambda o, v: o.list(status=v),
    "list(limit)": lambda o, v: o.list(limit=v),
    "list(after)": lambda o, v: o.list(after=v),
    "Throttle.key": lambda o, v: Throttle(key=v, max_running=1),
    "Throttle.per_second": lambda o, v: Throttle(key="a", per_second=v),
    "Orchestrator(max_workers)": lambda o, v: Orchestrator("memory:", max_workers=v).close(),
    "Orchestrator(shutdown_seconds)": lambda o, v: Orchestrator("memory:", shutdown_seconds=v).close(),
    "Orchestrator(busy_timeout_seconds)": lambda o, v: Orchestrator("memory:", busy_timeout_seconds=v).close(),
    "Orchestrator(throttles)": lambda o, v: Orchestrator("memory:", throttles=v).close(),
    "Orchestrator(executors)": lambda o, v: Orchestrator("memory:", executors=v).close(),
    "batches": lambda o, v: next(batches(v, count=1), None),
    "batches(count)": lambda o, v: next(batches([1], count=v), None),
    "batches(item)": lambda o, v: next(batches([v], bytes_max=10)),
    "task": lambda o, v: registry.alias(v, anything),
}
RUN: dict[str, Callable[[Any, Any], object]] = {
    "status": lambda run, v: run.status(at=v),
    "cancel": lambda run, v: run.cancel(v),
    "cancel(child)": lambda run, v: run.cancel(child=v),
    "pause": lambda run, v: run.pause(v),
    "resume": lambda run, v: run.resume(timeout=v),
    **{f"update({name})": _asking("update", name) for name in ("max_workers", "strategy", "weight", "priority")},
    **{f"redrive({name})": _asking("redrive", name) for name in ("outcome", "ids", "error_type", "reason", "timeout")},
    "add": lambda run, v: run.add(v),
    "add(child)": lambda run, v: run.add([v]),
    "close": lambda run, v: run.close(timeout=v),
    "as_completed": lambda run, v: list(run.as_completed(timeout=v)),
    "watch": lambda run, v: list(run.watch(timeout=v)),
    "children(outcome)": lambda run, v: run.children(outcome=v),
    "children(limit)": lambda run, v: run.children(limit=v),
    "children(after)": lambda run, v: run.children(after=v),
    "result": lambda run, v: run.result(timeout=v),
    "settle": lambda run, v: run.settle(timeout=v),
}


@pytest.fixture
def orchestrator() -> Iterator[Orchestrator]:
    with Orchestrator("memory:", max_workers=2) as made:
        yield made


@pytest.mark.parametrize("call", START.values(), ids=START)
def test_every_argument_is_taken_or_refused_clearly(
    orchestrator: Orchestrator, call: Callable[[Orchestrator, Any], object]
) -> None:
    for value in (*SCALARS, *NAMES.values()):
        _taken_or_refused(partial(call, orchestrator, value))


@pytest.mark.parametrize("call", RUN.values(), ids=RUN)
def test_every_question_is_answered_or_refused_clearly(
    orchestrator: Orchestrator, call: Callable[[Any, Any], object]
) -> None:
    run = orchestrator.start(_whole())
    run.settle(timeout=30)
    for value in (*SCALARS, *NAMES.values()):
        _taken_or_refused(partial(call, run, value))


@pytest.mark.parametrize("part", ["progress", "message"])
def test_every_heartbeat_is_taken_or_fails_its_own_attempt(orchestrator: Orchestrator, part: str) -> None:
    children = [beat.child(place=place, part=part) for place in range(len(SCALARS) + len(NAMES))]
    result = orchestrator.start(Parallel(children=children, on_decided="continue")).settle(timeout=60)
    assert result.counts.succeeded + result.counts.failed == len(children)
    assert {error["type"] for error in result.errors.values()} <= {"UsageError", "LimitExceededError"}


@given(what=st.sampled_from(sorted(START)), value=ODD)
@tries(100)
def test_every_shape_is_taken_or_refused_clearly(what: str, value: object) -> None:
    with Orchestrator("memory:", max_workers=2) as orchestrator:
        _taken_or_refused(lambda: START[what](orchestrator, value))


@pytest.mark.parametrize("value", [5, None, b"x", Rude(), [], HUGE, "", "a\0b"], ids=lambda value: type(value).__name__)
def test_every_store_is_opened_or_refused_clearly(value: Any) -> None:
    with pytest.raises(OrchestratorError):
        Orchestrator(value)


def _taken_or_refused(call: Callable[[], object]) -> None:
    try:
        call()
    except OrchestratorError as error:
        told = error
    else:
        return
    assert str(told)
    assert not isinstance(told, RunHaltedError)
    describe(told)


@pytest.mark.parametrize("value", [*SCALARS, *NAMES.values()], ids=lambda value: type(value).__name__)
def test_a_value_is_shown_shortly_and_untouched(value: object) -> None:
    shown = shown_value(value)
    assert shown.isprintable()
    assert len(shown) <= 80
