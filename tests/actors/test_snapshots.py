"""When a parent's snapshots are due, and the actor that keeps them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import pytest

from actors.messages import Snap
from actors.snapshots import SECONDS_PER_CHILD, SnapshotRules, Snapshots
from actors.snapshotter import SnapshotterActor
from events.errors import StoreFullError
from events.evolve import fold
from events.facts import ChildProgressed, Fact
from events.log import EventLog, FactBatch, MemoryRecorder, StoredSnapshot
from events.log.folding import folded
from events.snapshot import detached, difference
from events.state import ParentState
from tests.actors.stage import Stage
from tests.events.scenario import AT, finish, parent, start, take

OPEN: Final = parent("a", "b").given(take(), start("a")).facts
OVER: Final = parent("a", "b").given(take(), start("a"), start("b"), finish("a"), finish("b")).facts
EVENTS_MIN: Final = 5


class Desk:
    """One parent's snapshots, and what it had kept."""

    def __init__(self, *, rules: bool = True) -> None:
        self.stage = Stage()
        self.kept: list[Snap] = []
        wanted = SnapshotRules(EVENTS_MIN, self.kept.append) if rules else None
        self.snapshots = Snapshots("p", self.stage, wanted)
        self.state = fold(OPEN)

    def grow(self, events: int, *, ours: bool = True, state: ParentState | None = None) -> list[int]:
        """Let so many events come on record; return the versions of the snapshots that were kept of them."""
        before = len(self.kept)
        facts: Sequence[Fact] = [
            ChildProgressed(at=AT + n, child_id="a", attempt=1, progress=0.5) for n in range(events)
        ]
        self.state = fold(facts, self.state) if state is None else state
        self.snapshots.note(facts, self.state, 1_000 + self.state.version, ours=ours)
        return [snap.state.version for snap in self.kept[before:]]


def test_the_first_snapshot_is_due_as_soon_as_there_are_events_enough() -> None:
    desk = Desk()
    desk.state = fold(OPEN[:1])
    assert desk.grow(3) == []
    assert desk.grow(1) == [5]
    [snap] = desk.kept
    assert (snap.parent_id, snap.position, snap.at) == ("p", 1_005, AT + 2)
    assert difference(snap.state, desk.state) is None
    assert snap.state.children is not desk.state.children, "another thread reads it"


def test_the_next_one_follows_after_so_many_events_and_so_long_a_time() -> None:
    desk = Desk()
    first = desk.grow(0)
    assert first == [len(OPEN)]
    assert desk.grow(20) == [], "too soon"
    desk.stage.seconds += SECONDS_PER_CHILD * desk.state.total
    assert desk.grow(0) == [first[0] + 20]
    desk.stage.seconds += 1.0
    assert desk.grow(EVENTS_MIN - 1) == [], "too few"
    assert desk.grow(1) == [first[0] + 20 + EVENTS_MIN]


def test_a_settled_parent_has_its_last_one_kept_at_once() -> None:
    desk = Desk()
    assert desk.grow(0) == [len(OPEN)]
    assert desk.grow(0, state=fold(OVER)) == [len(OVER)]
    assert desk.grow(0, state=fold(OVER)) == [], "not twice"


def test_one_that_was_read_counts_and_the_latest_time_is_that_of_all_events() -> None:
    desk = Desk()
    desk.snapshots.begin(AT + 99, len(OPEN) - 2)
    assert desk.grow(1) == []
    assert desk.grow(2) == [len(OPEN) + 3]
    assert desk.kept[-1].at == AT + 99


def test_parents_of_others_and_small_ones_have_none_kept_here() -> None:
    desk = Desk()
    assert desk.grow(50, ours=False) == []
    small = Desk()
    assert small.grow(0, state=fold(OPEN[:4])) == []
    off = Desk(rules=False)
    assert off.grow(50) == []


# The snapshotter


@pytest.fixture
def log() -> EventLog:
    made = EventLog(Refusing())
    made.append([FactBatch("p", 0, OVER)])
    return made


class Refusing(MemoryRecorder):
    """A store that takes no snapshot while it is full."""

    full = False

    def keep_snapshot(self, snapshot: StoredSnapshot, body: bytes) -> None:
        if self.full:
            raise StoreFullError("the disk is full")
        super().keep_snapshot(snapshot, body)


def snapped(facts: Sequence[Fact]) -> Snap:
    return Snap("p", detached(fold(facts)), len(facts), AT)


def told(log: EventLog, *snaps: Snap, closing: bool = False) -> Stage:
    stage = Stage()
    ref = stage.spawn(lambda runtime: SnapshotterActor(runtime, lambda *_: None, log, lambda: closing))
    for snap in snaps:
        ref.tell(snap)
    stage.play()
    assert ref.is_alive()
    return stage


def test_it_keeps_what_it_is_told(log: EventLog) -> None:
    told(log, snapped(OPEN), snapped(OVER))
    assert [one.version for one in log.recorder.snapshots("p")] == [len(OVER), len(OPEN)]
    assert folded(log, "p").snapshot == len(OVER)


def test_while_everything_closes_only_what_is_settled_is_kept(log: EventLog) -> None:
    told(log, snapped(OPEN), closing=True)
    assert log.recorder.snapshots("p") == []
    told(log, snapped(OVER), closing=True)
    assert len(log.recorder.snapshots("p")) == 1


def test_a_store_that_takes_no_snapshot_does_no_harm(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert isinstance(log.recorder, Refusing)
    log.recorder.full = True
    told(log, snapped(OVER))
    assert "run 'p': no snapshot of version" in caplog.text
    log.recorder.full = False
    told(log, snapped(OVER))
    assert len(log.recorder.snapshots("p")) == 1


def test_what_would_be_too_large_is_told_and_not_kept(
    log: EventLog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("events.snapshot.STORED_BYTES_MAX", 50)
    told(log, snapped(OVER))
    assert "would be too large" in caplog.text
    assert log.recorder.snapshots("p") == []


def test_it_lives_on_whatever_happens(log: EventLog) -> None:
    broken = Snap("p", fold(OVER).replace(children=None), 1, 1)
    told(log, broken, snapped(OVER))
    assert len(log.recorder.snapshots("p")) == 1
