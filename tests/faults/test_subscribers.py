"""Those who listen: blocked, slow, raising, dead. The run goes on, and what they do stays with them."""

from __future__ import annotations

import gc
import logging
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pykka
import pytest

from actors.hearing import EndedChild
from events.log import open_log
from orchestrator import Child, Limits, Orchestrator, Parallel, ParentFinished, StartRun
from tests.face import tasks
from tests.faults.table import Tally
from tests.faults.verdict import judge_file
from tests.support.waiting import until

CHILDREN = 60


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def squares(number: int = CHILDREN) -> Parallel:
    return Parallel(children=[tasks.square.child(x=x) for x in range(number)])


class Listener:
    """Does what it is told to when it hears something."""

    def __init__(self, on_ended: Callable[[], Any] = tuple, on_changed: Callable[[], Any] = tuple) -> None:
        self.on_ended, self.on_changed = on_ended, on_changed
        self.heard: list[str] = []

    def children_ended(self, ended: Sequence[EndedChild]) -> None:
        self.heard += [child.child_id for child in ended]
        self.on_ended()

    def changed(self) -> None:
        self.on_changed()


def fail_with(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


ERRORS = [RuntimeError("mine"), SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError("deep")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["on_ended", "on_changed"])
def test_a_listener_that_raises_is_told_no_more_and_the_run_goes_on(
    store: Path, error: BaseException, where: str, caplog: pytest.LogCaptureFixture, tally: Tally
) -> None:
    good, gate = Listener(), f"{where}-{type(error).__name__}"
    with Orchestrator(store, max_workers=2) as orchestrator:
        children = [tasks.wait_at.child(gate=gate), *squares(10).listed]
        run = orchestrator.start(Parallel(children=children))
        run.listen(Listener(**{where: fail_with(error)}))
        run.listen(good)
        tasks.GATES[gate].set()
        assert run.settle(timeout=20).status == "succeeded"
        until(lambda: "wait_at-0" in good.heard, what="the other listener to hear of it")
    assert [record.message for record in caplog.records if "listener" in record.message] != []
    verdict = judge_file(store, max_workers=2)
    tally("listeners that raise", rounds=1, faults=1, lost=0, double=0, above_max=0, completed=verdict.settled)


def test_a_listener_that_blocks_holds_up_nobody(store: Path, tally: Tally) -> None:
    """Neither its own run nor others: it is told on a thread of its own."""
    blocked, gate = threading.Event(), threading.Event()

    def block() -> None:
        blocked.set()
        assert gate.wait(60)

    slow = Listener(on_ended=block)
    with Orchestrator(store, max_workers=2) as orchestrator:
        name = "blocking-listener"
        run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=name), *squares().listed]))
        run.listen(slow)
        tasks.GATES[name].set()
        assert blocked.wait(20)
        assert run.settle(timeout=20).status == "succeeded"
        assert orchestrator.start(squares()).settle(timeout=20).status == "succeeded"
        gate.set()
        until(lambda: len(slow.heard) >= 1 and {"wait_at-0", *run.settle(timeout=1).outputs}.issuperset(slow.heard))
    tally("listeners that block", rounds=1, faults=1, lost=0, completed=judge_file(store, max_workers=2).settled)


def test_what_waits_for_a_blocked_listener_is_bounded(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    gate, blocked = threading.Event(), threading.Event()

    def block() -> None:
        blocked.set()
        assert gate.wait(60)

    slow, name = Listener(on_ended=block), "bounded-listener"
    with Orchestrator(store, max_workers=4, limits=Limits(listener_backlog_max=50)) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=name), *squares(300).listed]))
        run.listen(slow)
        tasks.GATES[name].set()
        assert blocked.wait(20)
        assert run.settle(timeout=20).status == "succeeded"
        until(lambda: "listener_backlog_max" in caplog.text, what="a word about the listener")
        gate.set()
    assert len(slow.heard) < 300


def test_every_child_is_heard_of_before_close_returns(store: Path) -> None:
    listener, name = Listener(), "all-heard"
    with Orchestrator(store, max_workers=4) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=name), *squares(200).listed]))
        run.listen(listener)
        tasks.GATES[name].set()
        run.settle(timeout=20)
        known = len(run.children())
    assert "wait_at-0" in listener.heard
    assert len(set(listener.heard)) == len(listener.heard) <= known


# Actors that are to be told


class Told(pykka.ThreadingActor):
    """Somebody else's actor, which dies of what it is told, or takes its time."""

    def __init__(self, told: list[Any], on_told: Callable[[], Any] = lambda: None) -> None:
        super().__init__()
        self.told, self.on_told = told, on_told

    def on_receive(self, message: Any) -> Any:
        self.told.append(message)
        self.on_told()


@pytest.fixture
def make_told() -> Iterator[Callable[..., pykka.ActorRef[Told]]]:
    made: list[pykka.ActorRef[Told]] = []

    def make(*arguments: Any) -> pykka.ActorRef[Told]:
        made.append(Told.start(*arguments))
        return made[-1]

    yield make
    for ref in made:
        ref.stop(timeout=10)


def test_a_dead_actor_is_not_told_and_nobody_minds(store: Path, make_told: Callable[..., Any], tally: Tally) -> None:
    told: list[Any] = []
    dead, alive = make_told([]), make_told(told)
    dead.stop(timeout=5)
    with Orchestrator(store, max_workers=2) as orchestrator:
        orchestrator.start(squares(), id="a", reply_to=dead)
        orchestrator.ref.tell(StartRun(squares(), "b", dead))
        orchestrator.ref.tell(StartRun(squares(), "c", alive))
        until(lambda: told, what="the living one to be told")
        assert isinstance(told[0], ParentFinished)
        for run_id in ("a", "b"):
            until(lambda run_id=run_id: orchestrator.get(run_id).status().settled)  # type: ignore[misc]
    tally("reply_to dead, dying or slow", rounds=1, faults=2, completed=judge_file(store, max_workers=2).settled)


def test_an_actor_that_dies_of_the_message_hurts_only_itself(
    store: Path, make_told: Callable[..., Any], tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "pykka")
    told: list[Any] = []
    dying = make_told(told, fail_with(RuntimeError("of what I was told")))
    with Orchestrator(store, max_workers=2) as orchestrator:
        first = orchestrator.start(squares(), reply_to=dying)
        first.settle(timeout=20)
        until(lambda: told and not dying.is_alive(), what="the actor to die")
        assert orchestrator.start(squares(), id="next").settle(timeout=20).status == "succeeded"
    tally("reply_to dead, dying or slow", rounds=1, faults=1, completed=judge_file(store, max_workers=2).settled)


def test_a_slow_actor_holds_up_nobody(store: Path, make_told: Callable[..., Any], tally: Tally) -> None:
    gate = threading.Event()
    told: list[Any] = []
    slow = make_told(told, lambda: gate.wait(60))
    with Orchestrator(store, max_workers=2) as orchestrator:
        runs = [orchestrator.start(squares(5), id=f"r{number}", reply_to=slow) for number in range(20)]
        for run in runs:
            assert run.settle(timeout=20).status == "succeeded"
        gate.set()
        until(lambda: len(told) == 20, what="the slow one to be told of all")
    tally("reply_to dead, dying or slow", rounds=1, faults=1, completed=judge_file(store, max_workers=2).settled)


# Subscriptions to the log


def test_subscriptions_that_nobody_reads_hold_nothing(store: Path, tally: Tally) -> None:
    """A subscription reads when it is asked to. What happens meanwhile waits in the store, not in memory."""
    with Orchestrator(store, max_workers=4) as orchestrator, open_log(store) as log:
        unread = [log.subscribe() for _ in range(100)]
        orchestrator.start(squares(20)).settle(timeout=20)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for subscription in unread * 1000:
            subscription.wake()
        held = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert held < 2_000_000
        assert orchestrator.start(squares(200)).settle(timeout=30).status == "succeeded"
        found = [next(unread[0]) for _ in range(log.last_position())]
        assert len(found) == log.last_position()
        for subscription in unread:
            subscription.stop()
    tally("subscriptions unread or slow", rounds=1, faults=100, completed=judge_file(store, max_workers=4).settled)


def test_one_that_is_read_slowly_or_whose_thread_died_misses_nothing(store: Path, tally: Tally) -> None:
    with Orchestrator(store, max_workers=4) as orchestrator, open_log(store) as log:
        subscription = log.subscribe()
        seen: list[int] = []

        def read_some_and_die() -> None:
            seen.extend(next(subscription).id for _ in range(10))

        dying = threading.Thread(target=read_some_and_die)
        dying.start()
        run = orchestrator.start(squares(100))
        while not run.status().settled:
            seen += [next(subscription).id] if not dying.is_alive() else []
        dying.join(10)
        seen += [next(subscription).id for _ in range(log.last_position() - len(seen))]
        subscription.stop()
        assert seen == list(range(1, log.last_position() + 1))
        assert list(subscription) == []
    tally("subscriptions unread or slow", rounds=1, faults=2, completed=judge_file(store, max_workers=4).settled)


def test_commands_whose_output_nobody_takes_are_held_back(store: Path) -> None:
    """With `keep_raw` and a listener that keeps everything, no more commands start than may have open output."""
    kept: list[EndedChild] = []

    class Keeper(Listener):
        def children_ended(self, ended: Sequence[EndedChild]) -> None:
            kept.extend(ended)

    with Orchestrator(store, max_workers=4, keep_raw=True) as orchestrator:
        gate = store.parent / "gate"
        first = Child(command=f"while [ ! -e {gate} ]; do sleep 0.01; done; echo")
        run = orchestrator.start(Parallel(children=[first, *[Child(command="echo")] * 300], max_workers=1))
        run.listen(Keeper())
        gate.touch()
        until(lambda: len(kept) == 256, what="256 outputs to be open")
        assert run.status().counts.succeeded == 256
        for child in kept[:100]:
            assert child.ending is not None
            child.ending.raw.close()
        assert run.settle(timeout=20).status == "succeeded"
        until(lambda: len(kept) == 301)
        for child in kept[100:]:
            assert child.ending is not None
            child.ending.raw.close()
