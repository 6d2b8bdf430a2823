"""The journal, which appends, and the loader, which reads: what they write and whom they tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.journal import JournalActor
from actors.loader import LoaderActor
from actors.messages import (
    Append,
    Appended,
    AppendFailed,
    Conflicted,
    Flush,
    Load,
    Loaded,
    LoadedNews,
    LoadFailed,
    LoadNews,
    Tick,
)
from actors.parent import ParentActor
from actors.supervisor import SupervisorActor
from events.commands import Command
from events.decide import decide_all
from events.errors import StoreDamagedError, StoreFullError
from events.evolve import INITIAL
from events.facts import Fact
from events.log import EventLog, SQLiteRecorder
from events.log.store import FactBatch
from tests.actors.service_set import MAKING, Counting, Set
from tests.events.scenario import AT, SECOND, cancel, start, take


def facts_of(*commands: Command) -> list[Fact]:
    return decide_all(INITIAL, commands)[0]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[tuple[Set, EventLog]]:
    """A journal over a file, and somebody else with the same file."""
    with SQLiteRecorder(tmp_path / "a.db") as ours, SQLiteRecorder(tmp_path / "a.db") as theirs:
        yield Set(ours), EventLog(theirs)


# The journal


def test_appends_that_wait_share_a_transaction_and_each_parent_is_told_its_own(scene: Set, counting: Counting) -> None:
    one, other = scene.parent("one"), scene.parent("other")
    made = facts_of(*MAKING)
    scene.tell(scene.journal, Append("one", 0, made, one), Append("other", 0, made[:2], other))
    assert counting.transactions == [2]
    assert scene.parents["one"].heard == [Appended(len(made), len(made))]
    assert scene.parents["other"].heard == [Appended(2, len(made) + 2)]
    assert [record.fact for record in scene.log.read("one")] == made
    scene.tell(scene.journal, Append("one", len(made), facts_of(*MAKING, cancel())[len(made) :][:1], one))
    assert counting.transactions == [2, 1]
    assert scene.parents["one"].heard[1] == Appended(len(made) + 1, len(made) + 3)


def test_the_journal_tells_itself_once_to_write_however_many_appends_wait(scene: Set, counting: Counting) -> None:
    one, other = scene.parent("one"), scene.parent("other")
    for name, ref in (("one", one), ("other", other)):
        scene.journal.tell(Append(name, 0, facts_of(*MAKING), ref))
    for _ in range(2):
        actor, envelope = scene.stage.queue.popleft()
        actor.on_receive(envelope.message)
    assert [envelope.message for _, envelope in scene.stage.queue] == [Flush]
    scene.stage.play()
    assert counting.transactions == [2]


def test_a_conflict_of_one_parent_does_not_fail_the_others(scene: Set) -> None:
    one, other = scene.parent("one"), scene.parent("other")
    made = facts_of(*MAKING)
    scene.tell(scene.journal, Append("one", 3, made, one), Append("other", 0, made, other))
    assert scene.parents["one"].heard == [Conflicted(3)]
    assert scene.parents["other"].heard == [Appended(len(made), len(made))]


def test_an_append_that_fails_is_told_to_everybody_in_it_and_the_next_one_is_tried(
    scene: Set, counting: Counting
) -> None:
    one, other = scene.parent("one"), scene.parent("other")
    made = facts_of(*MAKING)
    counting.error = StoreFullError("full")
    scene.tell(scene.journal, Append("one", 0, made, one), Append("other", 0, made, other))
    assert scene.parents["one"].heard == [AppendFailed(0, counting.error)]
    assert scene.parents["other"].heard == [AppendFailed(0, counting.error)]
    counting.error = None
    scene.tell(scene.journal, Append("one", 0, made, one))
    assert scene.parents["one"].heard[1:] == [Appended(len(made), len(made))]
    assert scene.stage.deaths == []


def test_facts_that_cannot_be_written_are_their_own_parents_trouble(scene: Set, counting: Counting) -> None:
    names = ("one", "two", "three")
    made = facts_of(*MAKING)
    counting.error, counting.unwritable = ValueError("a mistake"), "two"
    scene.tell(scene.journal, *(Append(name, 0, made, scene.parent(name)) for name in names))
    assert scene.parents["one"].heard == [Appended(len(made), len(made))]
    assert scene.parents["two"].heard == [AppendFailed(0, counting.error)]
    assert scene.parents["three"].heard == [Appended(len(made), 2 * len(made))]
    assert counting.transactions == [1, 1]
    scene.tell(scene.journal, Append("two", 0, made, scene.parent("two")))
    assert scene.parents["two"].heard == [AppendFailed(0, counting.error)], "alone it fares no better"
    assert scene.stage.deaths == []


def test_what_is_no_error_at_all_ends_the_journal(scene: Set, counting: Counting) -> None:
    one = scene.parent("one")
    counting.error = SystemExit(1)
    scene.tell(scene.journal, Append("one", 0, facts_of(*MAKING), one))
    assert [error for _, error in scene.stage.deaths] == [counting.error]
    assert scene.parents["one"].heard == []


def test_what_a_parent_that_is_gone_wanted_is_not_written_and_the_others_are_told(scene: Set) -> None:
    one, other = scene.parent("one"), scene.parent("other")
    made = facts_of(*MAKING)
    scene.parents["one"].actor_stopped.set()
    scene.tell(scene.journal, Append("one", 0, made, one), Append("other", 0, made, other))
    assert scene.parents["other"].heard == [Appended(len(made), len(made))]


def test_every_moment_the_journal_looks_for_what_others_appended(shared: tuple[Set, EventLog]) -> None:
    scene, theirs = shared
    assert scene.stage.take_timers(Tick) == [0.2]
    scene.tell(scene.journal, Tick)
    assert scene.announced == []
    assert scene.stage.take_timers(Tick) == [0.2]
    made = facts_of(*MAKING)
    theirs.append([FactBatch("one", 0, made), FactBatch("other", 0, made)])
    scene.tell(scene.journal, Tick)
    assert scene.announced == [["one", "other"]]
    scene.tell(scene.journal, Tick)
    assert len(scene.announced) == 1, "each is told once"
    theirs.append([FactBatch("third", 0, made)])
    scene.tell(scene.journal, Tick)
    assert scene.announced[1:] == [["third"]], "and only what is new"


def test_what_was_there_when_the_journal_began_is_no_news(tmp_path: Path) -> None:
    made = facts_of(*MAKING)
    with SQLiteRecorder(tmp_path / "a.db") as theirs, SQLiteRecorder(tmp_path / "a.db") as ours:
        EventLog(theirs).append([FactBatch("old", 0, made)])
        scene = Set(ours)
        EventLog(theirs).append([FactBatch("new", 0, made)])
        scene.tell(scene.journal, Tick)
        assert scene.announced == [["new"]]


def test_a_store_that_cannot_be_looked_at_is_looked_at_again_later(shared: tuple[Set, EventLog]) -> None:
    scene, theirs = shared
    scene.stage.take_timers(Tick)
    theirs.append([FactBatch("one", 0, facts_of(*MAKING))])
    path = Path(scene.log.location)
    moved = path.rename(path.with_name("elsewhere"))
    scene.log.recorder._drop_writer()  # type: ignore[attr-defined] # as after a commit whose answer was lost
    scene.tell(scene.journal, Tick)
    assert scene.stage.deaths == []
    assert scene.announced == []
    assert scene.stage.take_timers(Tick) == [0.2]
    moved.rename(path)
    scene.tell(scene.journal, Tick)
    assert scene.announced == [["one"]]


# The loader


def test_a_stream_is_folded_and_one_that_is_not_there_is_empty(scene: Set) -> None:
    one = scene.parent("one")
    made, state = decide_all(INITIAL, MAKING)
    scene.log.append([FactBatch("zero", 0, made), FactBatch("one", 0, made)])
    scene.tell(scene.loader, Load("one", one, 0.0))
    [loaded] = scene.parents["one"].take(Loaded)
    assert (loaded.state.version, loaded.state.total, loaded.state.status) == (state.version, 2, state.status)
    assert loaded.position == 2 * len(made)
    scene.tell(scene.loader, Load("nobody", one, 0.0))
    assert scene.parents["one"].heard == [Loaded(INITIAL, 0)]


def test_the_latest_time_on_record_comes_with_a_stream(scene: Set) -> None:
    one = scene.parent("one")
    made = facts_of(*MAKING, take(), start("a", at=AT + 5 * SECOND))
    scene.log.append([FactBatch("one", 0, made)])
    scene.tell(scene.loader, Load("one", one, 0.0))
    assert [loaded.at for loaded in scene.parents["one"].take(Loaded)] == [AT + 5 * SECOND]


def test_news_are_what_stands_after_a_version(scene: Set) -> None:
    one = scene.parent("one")
    made = facts_of(*MAKING)
    scene.log.append([FactBatch("one", 0, made)])
    scene.tell(scene.loader, LoadNews("one", 3, one, 0.0))
    [news] = scene.parents["one"].take(LoadedNews)
    assert [record.fact for record in news.records] == made[3:]
    assert [record.version for record in news.records] == list(range(4, len(made) + 1))
    scene.tell(scene.loader, LoadNews("one", len(made), one, 0.0))
    assert scene.parents["one"].heard == [LoadedNews([])]


def test_a_damaged_stream_is_told_and_the_loader_goes_on(scene: Set, counting: Counting) -> None:
    one = scene.parent("one")
    made = facts_of(*MAKING)
    scene.log.append([FactBatch("one", 0, made), FactBatch("other", 0, made)])
    rows = counting._streams["one"].rows
    rows[2] = rows[2]._replace(data=b"{}")
    scene.tell(scene.loader, Load("one", one, 0.0), LoadNews("one", 1, one, 0.0))
    failed = scene.parents["one"].take(LoadFailed)
    assert [type(failure.error) for failure in failed] == [StoreDamagedError] * 2
    scene.tell(scene.loader, Load("other", one, 0.0))
    assert len(scene.parents["one"].take(Loaded)) == 1
    assert scene.stage.deaths == []


def test_what_was_asked_before_the_last_answer_needs_no_other(scene: Set) -> None:
    one, other = scene.parent("one"), scene.parent("other")
    scene.log.append([FactBatch("one", 0, facts_of(*MAKING))])
    scene.stage.seconds = 5.0
    scene.tell(scene.loader, Load("one", one, 4.0), Load("one", one, 4.5), Load("one", other, 4.5))
    assert len(scene.parents["one"].take(Loaded)) == 1
    assert len(scene.parents["other"].take(Loaded)) == 1
    scene.tell(scene.loader, Load("one", one, 4.9), LoadNews("one", 1, one, 4.9))
    assert scene.parents["one"].heard == []
    scene.tell(scene.loader, Load("one", one, 5.0))
    assert len(scene.parents["one"].take(Loaded)) == 1


def test_appends_whose_turn_was_lost_are_written_at_the_next_look(scene: Set, counting: Counting) -> None:
    one = scene.parent("one")
    made = facts_of(*MAKING)
    scene.journal.tell(Append("one", 0, made, one))
    actor, envelope = scene.stage.queue.popleft()
    actor.on_receive(envelope.message)
    scene.stage.queue.clear()
    scene.tell(scene.journal, Tick)
    assert scene.parents["one"].heard == [Appended(len(made), len(made))]
    scene.tell(scene.journal, Flush)
    assert counting.transactions == [1]


def test_long_reads_hold_up_nobody_else() -> None:
    assert LoaderActor.lane != ParentActor.lane
    assert JournalActor.lane == ParentActor.lane == SupervisorActor.lane == "core"
