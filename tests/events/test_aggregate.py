"""`ParentTask` in eventsourcing's terms: it collects what it decided, once, and comes back from what was stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from eventsourcing.application import Repository
from eventsourcing.domain import (
    CollectEventsProtocol,
    DomainEventProtocol,
    ImmutableAggregateProtocol,
)
from eventsourcing.persistence import EventStore, IntegrityError
from hypothesis import given, settings

from events.aggregate import ParentEvent, ParentTask
from events.errors import UsageError
from events.log import EventLog, MemoryRecorder, Recorded
from events.log.mapper import CatalogueMapper
from events.strategy import ANY
from tests.events.histories import History, histories
from tests.events.scenario import cancel, close, create, fingerprint, finish, names, prepare, release, start


def fresh(parent_id: str = "p") -> ParentTask:
    parent = ParentTask(parent_id)
    parent.take(create(ANY), prepare("a", "b"), release(), close())
    return parent


def test_it_is_what_eventsourcing_calls_an_aggregate() -> None:
    parent = fresh()
    aggregate: ImmutableAggregateProtocol[str] = parent  # the types agree, too
    assert isinstance(parent, CollectEventsProtocol)
    assert (aggregate.id, aggregate.version) == ("p", 6)
    for event in parent.collect_events():
        domain_event: DomainEventProtocol[str] = event
        assert isinstance(domain_event, DomainEventProtocol)
        assert domain_event.originator_id == "p"


def test_events_are_handed_over_once_with_their_versions() -> None:
    parent = fresh()
    first = parent.collect_events()
    assert [event.originator_version for event in first] == [1, 2, 3, 4, 5, 6]
    assert names(event.fact for event in first)[0] == "ParentCreated"
    assert parent.collect_events() == []
    facts = parent.take(start("a"), finish("a"))
    assert parent.collect_events() == [ParentEvent("p", 7 + index, fact) for index, fact in enumerate(facts)]
    assert parent.version == 9
    assert parent.state.status == "succeeded"


def test_commands_are_taken_all_or_none() -> None:
    parent = fresh()
    before = fingerprint(parent.state)
    with pytest.raises(UsageError):
        parent.take(start("a"), prepare("c"))
    assert fingerprint(parent.state) == before
    assert parent.version == 6
    assert len(parent.collect_events()) == 6


def test_a_quiet_command_collects_nothing() -> None:
    parent = fresh()
    parent.collect_events()
    assert parent.take(close(), release(), finish("a")) == []
    assert parent.take() == []
    assert parent.collect_events() == []


@given(history=histories())
@settings(max_examples=50, deadline=None, print_blob=True)
def test_replay_is_the_aggregate_again_with_nothing_to_save(history: History) -> None:
    parent = ParentTask.replay("p", history.facts)
    assert fingerprint(parent.state) == fingerprint(history.state)
    assert parent.version == len(history.facts)
    assert parent.collect_events() == []


# Saved and read back


def recorded(parent: ParentTask) -> list[Recorded]:
    return [Recorded(*event) for event in parent.collect_events()]


def replayed(log: EventLog, parent_id: str) -> ParentTask:
    return ParentTask.replay(parent_id, (record.fact for record in log.read(parent_id)))


def test_it_is_saved_in_the_event_log_and_read_back() -> None:
    with EventLog(MemoryRecorder()) as log:
        parent = fresh()
        log.put(recorded(parent))
        parent.take(start("a"))
        log.put(recorded(parent))
        again = replayed(log, "p")
        assert fingerprint(again.state) == fingerprint(parent.state)
        again.take(cancel())
        log.put(recorded(again))
        assert replayed(log, "p").state.status == "cancelled"


def test_of_two_that_go_on_from_the_same_version_one_is_saved() -> None:
    with EventLog(MemoryRecorder()) as log:
        log.put(recorded(fresh()))
        one, other = replayed(log, "p"), replayed(log, "p")
        one.take(cancel())
        other.take(start("a"))
        log.put(recorded(one))
        with pytest.raises(IntegrityError):
            log.put(recorded(other))
        assert replayed(log, "p").state.status == "cancelled"


def project(parent: ParentTask | None, events: Iterable[Any]) -> ParentTask | None:
    """Fold events into an aggregate: what eventsourcing calls a projector function."""
    for event in events:
        parent = parent or ParentTask(event.originator_id)
        parent.apply(event.fact)
    return parent


def test_eventsourcings_own_event_store_and_repository_hold_it() -> None:
    with MemoryRecorder() as recorder:
        store = EventStore[str](CatalogueMapper(), recorder)
        repository = Repository[str](store)
        parent = fresh()
        store.put(parent.collect_events())
        parent.take(start("a"), finish("a"))
        store.put(parent.collect_events())
        found: ParentTask = repository.get("p", projector_func=project)
        assert fingerprint(found.state) == fingerprint(parent.state)
        earlier: ParentTask = repository.get("p", version=7, projector_func=project)
        assert (earlier.version, earlier.state.status) == (7, "running")
        assert "p" in {event.originator_id for event in store.get("p")}
