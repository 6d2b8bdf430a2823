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
        journal=Address(),
        loader=loader,
        pool=Address(),
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
