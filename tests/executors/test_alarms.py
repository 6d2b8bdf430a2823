"""Calls that are made later: in time, in order, not when they were cleared; and nothing is left of these."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from random import Random

import pytest
from tests.support.waiting import until

from actors.executors.alarms import Alarms


@pytest.fixture
def alarms() -> Iterator[Alarms]:
    made = Alarms()
    yield made
    made.close()


def test_calls_are_made_in_order_and_not_too_soon(alarms: Alarms) -> None:
    called: list[tuple[int, float]] = []

    def call(number: int) -> None:
        called.append((number, time.monotonic()))

    begun = time.monotonic()
    delays = [number * 0.01 for number in range(20)]
    for number in Random(5).sample(range(20), 20):
        alarms.set(number, delays[number], partial(call, number))
    until(lambda: len(called) == 20)
    assert [number for number, _ in called] == list(range(20))
    assert all(at - begun >= delays[number] for number, at in called)


def test_a_name_is_set_once_until_it_was_called(alarms: Alarms) -> None:
    called: list[str] = []
    gate = threading.Event()
    alarms.set("gate", 0.0, lambda: gate.wait(20))
    assert alarms.set("a", 0.01, lambda: called.append("first"))
    assert alarms.set("a", 0.0, lambda: called.append("second"))
    gate.set()
    until(lambda: called)
    assert called == ["first"]
    alarms.set("a", 0.0, lambda: called.append("third"))
    until(lambda: called == ["first", "third"])


def test_what_was_cleared_is_not_called_and_leaves_little_behind(alarms: Alarms) -> None:
    called: list[str] = []
    for number in range(10_000):
        alarms.set(number, 3_600, lambda: called.append("never"))
        alarms.clear(number)
    assert not alarms._due
    assert len(alarms._heap) < 200
    alarms.set("a", 0.01, lambda: called.append("cleared"))
    alarms.clear("a")
    alarms.clear("nobody")
    alarms.set("a", 0.02, lambda: called.append("set again"))
    until(lambda: called)
    assert called == ["set again"]


def test_one_that_is_due_sooner_is_not_kept_waiting(alarms: Alarms) -> None:
    called: list[str] = []
    alarms.set("late", 3_600, lambda: called.append("late"))
    until(lambda: alarms._awake_at < float("inf"))
    alarms.set("soon", 0.0, lambda: called.append("soon"))
    until(lambda: called == ["soon"])


def test_a_call_may_close_them_all() -> None:
    alarms = Alarms()
    closed = threading.Event()

    def close() -> None:
        alarms.close()
        closed.set()

    alarms.set("close", 0.0, close)
    assert closed.wait(20)
    alarms.close()
