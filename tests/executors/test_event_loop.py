"""What holds for coroutines alone: thousands on one thread, cancelled as asyncio does it, whatever they do to it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.deeds import Deeds
from tests.support.reports import Reports, key, work
from tests.support.waiting import until

from actors.executors.coroutines import AsyncExecutor
from actors.executors.work import Ending
from orchestrator import current_child


@pytest.fixture
def deeds() -> Deeds:
    return Deeds()


@pytest.fixture
def executor(deeds: Deeds) -> Iterator[AsyncExecutor]:
    made = AsyncExecutor(deeds.find, payload_bytes_max=10_000)
    yield made
    deeds.gate.set()
    made.close(grace_seconds=10)


@pytest.fixture
def reports() -> Reports:
    return Reports()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("orchestrator-")}


# One loop


def test_nothing_begins_before_the_first_work(deeds: Deeds) -> None:
    before = threads()
    AsyncExecutor(deeds.find, payload_bytes_max=10_000).close(grace_seconds=0)
    assert threads() == before


def test_thousands_wait_at_a_time_on_one_thread(deeds: Deeds, executor: AsyncExecutor, reports: Reports) -> None:
    together = 3_000

    async def meet() -> int:
        deeds.note()
        while len(deeds.begun) < together:
            await asyncio.sleep(0.01)
        return threading.get_ident()

    deeds.tasks["meet"] = meet
    executor.submit([work(str(number), "meet", timeout_seconds=60) for number in range(together)], reports.done)
    until(lambda: len(reports.all) == together)
    assert len({ending.output for _, ending in reports.all}) == 1
    assert not executor._roll.open
    assert not executor._alarms._due


def test_one_that_forgets_to_await_harms_nobody(deeds: Deeds, executor: AsyncExecutor, reports: Reports) -> None:
    """What a task begins and leaves behind runs on; it ends when the loop does."""
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("background")

    async def begin() -> None:
        deeds.seen.append(repr(asyncio.create_task(background())))
        await asyncio.sleep(0)

    deeds.tasks["begin"] = begin
    executor.submit([work("a", "begin")], reports.done)
    assert reports.of("a").outcome == "succeeded"
    executor.close(grace_seconds=5)
    assert ended == ["background"]


# Cancelling


def test_after_its_grace_a_coroutine_is_cancelled_where_it_waits(
    deeds: Deeds, executor: AsyncExecutor, reports: Reports
) -> None:
    async def tidy() -> None:
        deeds.note()
        try:
            await asyncio.sleep(60)
        finally:
            deeds.seen.append(f"cancelled: {current_child().cancelled.is_set()}")

    deeds.tasks["tidy"] = tidy
    executor.submit([work("a", "tidy", grace_seconds=0.02)], reports.done)
    until(lambda: deeds.begun)
    executor.cancel([key("a")], reason="enough")
    assert reports.of("a").outcome == "cancelled"
    assert reports.error("a") == {"type": "Cancelled", "message": "enough"}
    assert deeds.seen == ["cancelled: True"]


def test_one_whose_time_is_up_is_cancelled_at_once_and_may_tidy_up(
    deeds: Deeds, executor: AsyncExecutor, reports: Reports
) -> None:
    async def tidy() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)
            deeds.seen.append("tidied up")
        return "too late"

    deeds.tasks["tidy"] = tidy
    executor.submit([work("a", "tidy", timeout_seconds=0.02)], reports.done)
    assert reports.of("a").outcome == "timed_out"
    assert reports.error("a")["type"] == "TimedOut"
    assert deeds.seen == ["tidied up"], "it is over when it has ended"
    executor.forget([key("a")])
    assert reports.count("a") == 1


def test_one_that_was_cancelled_before_it_began_never_runs(
    deeds: Deeds, executor: AsyncExecutor, reports: Reports
) -> None:
    async def block() -> None:
        deeds.note()
        deeds.gate.wait(30)

    async def never() -> None:
        deeds.note()

    deeds.tasks |= {"block": block, "never": never}
    executor.submit([work("block", "block")], reports.done)
    until(lambda: deeds.begun)
    executor.submit([work("a", "never"), work("b", "never", timeout_seconds=0.02)], reports.done)
    executor.cancel([key("a")], reason="enough")
    assert reports.of("a").outcome == "cancelled"
    assert reports.of("b").outcome == "timed_out", "its time is up though the loop is blocked"
    deeds.gate.set()
    assert reports.of("block").outcome == "succeeded"
    executor.close(grace_seconds=5)
    assert deeds.begun == ["block"]


# Blocking the loop, stopping it, breaking it


def test_one_that_blocks_the_loop_loses_nobody_an_ending(
    deeds: Deeds, executor: AsyncExecutor, reports: Reports
) -> None:
    async def block() -> str:
        deeds.note()
        deeds.gate.wait(30)
        return "late"

    async def wait() -> None:
        deeds.note()
        await asyncio.sleep(60)

    deeds.tasks |= {"block": block, "wait": wait}
    executor.submit([work("wait", "wait", timeout_seconds=0.2, grace_seconds=0.05)], reports.done)
    until(lambda: deeds.begun)
    executor.submit([work("block", "block", timeout_seconds=0.05, grace_seconds=0.05)], reports.done)
    assert reports.of("block").outcome == "timed_out"
    assert reports.of("wait").outcome == "timed_out"
    executor.forget([key("wait"), key("block")])
    deeds.gate.set()
    assert reports.of("block", number=2) == Ending("succeeded", '"late"', late=True)
    assert reports.of("wait", number=2).late


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_in_a_task_of_a_task_costs_that_attempt_alone(
    deeds: Deeds, executor: AsyncExecutor, reports: Reports, error: BaseException
) -> None:
    async def leave() -> None:
        raise error

    async def begin() -> None:
        await asyncio.create_task(leave())

    async def wait() -> None:
        deeds.note()
        while not deeds.gate.is_set():
            await asyncio.sleep(0.005)

    deeds.tasks |= {"begin": begin, "wait": wait}
    executor.submit([work("wait", "wait")], reports.done)
    until(lambda: deeds.begun)
    executor.submit([work("a", "begin")], reports.done)
    assert reports.error("a")["type"] == type(error).__name__
    deeds.gate.set()
    assert reports.of("wait").outcome == "succeeded"


def test_one_that_stops_the_loop_stops_nothing(deeds: Deeds, executor: AsyncExecutor, reports: Reports) -> None:
    async def stop() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.01)

    deeds.tasks["stop"] = stop
    executor.submit([work("a", "stop"), work("b", "stop")], reports.done)
    assert reports.of("a").outcome == reports.of("b").outcome == "succeeded"


def test_coroutines_may_use_threads_of_their_own(deeds: Deeds, executor: AsyncExecutor, reports: Reports) -> None:
    async def elsewhere() -> str:
        return await asyncio.to_thread(lambda: current_child().key)

    deeds.tasks["elsewhere"] = elsewhere
    executor.submit([work("a", "elsewhere")], reports.done)
    assert reports.of("a").output == '"p/a"'
    executor.close(grace_seconds=5)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("asyncio")]


# Closing


def test_closing_cancels_what_does_not_end_by_itself(deeds: Deeds, executor: AsyncExecutor, reports: Reports) -> None:
    async def tidy() -> None:
        deeds.note()
        try:
            await asyncio.sleep(60)
        finally:
            deeds.seen.append("tidied up")

    deeds.tasks["tidy"] = tidy
    executor.submit([work("a", "tidy")], reports.done)
    until(lambda: deeds.begun)
    executor.close(grace_seconds=0.02)
    assert reports.of("a").lost == "the orchestrator was closed"
    assert deeds.seen == ["tidied up"]
    assert not threads()


def test_one_that_swallows_everything_is_left_without_a_word(
    deeds: Deeds, reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    async def stubborn() -> None:
        deeds.note()
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                deeds.seen.append("swallowed")

    deeds.tasks["stubborn"] = stubborn
    executor = AsyncExecutor(deeds.find, payload_bytes_max=10_000)
    executor.submit([work("a", "stubborn"), work("b", "stubborn", timeout_seconds=0.02, grace_seconds=0)], reports.done)
    assert reports.of("b").outcome == "timed_out"
    executor.close(grace_seconds=0.02)
    assert "before the task ended" in (reports.of("a").lost or "")
    until(lambda: not threads())
    del executor
    gc.collect()
    assert reports.count("a") == reports.count("b") == 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_closing_from_the_loop_itself_does_not_wait_for_itself(deeds: Deeds, reports: Reports) -> None:
    executor = AsyncExecutor(deeds.find, payload_bytes_max=10_000)

    async def close() -> None:
        executor.close(grace_seconds=30)

    deeds.tasks["close"] = close
    begun = time.monotonic()
    executor.submit([work("a", "close")], reports.done)
    assert "closed" in (reports.of("a").lost or "")
    until(lambda: not threads())
    assert time.monotonic() - begun < 20, "it did not wait for its own end"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_dies_is_replaced_and_what_ran_on_it_is_lost(
    deeds: Deeds, executor: AsyncExecutor, reports: Reports
) -> None:
    async def wait() -> None:
        deeds.note()
        await asyncio.sleep(60)

    async def break_it() -> None:
        loop: Any = asyncio.get_running_loop()
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), loop._selector.fileno())  # what the loop waits on is no selector any more
        await asyncio.sleep(60)

    async def whole() -> str:
        return "whole"

    deeds.tasks |= {"wait": wait, "break": break_it, "whole": whole}
    executor.submit([work("a", "wait")], reports.done)
    until(lambda: deeds.begun)
    executor.submit([work("b", "break")], reports.done)
    assert reports.of("a").lost == reports.of("b").lost == "the event loop that it ran on died"
    executor.submit([work("c", "whole")], reports.done)
    assert reports.of("c").output == '"whole"'
