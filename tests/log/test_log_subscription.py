"""Following a log: past events, new ones, other processes' ones, and the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Event, Thread, active_count
from typing import Any

import pytest
from eventsourcing.persistence import Notification

from events.errors import ClosedError
from events.log import Batch, MemoryRecorder, Recorder, SQLiteRecorder
from events.log.subscription import LogSubscription

WaitUntil = Callable[[Callable[[], object]], None]

A, B = ("A", b"a"), ("B", b"b")


@contextmanager
def following(subscription: LogSubscription) -> Iterator[Queue[Notification]]:
    """Iterate in another thread, until the end of the block."""
    queue: Queue[Notification] = Queue()

    def follow() -> None:
        for notification in subscription:
            queue.put(notification)

    thread = Thread(target=follow)
    thread.start()
    try:
        yield queue
    finally:
        subscription.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_it_looks_for_what_other_processes_wrote_ten_times_a_second(recorder: Recorder) -> None:
    assert recorder.subscribe(gt=0).poll_seconds == 0.1


def test_what_is_appended_while_it_looks_arrives_once() -> None:
    class Racing(MemoryRecorder):
        racing = True

        def last_position(self) -> int:
            last = super().last_position()
            if self.racing:
                self.racing = False
                self.append([Batch("q", 0, [B])])
            return last

    with Racing() as recorder:
        recorder.append([Batch("p", 0, [A])])
        with following(recorder.subscribe(gt=0)) as queue:
            assert [queue.get(timeout=10).id for _ in range(2)] == [1, 2]
            recorder.append([Batch("p", 1, [A])])
            assert queue.get(timeout=10).id == 3


def test_past_and_new_events_arrive_in_order(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A] * 700)])
    with following(recorder.subscribe(gt=100)) as queue:
        assert [queue.get(timeout=10).id for _ in range(600)] == list(range(101, 701))
        for version in range(700, 720):
            recorder.append([Batch("p", version, [A])])
            assert queue.get(timeout=10).id == version + 1
    assert queue.empty()


def test_an_append_in_this_process_wakes_it_at_once(recorder: Recorder) -> None:
    subscription = recorder.subscribe()
    subscription.poll_seconds = 3600  # so that only the wake-up can help
    with following(subscription) as queue:
        for version in range(20):
            recorder.append([Batch("p", version, [A])])
            assert queue.get(timeout=10).id == version + 1
        recorder.insert_events([])


def test_topics_are_all_that_arrives_and_the_rest_is_passed_over(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A] * 20 + [B] + [A] * 20)])
    with following(recorder.subscribe(topics=["B"])) as queue:
        assert queue.get(timeout=10).id == 21
        recorder.append([Batch("q", 0, [A, B])])
        assert queue.get(timeout=10).id == 43
    assert queue.empty()


def test_what_is_of_no_interest_is_looked_at_once(recorder: Recorder) -> None:
    subscription = recorder.subscribe(topics=["B"])
    recorder.append([Batch("p", 0, [A, B, A, A])])
    assert next(subscription).id == 2
    assert subscription._after == 4


def test_events_of_another_connection_arrive(sqlite: SQLiteRecorder, path: Path) -> None:
    with SQLiteRecorder(path) as other, following(sqlite.subscribe()) as queue:
        other.append([Batch("p", 0, [A])])
        assert queue.get(timeout=10).id == 1


def test_stop_from_another_thread_ends_a_waiting_iteration(recorder: Recorder) -> None:
    subscription = recorder.subscribe()
    subscription.poll_seconds = 3600
    with following(subscription):
        pass  # its end stops the subscription and joins the thread


def test_closing_the_log_ends_its_subscriptions(recorder: Recorder) -> None:
    before = active_count()
    subscription = recorder.subscribe()
    subscription.poll_seconds = 3600
    thread = Thread(target=lambda: list(subscription))
    thread.start()
    recorder.close()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert active_count() == before


def test_it_waits_again_after_it_was_woken(recorder: Recorder, wait_until: WaitUntil) -> None:
    subscription = recorder.subscribe()
    subscription.poll_seconds = 3600
    with following(subscription) as queue:
        recorder.append([Batch("p", 0, [A])])
        assert queue.get(timeout=10).id == 1
        wait_until(lambda: not subscription._woken.is_set())
        recorder.append([Batch("p", 1, [A])])
        assert queue.get(timeout=10).id == 2


class Watched(Event):
    """What wakes a subscription, in the hands of a test: told of each look, and of each wait before the next one."""

    def __init__(self, looking: Callable[[], object], waiting: Callable[[float | None], object]) -> None:
        super().__init__()
        self._looking, self._waiting, self._looks = looking, waiting, 0

    def clear(self) -> None:
        self._looks += 1
        assert self._looks < 10, "it looks again and again without waiting"
        self._looking()
        super().clear()

    def wait(self, timeout: float | None = None) -> bool:
        self._waiting(timeout)
        return True


def test_it_waits_before_it_looks_again_and_keeps_its_place_beyond_the_end(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float | None] = []
    asked: list[int] = []
    page = recorder.page

    def counted(after_position: int, **named: Any) -> Any:
        asked.append(after_position)
        return page(after_position, **named)

    def waiting(timeout: float | None) -> None:
        waits.append(timeout)
        recorder.append([Batch("p", len(waits) * 2 - 2, [A, A])])

    monkeypatch.setattr(recorder, "page", counted)
    subscription = recorder.subscribe(gt=4)
    subscription._woken = Watched(lambda: None, waiting)
    assert next(subscription).id == 5
    assert waits == [subscription.poll_seconds] * 3
    assert asked == [4], "events are read only where there are new ones"


def test_one_that_is_stopped_as_it_looks_does_not_wait(recorder: Recorder) -> None:
    waits: list[float | None] = []
    subscription = recorder.subscribe()
    subscription._woken = Watched(subscription.stop, waits.append)
    assert list(subscription) == []
    assert waits == []


def test_a_log_that_closes_while_it_is_read_ends_who_was_stopped_and_fails_who_was_not(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, other = recorder.subscribe(), recorder.subscribe()

    def closing() -> int:
        stopped.stop()
        raise ClosedError("closed")

    monkeypatch.setattr(recorder, "last_position", closing)
    with pytest.raises(StopIteration):
        next(stopped)
    with pytest.raises(ClosedError):
        next(other)
