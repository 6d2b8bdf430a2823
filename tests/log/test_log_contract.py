"""What every recorder promises, checked on each of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.postgres_server import Postgres

from events.errors import ClosedError, OrchestratorError, UsageError
from events.log import Batch, Conflict, Head, MemoryRecorder, Recorder, SQLiteRecorder, VersionConflictError, Written
from events.log.postgres import PostgresRecorder

A, B, C = ("A", b"a"), ("B", b"b"), ("C", b"c")


def versions(recorder: Recorder, parent_id: str) -> list[int]:
    return [row.version for row in recorder.rows(parent_id)]


def test_an_append_gives_positions_heads_and_rows(recorder: Recorder) -> None:
    first, second = recorder.append([Batch("p", 0, [A, B]), Batch("q", 0, [C])])
    assert isinstance(first, Written)
    assert isinstance(second, Written)
    assert (first.positions, second.positions) == (range(1, 3), range(3, 4))
    rows = list(recorder.rows("p"))
    assert [row[:5] for row in rows] == [(1, "p", 1, "A", b"a"), (2, "p", 2, "B", b"b")]
    assert recorder.head("p") == first.head == Head(2, 2, rows[-1].hash)
    assert recorder.head("q") == second.head
    assert recorder.head("r") is None
    (third,) = recorder.append([Batch("p", 2, [C])])
    assert isinstance(third, Written)
    assert (third.positions, third.head.count, third.head.version) == (range(4, 5), 3, 3)


@pytest.mark.parametrize("expected", [1, 3, 99, -1, -2])
def test_another_expected_version_is_a_conflict_that_says_what_is_there(recorder: Recorder, expected: int) -> None:
    (written,) = recorder.append([Batch("p", 0, [A, B])])
    assert recorder.append([Batch("p", expected, [C])]) == [Conflict(written.head)]
    assert versions(recorder, "p") == [1, 2]


def test_a_conflict_over_a_missing_parent_says_that_there_is_none(recorder: Recorder) -> None:
    assert recorder.append([Batch("p", 1, [A])]) == [Conflict(None)]
    assert recorder.head("p") is None
    assert recorder.parents() == []


def test_creating_twice_is_a_conflict(recorder: Recorder) -> None:
    (written,) = recorder.append([Batch("p", 0, [A])])
    assert recorder.append([Batch("p", 0, [A])]) == [Conflict(written.head)]


def test_one_batch_in_conflict_does_not_keep_the_others_out(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A])])
    verdicts = recorder.append([Batch("q", 0, [A, B]), Batch("p", 0, [B]), Batch("r", 0, [C]), Batch("p", 1, [C])])
    kinds = [type(verdict) for verdict in verdicts]
    assert kinds == [Written, Conflict, Written, Written]
    assert [row[:4] for row in recorder.page(0)] == [
        (1, "p", 1, "A"),
        (2, "q", 1, "A"),
        (3, "q", 2, "B"),
        (4, "r", 1, "C"),
        (5, "p", 2, "C"),
    ]


def test_two_batches_of_one_parent_are_judged_one_after_the_other(recorder: Recorder) -> None:
    verdicts = recorder.append([Batch("p", 0, [A, B]), Batch("p", 2, [C]), Batch("p", 2, [A])])
    assert [type(verdict) for verdict in verdicts] == [Written, Written, Conflict]
    assert verdicts[2].head == verdicts[1].head == recorder.head("p")
    assert versions(recorder, "p") == [1, 2, 3]


@pytest.mark.parametrize("sizes", [(1,), (63,), (64,), (65,), (200, 1, 130), (1,) * 150])
def test_batches_of_any_size_keep_their_order(recorder: Recorder, sizes: tuple[int, ...]) -> None:
    batches = [Batch(f"p{n}", 0, [(f"T{i}", b"%d" % i) for i in range(size)]) for n, size in enumerate(sizes)]
    verdicts = recorder.append(batches)
    position = 1
    for batch, verdict in zip(batches, verdicts, strict=True):
        assert isinstance(verdict, Written)
        assert verdict.positions == range(position, position + len(batch.rows))
        position += len(batch.rows)
        rows = list(recorder.rows(batch.parent_id, batch=7))
        assert [(row.type, row.data) for row in rows] == batch.rows
        assert [row.position for row in rows] == list(verdict.positions)
        assert verdict.head == Head(len(rows), len(rows), rows[-1].hash) == recorder.head(batch.parent_id)
    assert recorder.last_position() == position - 1
    assert [name for name, _ in recorder.parents()] == [batch.parent_id for batch in batches]


ATTEMPTS = st.lists(  # transactions, each of attempts to append: parent, how far off its version is, rows
    st.lists(
        st.tuples(
            st.sampled_from("pqr"),
            st.sampled_from([0, 0, 0, -1, 1]),
            st.lists(st.tuples(st.sampled_from("ABC"), st.binary(max_size=4)), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=5,
    ),
    max_size=12,
)


@contextmanager
def new(kind: str, request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """Make a recorder of a kind, with nothing in it."""
    if kind == "memory":
        with MemoryRecorder() as memory:
            yield memory
    elif kind == "sqlite":
        with TemporaryDirectory() as folder, SQLiteRecorder(Path(folder) / "store.db") as sqlite:
            yield sqlite
    else:
        server: Postgres = request.getfixturevalue("postgres_server")
        with PostgresRecorder(server.url()) as postgres:
            yield postgres


@pytest.mark.parametrize("kind", ["sqlite", "memory", "postgres"])
@given(history=ATTEMPTS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_is_the_same_on_a_model(
    request: pytest.FixtureRequest, kind: str, history: list[list[tuple[str, int, list[tuple[str, bytes]]]]]
) -> None:
    model: dict[str, list[tuple[str, bytes]]] = {}
    with new(kind, request) as recorder:
        for transaction in history:
            batches = [Batch(name, max(0, len(model.get(name, ())) + off), rows) for name, off, rows in transaction]
            for batch, verdict in zip(batches, recorder.append(batches), strict=True):
                assert isinstance(verdict, Written) == (batch.expected_version == len(model.get(batch.parent_id, ())))
                if isinstance(verdict, Written):
                    model.setdefault(batch.parent_id, []).extend(batch.rows)
        assert [name for name, _ in recorder.parents()] == list(model)
        for name, rows in model.items():
            assert [(row.type, row.data) for row in recorder.rows(name)] == rows


@pytest.mark.parametrize(
    "batches",
    [[Batch("p", 0, [])], [Batch("q", 0, [A]), Batch("p", 0, [])], [Batch("q", 0, [A]), Batch("\ud800", 0, [A])]],
)
def test_what_cannot_be_written_is_refused_before_anything_is(recorder: Recorder, batches: list[Batch]) -> None:
    with pytest.raises(UsageError):
        recorder.append(batches)
    assert recorder.last_position() == 0
    assert recorder.parents() == []


def test_nothing_is_an_append_of_nothing(recorder: Recorder) -> None:
    assert recorder.append([]) == []
    assert recorder.insert_events([]) == []


@pytest.mark.parametrize("name", ["", "a b'; drop table events; --", "ÄÖ/中文", "x" * 5000])
def test_any_text_can_be_a_parent_id(recorder: Recorder, name: str) -> None:
    recorder.append([Batch(name, 0, [A])])
    assert [row.parent_id for row in recorder.rows(name)] == [name]
    assert recorder.parents()[0][0] == name
    assert recorder.page(0)[0].parent_id == name


def test_a_zero_byte_in_an_id_is_kept_or_refused_before_anything_is_written(recorder: Recorder) -> None:
    if isinstance(recorder, PostgresRecorder):
        with pytest.raises(UsageError, match="zero byte"):
            recorder.append([Batch("q", 0, [A]), Batch("a\0b", 0, [A])])
        with pytest.raises(UsageError, match="zero byte"):
            recorder.head("a\0b")
        assert recorder.last_position() == 0
        return
    recorder.append([Batch("a\0b", 0, [A])])
    assert [row.parent_id for row in recorder.rows("a\0b")] == ["a\0b"]


def test_rows_by_version_position_and_type(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A, B])])
    recorder.append([Batch("q", 0, [A]), Batch("p", 2, [A, C])])
    assert versions(recorder, "p") == [1, 2, 3, 4]
    assert [row.version for row in recorder.rows("p", after_version=1)] == [2, 3, 4]
    assert [row.version for row in recorder.rows("p", upto_position=4)] == [1, 2, 3]
    assert [row.version for row in recorder.rows("p", types=["A", "C"], batch=1)] == [1, 3, 4]
    assert [row.version for row in recorder.rows("p", batch=2)] == [1, 2, 3, 4]
    assert list(recorder.rows("nowhere")) == []


def test_pages_by_position_and_type(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A, B]), Batch("q", 0, [A, C])])
    assert [row.position for row in recorder.page(1)] == [2, 3, 4]
    assert [row.position for row in recorder.page(1, limit=2)] == [2, 3]
    assert [row.position for row in recorder.page(0, upto_position=3)] == [1, 2, 3]
    assert [row.position for row in recorder.page(0, types=["C", "A"])] == [1, 3, 4]
    assert recorder.page(4) == []


def test_who_does_not_say_how_much_gets_a_whole_stream_and_a_page_of_a_thousand(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A] * 1_001)])
    assert [row.version for row in recorder.stream("p")] == list(range(1, 1_002))
    assert [row.position for row in recorder.page(0)] == list(range(1, 1_001))


def test_parents_page_by_page_in_order_of_creation(recorder: Recorder) -> None:
    names = ["z", "a", "m", "b"]
    for name in names:
        recorder.append([Batch(name, 0, [A])])
    recorder.append([Batch("z", 1, [A])])
    assert [name for name, _ in recorder.parents()] == names
    assert [name for name, _ in recorder.parents(limit=2)] == ["z", "a"]
    assert [name for name, _ in recorder.parents(after="a", limit=5)] == ["m", "b"]
    assert recorder.parents(after="b") == []
    assert dict(recorder.parents())["z"] == recorder.head("z")
    with pytest.raises(UsageError, match="nowhere"):
        recorder.parents(after="nowhere")


def test_changed_parents_since_a_position(recorder: Recorder) -> None:
    assert recorder.changed_parents(0) == (0, [])
    recorder.append([Batch("p", 0, [A]), Batch("q", 0, [A]), Batch("r", 0, [A])])
    recorder.append([Batch("p", 1, [A])])
    assert recorder.changed_parents(0) == (4, ["q", "r", "p"])
    assert recorder.changed_parents(2) == (4, ["r", "p"])
    assert recorder.changed_parents(4) == (4, [])


def test_own_appends_are_nothing_changed_elsewhere(recorder: Recorder) -> None:
    assert not recorder.changed_elsewhere()
    recorder.append([Batch("p", 0, [A])])
    recorder.append([Batch("p", 0, [A])])
    list(recorder.rows("p"))
    assert not recorder.changed_elsewhere()


def stored(parent_id: Any, version: int, name: str = "A") -> StoredEvent:
    return StoredEvent(parent_id, version, name, b"{}")


def test_inserted_events_keep_their_order_over_streams(recorder: Recorder) -> None:
    events = [stored("p", 1), stored("q", 0), stored("p", 2), stored("q", 1)]
    assert recorder.insert_events(events) == [1, 2, 3, 4]
    assert [(n.id, n.originator_id, n.originator_version) for n in recorder.select_notifications(None, 9)] == [
        (1, "p", 1),
        (2, "q", 0),
        (3, "p", 2),
        (4, "q", 1),
    ]
    assert [event.originator_version for event in recorder.select_events("q")] == [0, 1]
    assert [event.originator_version for event in recorder.select_events("q", desc=True)] == [1, 0]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([stored("q", 1), stored("p", 2)], "event 2 cannot be next: parent 'p' does not exist"),
        ([stored("q", 1), stored("p", 1), stored("p", 1)], "event 1 of parent 'p' cannot follow on event 1"),
        ([stored("q", 1), stored("p", 1), stored("p", 3)], "event 3 of parent 'p' cannot follow on event 1"),
        ([stored("q", 1), stored("p", -1)], "event -1 cannot be next: parent 'p' does not exist"),
        ([stored("q", 1), stored("old", 1)], "event 1 cannot be next: parent 'old' already stands at version 1"),
        ([stored("q", 1), stored("old", 3)], "event 3 cannot be next: parent 'old' already stands at version 1"),
    ],
)
def test_one_event_that_does_not_follow_keeps_all_out(recorder: Recorder, events: list[StoredEvent], why: str) -> None:
    recorder.insert_events([stored("old", 1)])
    with pytest.raises(VersionConflictError) as caught:
        recorder.insert_events(events)
    assert str(caught.value) == why
    assert isinstance(caught.value, IntegrityError)
    assert isinstance(caught.value, OrchestratorError)
    assert recorder.last_position() == 1
    assert [name for name, _ in recorder.parents()] == ["old"]


def test_what_the_log_does_not_do_is_refused(recorder: Recorder) -> None:
    with pytest.raises(UsageError, match="tracking"):
        recorder.insert_events([stored("p", 1)], tracking=object())
    with pytest.raises(UsageError, match="int"):
        recorder.insert_events([stored(5, 1)])
    assert recorder.last_position() == 0


def test_eight_threads_write_and_no_reader_misses_anything(recorder: Recorder) -> None:
    rounds, threads = 30, 8
    done = Event()
    seen: list[int] = []

    def follow() -> None:
        last = 0
        while True:
            finished = done.is_set()
            found = recorder.page(last, limit=50)
            seen.extend(row.position for row in found)
            last = seen[-1] if seen else 0
            if finished and not found:
                return

    def write(number: int) -> int:
        conflicts = 0
        for turn in range(rounds):
            (own,) = recorder.append([Batch(f"own{number}", turn * 2, [A, B])])
            assert isinstance(own, Written)
            while True:
                head = recorder.head("shared")
                (shared,) = recorder.append([Batch("shared", head.version if head else 0, [C])])
                if isinstance(shared, Written):
                    break
                conflicts += 1
        return conflicts

    reader = Thread(target=follow)
    reader.start()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, range(threads)))
    done.set()
    reader.join()
    assert seen == list(range(1, rounds * threads * 3 + 1))
    assert versions(recorder, "shared") == list(range(1, rounds * threads + 1))


def test_a_closed_log_says_so(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A])])
    recorder.close()
    recorder.close()
    for call in (
        lambda: recorder.append([Batch("p", 1, [A])]),
        lambda: recorder.head("p"),
        recorder.parents,
        lambda: list(recorder.rows("p")),
        lambda: recorder.page(0),
        recorder.last_position,
        lambda: recorder.changed_parents(0),
        lambda: next(recorder.subscribe()),
    ):
        with pytest.raises(ClosedError, match="closed"):
            call()


def test_positions_before_the_first_are_the_beginning(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A, B, A])])
    assert [row.position for row in recorder.page(-5)] == [1, 2, 3]
    assert [row.position for row in recorder.page(-5, limit=2)] == [1, 2]


def test_every_parent_that_changed_is_named_however_much_was_written(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A] * 1_100), Batch("q", 0, [B])])
    assert recorder.changed_parents(0) == (1_101, ["p", "q"])
    assert recorder.changed_parents(1_100) == (1_101, ["q"])


def test_a_closed_log_in_memory_holds_nothing_any_more() -> None:
    recorder = MemoryRecorder()
    recorder.append([Batch("p", 0, [A])])
    recorder.close()
    assert (recorder._rows, recorder._streams) == ([], {})


@pytest.mark.parametrize("count", [0, 1, 1_023, 1_024, 1_025, 2_500])
def test_all_parents_are_listed_in_order_of_creation_however_many(recorder: Recorder, count: int) -> None:
    names = [f"p{number:05}" for number in reversed(range(count))]
    recorder.append([Batch(name, 0, [A]) for name in names])
    assert list(recorder.ids()) == names
    assert [name for name, _ in recorder.parents()] == names


def test_heads_are_listed_as_they_are_told_one_by_one(recorder: Recorder) -> None:
    recorder.insert_events([StoredEvent("zero", version, "A", b"a") for version in range(3)])
    recorder.append([Batch("one", 0, [A, A]), Batch("two", 0, [A])])
    listed = recorder.parents()
    assert [name for name, _ in listed] == ["zero", "one", "two"]
    assert [(head.count, head.version) for _, head in listed] == [(3, 2), (2, 2), (1, 1)]
    assert all(recorder.head(name) == head for name, head in listed)
    assert recorder.parents(after="zero", limit=1) == listed[1:2]
    assert recorder.parents(after="two") == []


def test_rows_are_picked_by_their_versions(recorder: Recorder) -> None:
    recorder.append([Batch("p", 0, [A, B, C, A]), Batch("q", 0, [C])])
    whole = recorder.stream("p")
    assert recorder.picked("p", [4, 2, 2, 9, 0, -1]) == [whole[1], whole[3]]
    assert recorder.picked("p", []) == []
    assert recorder.picked("r", [1]) == []
