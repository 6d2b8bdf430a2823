"""Fixtures of worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.desk import Desk, MakeDesk, pids, place

from actors.executors.processes import ProcessExecutor


@pytest.fixture
def make_desk() -> Iterator[MakeDesk]:
    made: list[Desk] = []

    def make(processes_max: int = 2, payload_bytes_max: int = 1_000, **options: Any) -> Desk:
        executor = ProcessExecutor(place, processes_max=processes_max, payload_bytes_max=payload_bytes_max, **options)
        made.append(Desk(executor))
        return made[-1]

    yield make
    for desk in made:
        desk.executor.close(grace_seconds=0)


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    return make_desk()


@pytest.fixture(scope="module")
def lasting() -> Iterator[Desk]:
    executor = ProcessExecutor(place, processes_max=1, payload_bytes_max=1_000)
    made = Desk(executor)
    assert made.output("double", x=1) == 2
    yield made
    executor.close(grace_seconds=0)


@pytest.fixture
def kept(lasting: Desk) -> Iterator[Desk]:
    """One worker process that goes through many tests, and must survive them all."""
    lasting.executor.forget([lasting.key(child_id) for child_id in lasting.endings])
    lasting.endings.clear()
    lasting.progress.clear()
    before = pids(lasting)
    yield lasting
    assert pids(lasting) == before
