"""Rows of very many facts: encoded when they are written, and all or none on record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.events.scenario import AT, close, create, release, spec

from events import child_specs
from events.catalogue import DEFAULT_CATALOGUE
from events.child_specs import ChildSpecs
from events.commands import PrepareChildren
from events.decide import Turn
from events.evolve import INITIAL
from events.fact_roll import FactRoll
from events.facts import ChildCreated, Fact, Paused
from events.log import Conflict, EventLog, FactBatch, Recorder, SQLiteRecorder, Written
from events.log.encoded import EncodedRows
from events.log.recent import Recent
from events.log.record import Batch
from events.log.sqlite_connection import Connection
from events.making import Preparing

MANY = 1_000
COUNT = 3 * MANY


@pytest.fixture(autouse=True)
def many_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call fewer children many than users have to wait for."""
    monkeypatch.setattr(child_specs, "_MANY", MANY)


def large() -> Sequence[Fact]:
    """Return the facts of a turn that makes many children."""
    turn = Turn(INITIAL)
    children = ChildSpecs(spec(f"c{n}", input_text=f'{{"n":{n}}}') for n in range(COUNT))
    for command in (create(), PrepareChildren(at=AT, children=children), release(), close()):
        turn.take(command)
    assert isinstance(turn.facts, FactRoll)
    return turn.facts


class Broken(Sequence[Fact]):
    """Facts that cannot all be encoded: one near the end says what no JSON can."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts

    def __len__(self) -> int:
        return len(self._facts)

    def __getitem__(self, place: Any) -> Any:
        return self._facts[place]

    def __iter__(self) -> Iterator[Fact]:
        yield from list(self._facts)[:-1]
        yield Paused(at=AT, reason="\ud800")


def test_rows_are_those_that_would_be_encoded_at_once() -> None:
    facts = large()
    rows, at_once = EncodedRows(facts, DEFAULT_CATALOGUE.encode_all), DEFAULT_CATALOGUE.encode_all(list(facts))
    assert (len(rows), list(rows), list(rows)) == (len(at_once), at_once, at_once)
    assert (rows[0], rows[-1], rows[5:9]) == (at_once[0], at_once[-1], at_once[5:9])


def test_very_many_facts_are_on_record_as_few_are(recorder: Recorder) -> None:
    facts, log = large(), EventLog(recorder)
    (written,) = log.append([FactBatch("p", 0, facts)])
    (other,) = log.append([FactBatch("q", 0, list(facts)[:9])])
    assert isinstance(written, Written)
    assert isinstance(other, Written)
    found = list(log.read("p"))
    assert [record.fact for record in found] == list(facts)
    assert [record.position for record in found] == list(written.positions) == list(range(1, len(facts) + 1))
    assert other.positions == range(len(facts) + 1, len(facts) + 10)
    assert (found[-1].hash, written.head.count, log.head("p")) == (written.head.hash, len(facts), written.head)
    assert log.append([FactBatch("p", 0, facts)]) == [Conflict(written.head)]


def test_the_chain_is_that_of_rows_encoded_at_once(recorder: Recorder) -> None:
    facts = large()
    EventLog(recorder).append([FactBatch("p", 0, facts)])
    (apart,) = recorder.append([Batch("q", 0, DEFAULT_CATALOGUE.encode_all(list(facts)))])
    assert isinstance(apart, Written)
    data = [[row.data for row in recorder.stream(name)] for name in ("p", "q")]
    assert data[0] == data[1]


def test_others_of_the_same_transaction_keep_their_places(recorder: Recorder) -> None:
    facts, log = large(), EventLog(recorder)
    few: list[Fact] = [ChildCreated(at=AT, child_id="x")]
    verdicts = log.append(
        [FactBatch("a", 0, few), FactBatch("p", 0, facts), FactBatch("b", 7, few), FactBatch("c", 0, few)]
    )
    assert [isinstance(verdict, Written) for verdict in verdicts] == [True, True, False, True]
    places = [verdict.positions for verdict in verdicts if isinstance(verdict, Written)]
    last = len(facts) + 2
    assert places == [range(1, 2), range(2, last), range(last, last + 1)]
    assert [record.position for name in ("a", "p", "c") for record in log.read(name)] == list(range(1, last + 1))


def test_what_cannot_be_encoded_leaves_nothing_and_the_store_of_use(recorder: Recorder) -> None:
    log = EventLog(recorder)
    with pytest.raises(ValueError, match=r"surrogates|utf-8"):
        log.append([FactBatch("p", 0, Broken(large()))])
    assert (log.last_position(), log.head("p")) == (0, None)
    (written,) = log.append([FactBatch("p", 0, large())])
    assert isinstance(written, Written)
    assert sum(1 for _ in log.read("p")) == len(large()) == log.last_position()


def test_a_run_that_breaks_off_while_it_is_written_is_not_there(
    sqlite: SQLiteRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, inserts = EventLog(sqlite), 0
    execute = Connection.execute

    def failing(self: Connection, statement: str, values: Any = ()) -> Any:
        nonlocal inserts
        inserts += statement.startswith("INSERT INTO events")
        if inserts > 40:
            raise sqlite3.OperationalError("disk I/O error")
        return execute(self, statement, values)

    with monkeypatch.context() as during:
        during.setattr(Connection, "execute", failing)
        with pytest.raises(Exception, match="disk I/O error"):
            log.append([FactBatch("p", 0, large())])
    assert (log.last_position(), log.head("p"), list(log.read("p"))) == (0, None, [])
    assert isinstance(log.append([FactBatch("p", 0, large())])[0], Written)


def test_rows_are_never_all_there_at_once(sqlite: SQLiteRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    execute = Connection.execute

    def noting(self: Connection, statement: str, values: Any = ()) -> Any:
        sizes.append(len(values))
        return execute(self, statement, values)

    monkeypatch.setattr(Connection, "execute", noting)
    log, facts = EventLog(sqlite), large()
    log.recent = Recent()
    log.append([FactBatch("p", 0, facts)])
    assert max(sizes) <= 5 * 64
    stretches = log.recent.after(0, len(facts))
    assert [fact for stretch in stretches for fact in stretch.facts] == list(facts)


def test_facts_of_a_large_run_are_remembered_without_being_made_for_that(
    sqlite: SQLiteRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    between = Preparing._between

    def noting(self: Preparing, start: int, stop: int) -> Iterator[Fact]:
        made.append(stop - start)
        return between(self, start, stop)

    log, facts = EventLog(sqlite), large()
    log.recent = Recent()
    monkeypatch.setattr(Preparing, "_between", noting)
    log.append([FactBatch("p", 0, facts)])
    assert made == [COUNT], "as they were encoded"
    position, found = 0, []
    while stretches := log.recent.after(position, 1):
        found += [fact for stretch in stretches for fact in stretch.facts]
        position += sum(len(stretch.facts) for stretch in stretches)
        log.recent.forget(position)
    assert found == list(facts)
    assert max(made[1:-1]) < COUNT, "a part at a time"


def test_so_many_large_runs_are_not_remembered(sqlite: SQLiteRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.log.recent._FACTS_MAX", 500)
    log = EventLog(sqlite)
    log.recent = Recent()
    log.append([FactBatch("p", 0, large())])
    assert log.recent.after(0, 1)
    for number in range(2):
        log.append([FactBatch(f"q{number}", 0, large())])
    assert log.recent.after(0, 1) == []
