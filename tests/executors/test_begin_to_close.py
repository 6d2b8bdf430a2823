"""Executors that are told that they are about to be closed: they ask everything to stop, and wait for nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.desk import Desk, gone, pid_in, place
from tests.support.waiting import until

from actors.executors.coroutines import AsyncExecutor
from actors.executors.futures import FuturesExecutor
from actors.executors.futures_call import Callee
from actors.executors.processes import ProcessExecutor
from actors.executors.threads import ThreadExecutor
from orchestrator import current_child


def test_workers_are_asked_and_free_ones_end_before_anybody_waits(tmp_path: Path) -> None:
    executor = ProcessExecutor(place, processes_max=2, payload_bytes_max=1_000)
    desk = Desk(executor)
    begun = [tmp_path / "a", tmp_path / "b"]
    desk.submit(
        desk.work("wait_for", "a", path=str(tmp_path / "never"), begun=str(begun[0])),
        desk.work("wait_for", "b", path=str(tmp_path / "gate"), begun=str(begun[1]), listen=False),
        desk.work("double", "c", x=1),
    )
    polite, stubborn = pid_in(begun[0]), pid_in(begun[1])
    executor.begin_to_close()
    assert desk.ending("c").lost == "the orchestrator was closed", "it had not begun"
    assert desk.ending("a").lost == "the orchestrator was closed", "it ended as it was asked to"
    until(lambda: gone(polite), what="the end of the worker that is free")
    assert not gone(stubborn), "nobody is forced before `close`"
    executor.begin_to_close()
    desk.submit(desk.work("double", "d", x=1))
    assert desk.ending("d").lost == "the orchestrator was closed", "nothing is taken any more"
    (tmp_path / "gate").touch()
    assert desk.ending("b").outcome == "succeeded", "what ends by itself keeps its ending"
    executor.close(grace_seconds=0)
    assert executor.process_ids == []


def test_what_does_not_listen_is_killed_by_the_close_that_follows(tmp_path: Path) -> None:
    executor = ProcessExecutor(place, processes_max=1, payload_bytes_max=1_000)
    desk = Desk(executor)
    desk.submit(desk.work("wait_for", path=str(tmp_path / "never"), begun=str(tmp_path / "begun"), listen=False))
    worker = pid_in(tmp_path / "begun")
    executor.begin_to_close()
    assert not gone(worker)
    executor.close(grace_seconds=0.1)
    assert gone(worker)
    assert desk.ending().lost == "the orchestrator was closed"


def test_an_executor_that_never_ran_anything_takes_nothing_after_that(tmp_path: Path) -> None:
    executor = ProcessExecutor(place, processes_max=1, payload_bytes_max=1_000)
    executor.begin_to_close()
    desk = Desk(executor)
    assert desk.run("double", x=1).lost == "the orchestrator was closed"
    executor.close(grace_seconds=0)


def listen() -> str:
    assert current_child().cancelled.wait(60)
    return "asked"


async def listen_on_the_loop() -> str:
    while not current_child().cancelled.is_set():
        await asyncio.sleep(0.005)
    return "asked"


def of_threads(_: ThreadPoolExecutor) -> ThreadExecutor:
    return ThreadExecutor(lambda _: listen, threads_max=1, payload_bytes_max=1_000)


def of_the_loop(_: ThreadPoolExecutor) -> AsyncExecutor:
    return AsyncExecutor(lambda _: listen_on_the_loop, payload_bytes_max=1_000)


def of_the_users(pool: ThreadPoolExecutor) -> FuturesExecutor:
    return FuturesExecutor(lambda _: Callee(listen, listen), pool, name="pool", payload_bytes_max=1_000)


@pytest.mark.parametrize("make", [of_threads, of_the_loop, of_the_users])
def test_the_others_ask_what_runs_take_back_what_waits_and_refuse_what_comes(make: Callable[..., Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        executor = make(pool)
        desk = Desk(executor)
        desk.submit(desk.work("x", "a"))
        until(lambda: executor._roll.open[desk.key("a")].started)
        executor.begin_to_close()
        assert desk.ending("a").output == '"asked"'
        desk.submit(desk.work("x", "b"))
        assert desk.ending("b").lost == "the orchestrator was closed"
        began = time.monotonic()
        executor.close(grace_seconds=30)
        assert time.monotonic() - began < 30, "there is nothing to wait for"


def test_what_a_pool_has_not_begun_is_taken_back() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(release.wait, 60)
        executor = of_the_users(pool)
        desk = Desk(executor)
        desk.submit(desk.work("x", "a"))
        until(lambda: executor._roll.open[desk.key("a")].future is not None)
        executor.begin_to_close()
        assert desk.ending("a").lost == "the orchestrator was closed"
        release.set()
        executor.close(grace_seconds=30)
