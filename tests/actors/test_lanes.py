"""Which actors share a thread. What they share besides, such as the directory, has no lock for that reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actors.directory import Directory
from actors.hearing import Hearing
from actors.messages import RetryDue, ToParent
from actors.runtime import Address, OnDeath, Runtime, RuntimeActor
from actors.supervisor import Service, SupervisorActor
from actors.surroundings import Surroundings
from actors.threaded import ThreadedRuntime
from events.limits import DEFAULT_LIMITS
from tests.support.noting import NotingExecutor
from tests.support.waiting import until


class Deaf(RuntimeActor):
    """A service that does nothing."""

    def on_receive(self, message: Any) -> None:
        pass


class Noting(Address):
    """The address of a service that notes on which threads it is told something."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()

    def tell(self, message: Any) -> bool:
        self.threads.add(threading.current_thread().name)
        return super().tell(message)


@pytest.fixture
def runtime() -> Iterator[ThreadedRuntime]:
    made = ThreadedRuntime()
    yield made
    assert made.close(timeout_seconds=20)


def test_the_supervisor_and_all_parents_take_turns_on_one_thread(runtime: ThreadedRuntime) -> None:
    loader, supervisor, makers, deaths = Noting(), Address(), set[str](), list[BaseException]()
    around = Surroundings(
        owner="me",
        owner_alive=lambda owner: owner == "me",
        task_known=lambda _: True,
        end_leftovers=lambda _, __: None,
        nested=NotingExecutor(),
        limits=DEFAULT_LIMITS,
        live_runs=lambda: 1,
        loader=loader,
        supervisor=supervisor,
    )

    def make(here: Runtime, on_death: OnDeath) -> RuntimeActor:
        makers.add(threading.current_thread().name)  # the supervisor's: it is who makes services
        return Deaf(here, on_death)

    directory = Directory(lambda parent_id, listener: Hearing(parent_id, listener, lambda _: None, 1))
    services = (Service("loader", loader, make),)
    supervisor.ref = runtime.spawn(
        lambda rt: SupervisorActor(rt, lambda _, error: deaths.append(error), around, directory, services)
    )
    for name in "pq":
        supervisor.tell(ToParent(name, RetryDue))
    until(lambda: loader.threads and len(directory.snapshot()) == 2, what="two parents that have asked to be read")
    assert loader.threads == makers
    assert len(makers) == 1
    assert deaths == []


class Looking(RuntimeActor):
    """Notes whether its lane is idle while it handles a message; the first one waits until it may go on."""

    def __init__(self, runtime: Runtime, on_death: OnDeath, go_on: threading.Event) -> None:
        super().__init__(runtime, on_death)
        self.go_on = go_on
        self.idle: list[bool] = []

    def on_receive(self, message: Any) -> None:
        assert self.go_on.wait(20)
        self.idle.append(self.runtime.idle(self.lane))


def test_a_lane_is_idle_where_nothing_waits_behind_what_is_handled(runtime: ThreadedRuntime) -> None:
    go_on, looking = threading.Event(), list[Looking]()

    def make(here: Runtime) -> Looking:
        looking.append(Looking(here, lambda _, __: None, go_on))
        return looking[0]

    ref = runtime.spawn(make)  # which tells it to begin
    ref.tell("second")
    ref.tell("third")
    go_on.set()
    until(lambda: len(looking[0].idle) == 3, what="three messages handled")
    assert looking[0].idle == [False, False, True]
