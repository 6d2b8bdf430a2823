"""The event log in terms of facts, and as an event store of eventsourcing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.domain import DomainEvent, DomainEventProtocol
from eventsourcing.persistence import StoredEvent

from events.aggregate import ParentEvent
from events.errors import UsageError
from events.facts import ChildCreated, ChildStarted
from events.log import Conflict, EventLog, FactBatch, Recorded, Recorder, SQLiteRecorder, VersionConflictError, Written
from events.log.mapper import CatalogueMapper


def fact(number: int) -> ChildCreated:
    return ChildCreated(at=number, child_id=f"c{number}")


@pytest.fixture
def log(recorder: Recorder) -> EventLog:
    return EventLog(recorder)


def test_facts_come_back_as_they_went_in(log: EventLog) -> None:
    facts = [fact(1), ChildStarted(at=2, child_id="ü", attempt=1, worker="w")]
    (written,) = log.append([FactBatch("p", 0, facts)])
    assert isinstance(written, Written)
    found = list(log.read("p"))
    assert [recorded.fact for recorded in found] == facts
    assert [recorded.version for recorded in found] == [1, 2]
    assert [recorded.position for recorded in found] == list(written.positions)
    assert [recorded.parent_id for recorded in found] == ["p", "p"]
    assert [recorded.type for recorded in found] == ["ChildCreated", "ChildStarted"]
    assert found[-1].hash == written.head.hash
    assert log.tail(0) == found
    assert log.append([FactBatch("p", 1, facts)]) == [Conflict(written.head)]


def test_reading_on_from_where_one_was(log: EventLog) -> None:
    log.append([FactBatch("p", 0, [fact(n) for n in range(5)])])
    known = list(log.read("p"))
    assert list(log.read("p", after_version=2)) == known[2:]
    assert list(log.read("p", after_version=2, after_hash=known[1].hash)) == known[2:]
    assert list(log.read("p", after_version=5, after_hash=known[4].hash)) == []
    assert list(log.read("p", upto_position=3)) == known[:3]
    assert list(log.read("p", after_version=9)) == []
    assert list(log.read("nowhere")) == []


def test_reading_sees_what_is_appended_meanwhile(log: EventLog) -> None:
    log.append([FactBatch("p", 0, [fact(n) for n in range(1500)])])
    reading = log.read("p")
    found = [next(reading).version]
    log.append([FactBatch("p", 1500, [fact(n) for n in range(700)])])
    found += [recorded.version for recorded in reading]
    assert found == list(range(1, 2201))


def test_reading_holds_some_rows_in_memory_not_all(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append([FactBatch("p", 0, [fact(n) for n in range(5000)])])
    sizes: list[int] = []
    some = log.recorder._some

    def counted(*args: Any, **kwargs: Any) -> Any:
        found = some(*args, **kwargs)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(log.recorder, "_some", counted)
    assert sum(1 for _ in log.read("p")) == 5000
    assert max(sizes) <= 1000


def test_put_and_get(log: EventLog) -> None:
    events = [Recorded("p", n, fact(n)) for n in (1, 2, 3, 4)]
    recordings = log.put(events)
    assert [recording.notification.id for recording in recordings] == [1, 2, 3, 4]
    assert [recorded.fact for recorded in log.get("p")] == [fact(n) for n in (1, 2, 3, 4)]
    assert [recorded.version for recorded in log.get("p", gt=1, lte=3)] == [2, 3]
    assert [recorded.version for recorded in log.get("p", lte=3, desc=True, limit=2)] == [3, 2]
    assert [recorded.version for recorded in log.get("p", limit=2)] == [1, 2]
    assert list(log.get("p", gt=9)) == []
    with pytest.raises(VersionConflictError):
        log.put([Recorded("p", 4, fact(4))])


def test_only_recorded_facts_from_version_1_on_can_be_put(log: EventLog) -> None:
    with pytest.raises(UsageError, match="begin with 1"):
        log.put([Recorded("p", 0, fact(0))])

    class Other(DomainEvent):
        pass

    other: Any = Other(originator_id=uuid4(), originator_version=1, timestamp=datetime.now().astimezone())
    with pytest.raises(UsageError, match="Other"):
        log.put([other])
    assert log.last_position() == 0


def test_a_recorded_fact_is_a_domain_event() -> None:
    event: DomainEventProtocol[str] = Recorded("p", 1, fact(1))
    mapper = CatalogueMapper()
    stored = mapper.to_stored_event(event)
    assert stored == StoredEvent("p", 1, "ChildCreated", b'{"at":1,"child_id":"c1"}')
    assert mapper.to_domain_event(stored) == event
    assert (mapper.to_domain_event(stored).position, mapper.to_domain_event(stored).hash) == (0, b"")


def test_an_event_of_a_parent_task_is_stored_as_well() -> None:
    stored = CatalogueMapper().to_stored_event(ParentEvent("p", 2, fact(1)))
    assert stored == StoredEvent("p", 2, "ChildCreated", b'{"at":1,"child_id":"c1"}')


def test_notifications_map_to_facts_with_their_positions(log: EventLog) -> None:
    log.append([FactBatch("p", 0, [fact(1), fact(2)])])
    notifications: Iterator[Any] = iter(log.subscribe(after_position=1))
    assert log.mapper.to_domain_event(next(notifications)) == Recorded("p", 2, fact(2), 2)


def test_what_is_delegated(log: EventLog, path: Path) -> None:
    log.append(
        [
            FactBatch("p", 0, [fact(1)]),
            FactBatch("q", 0, [fact(1), ChildStarted(at=2, child_id="a", attempt=1, worker="w")]),
        ]
    )
    assert log.head("q") == log.parents(after="p", limit=1)[0][1]
    assert [row.version for row in log.rows("q", types=["ChildStarted"])] == [2]
    assert [recorded.version for recorded in log.tail(0, types=["ChildStarted"])] == [2]
    assert log.last_position() == 3
    assert log.changed_parents(1) == (3, ["q"])
    assert not log.changed_elsewhere()
    shown = log.location.partition("@/postgres?host=")[0]
    assert shown in {str(path), "memory:", "postgresql://postgres"}


def test_versions_asked_for_may_lie_outside_the_stream(log: EventLog) -> None:
    log.append([FactBatch("p", 0, [fact(n) for n in range(4)])])
    for gt, lte, versions in [
        (-5, None, [1, 2, 3, 4]),
        (-5, 2, [1, 2]),
        (0, 9, [1, 2, 3, 4]),
        (None, 0, []),
        (None, -3, []),
        (3, 3, []),
        (3, 1, []),
        (2, 3, [3]),
    ]:
        assert [recorded.version for recorded in log.get("p", gt=gt, lte=lte)] == versions, (gt, lte)


def test_a_tail_is_no_longer_than_was_asked(log: EventLog) -> None:
    log.append([FactBatch("p", 0, [fact(n) for n in range(9)])])
    assert [recorded.position for recorded in log.tail(2, limit=3)] == [3, 4, 5]
    assert log.tail(9, limit=3) == []


def test_rows_are_those_that_were_asked_for_a_few_at_a_time(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append([FactBatch("p", 0, [fact(n) for n in range(9)])])
    sizes: list[int] = []
    some = log.recorder._some

    def counted(*args: Any, **kwargs: Any) -> Any:
        found = some(*args, **kwargs)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(log.recorder, "_some", counted)
    assert [row.version for row in log.rows("p", after_version=2, upto_position=7, batch=2)] == [3, 4, 5, 6, 7]
    assert max(sizes) == 2


def test_somebody_elses_commit_shows_in_the_log(path: Path) -> None:
    with SQLiteRecorder(path) as ours, SQLiteRecorder(path) as theirs:
        log = EventLog(ours)
        EventLog(theirs).append([FactBatch("p", 0, [fact(1)])])
        assert log.changed_elsewhere()
        assert not log.changed_elsewhere()


def test_who_does_not_say_how_much_gets_a_thousand_of_the_tail(path: Path) -> None:
    with EventLog(SQLiteRecorder(path)) as log:
        log.append([FactBatch("p", 0, [fact(n) for n in range(1_001)])])
        assert [record.position for record in log.tail(0)] == list(range(1, 1_001))
        assert [row.version for row in log.rows("p")] == list(range(1, 1_002))
