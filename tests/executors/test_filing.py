"""Around an executor: inputs are read before it has the work, large endings are on disk before they are told of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from tests.support.waiting import until

from actors.executors.coroutines import AsyncExecutor
from actors.executors.filing import FilingExecutor
from actors.executors.threads import ThreadExecutor
from actors.executors.work import AttemptKey, Ending, Executor, Work
from events.errors import StoreDamagedError, StoreUnavailableError
from events.log.payloads import FilePayloads
from events.payload_files import PayloadRef


class Gated(FilePayloads):
    """Files that are read once the gate is open; it is noted which threads write."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.gate = threading.Event()
        self.gate.set()
        self.reading = threading.Event()
        self.writers: set[str] = set()

    def get(self, ref: PayloadRef) -> str:
        self.reading.set()
        assert self.gate.wait(20)
        return super().get(ref)

    def put(self, text: str) -> PayloadRef:
        self.writers.add(threading.current_thread().name)
        return super().put(text)


class Told:
    """What was reported, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[AttemptKey, Ending]] = []

    def __call__(self, key: AttemptKey, ending: Ending) -> None:
        self.all.append((key, ending))

    def of(self, child_id: str) -> Ending:
        until(lambda: any(key.child_id == child_id for key, _ in self.all), what=f"the ending of {child_id}")
        return next(ending for key, ending in self.all if key.child_id == child_id)


@pytest.fixture
def payloads(tmp_path: Path) -> Gated:
    return Gated(tmp_path / "payloads")


@pytest.fixture
def calls() -> list[Any]:
    return []


async def _expand(length: int) -> str:
    return "x" * length


@pytest.fixture
def make(payloads: Gated, calls: list[Any]) -> Iterator[Callable[[str], FilingExecutor]]:
    made: list[FilingExecutor] = []

    def count(value: Any) -> str:
        calls.append(value)
        return str(value)

    def build(kind: str) -> FilingExecutor:
        inner: Executor = AsyncExecutor(lambda _: _expand, payload_bytes_max=10**6)
        if kind == "threads":
            inner = ThreadExecutor(lambda _: count, threads_max=2, payload_bytes_max=10**6)
        made.append(FilingExecutor(inner, payloads, inline_bytes_max=50))
        return made[-1]

    yield build
    payloads.gate.set()
    for executor in made:
        executor.close(grace_seconds=5)


def filed_work(payloads: Gated, child_id: str = "a", text: str = '"given"') -> Work:
    ref = payloads.put(text)
    payloads.writers.clear()
    return Work(AttemptKey("p", child_id, 1), 0, "task", "", input_file=ref)


def test_an_input_is_read_and_the_work_done_once(
    make: Callable[[str], FilingExecutor], payloads: Gated, calls: list[Any]
) -> None:
    executor, work = make("threads"), filed_work(payloads)
    payloads.gate.clear()
    first, second, third = Told(), Told(), Told()
    executor.submit([work], first)
    executor.submit([work], second)
    assert not calls
    payloads.gate.set()
    assert second.of("a") == Ending("succeeded", '"given"')
    executor.submit([work], third)
    assert third.of("a") == Ending("succeeded", '"given"')
    assert calls == ["given"]
    assert not first.all, "the one who asked last is told"


def test_our_thread_may_be_as_quick_as_it_likes(
    make: Callable[[str], FilingExecutor], payloads: Gated, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks for the work before whoever queued that has gone on."""
    executor, work, told = make("threads"), filed_work(payloads), Told()
    heard = payloads.reading

    def look(job: Callable[[], None]) -> None:
        job()
        heard.set()

    class Quick(SimpleQueue[Callable[[], None] | None]):
        def put(self, item: Callable[[], None] | None, block: bool = True, timeout: float | None = None) -> None:
            if item is None:
                return super().put(item)
            threading.Thread(target=look, args=(item,)).start()
            assert heard.wait(20), "it reads the input, or has dropped the work"
            return None

    monkeypatch.setattr(executor, "_queue", Quick())
    executor.submit([work], told)
    try:
        assert told.of("a") == Ending("succeeded", '"given"')
    finally:
        executor.close(grace_seconds=5)  # as long as it has this queue
    assert calls == ["given"]


def test_what_is_submitted_again_while_it_is_handed_over_comes_second(
    make: Callable[[str], FilingExecutor], payloads: Gated, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the other executor never has the work without its input."""
    executor, work, told, again = make("threads"), filed_work(payloads), Told(), Told()
    passed, inner = threading.Event(), executor._inner
    submit = inner.submit
    threads: list[threading.Thread] = []

    def intrude() -> None:
        if executor._lock.acquire(blocking=False):
            executor._lock.release()
        else:
            passed.set()
        executor.submit([work], again)

    def interrupted(*asked: Any) -> None:
        if not threads:
            threads.append(threading.Thread(target=intrude))
            threads[0].start()
            assert passed.wait(20), "it has to wait, or has come through"
        submit(*asked)
        passed.set()

    monkeypatch.setattr(inner, "submit", interrupted)
    executor.submit([work], told)
    until(lambda: told.all or again.all, what="an ending")
    threads[0].join(20)
    assert next(ending for _, ending in (*told.all, *again.all)) == Ending("succeeded", '"given"')
    assert calls == ["given"]


def test_what_is_cancelled_while_its_input_is_read_is_never_run(
    make: Callable[[str], FilingExecutor], payloads: Gated, calls: list[Any]
) -> None:
    executor, work = make("threads"), filed_work(payloads)
    payloads.gate.clear()
    told, again = Told(), Told()
    executor.submit([work], told)
    assert payloads.reading.wait(20)
    executor.cancel([work.key], reason="enough")
    assert told.of("a").outcome == "cancelled"
    executor.submit([work], again)
    assert again.of("a").outcome == "cancelled", "as often as it is asked for"
    payloads.gate.set()
    executor.forget([work.key])
    executor.close(grace_seconds=5)
    assert calls == []


def test_what_waits_for_its_input_is_lost_when_we_close(
    make: Callable[[str], FilingExecutor], payloads: Gated, calls: list[Any]
) -> None:
    executor, told = make("threads"), Told()
    payloads.gate.clear()
    executor.submit([filed_work(payloads, "a"), filed_work(payloads, "b", '"other"')], told)
    assert payloads.reading.wait(20)
    executor.stop_reading()
    assert (told.of("a").lost, told.of("b").lost) == ("the orchestrator was closed",) * 2
    payloads.gate.set()
    executor.close(grace_seconds=5)
    assert (len(told.all), calls) == (2, [])


def test_an_input_that_is_gone_is_trouble_with_a_place(make: Callable[[str], FilingExecutor], payloads: Gated) -> None:
    executor, work, told = make("threads"), filed_work(payloads), Told()
    assert work.input_file is not None
    payloads.path(work.input_file).unlink()
    executor.submit([work], told)
    trouble = told.of("a").trouble
    assert isinstance(trouble, StoreDamagedError)
    assert str(trouble).startswith("run 'p': child 'a': its input: ")
    assert str(trouble).endswith(f"{payloads.path(work.input_file)} is missing")


def test_a_large_ending_is_on_disk_before_it_is_told_of(make: Callable[[str], FilingExecutor], payloads: Gated) -> None:
    found: list[bool] = []

    def done(_: AttemptKey, ending: Ending) -> None:
        assert ending.output_file is not None
        found.append(payloads.path(ending.output_file).exists())

    make("threads").submit([Work(AttemptKey("p", "a", 1), 0, "task", f'"{"x" * 60}"')], done)
    until(lambda: found)
    assert found == [True]
    assert payloads.writers == {"orchestrator-worker-1"}


def test_an_event_loop_never_waits_for_the_disk(make: Callable[[str], FilingExecutor], payloads: Gated) -> None:
    executor, told = make("async"), Told()
    works = [
        Work(AttemptKey("p", name, 1), 0, "task", f'{{"length":{length}}}') for name, length in (("a", 10), ("b", 90))
    ]
    executor.submit(works, told)
    executor_ending = told.of("b")
    assert executor_ending.output_file is not None
    assert payloads.get(executor_ending.output_file) == f'"{"x" * 90}"'
    assert told.of("a") == Ending("succeeded", '"xxxxxxxxxx"')
    assert payloads.writers == {"orchestrator-payloads"}


def test_what_cannot_be_written_is_trouble(make: Callable[[str], FilingExecutor], payloads: Gated) -> None:
    payloads.folder.touch()
    told = Told()
    make("threads").submit([Work(AttemptKey("p", "a", 1), 0, "task", f'"{"x" * 60}"')], told)
    ending = told.of("a")
    assert isinstance(ending.trouble, StoreUnavailableError)
    assert ending.outcome is None
    assert "run 'p': child 'a': what it returned: " in (ending.lost or "")
