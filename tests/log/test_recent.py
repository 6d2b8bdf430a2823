"""What was appended of late, as whoever follows the log is given it."""

from __future__ import annotations

from events.child_specs import ChildSpec
from events.fact_roll import FactRoll
from events.facts import ChildStarted, Fact
from events.log.recent import Recent
from events.log.record import Batch, Head, Written
from events.making import Preparing


def started(number: int) -> Fact:
    return ChildStarted(at=number, child_id=f"c{number}", attempt=1, worker="w")


def appended(recent: Recent, first: int, count: int, *, version: int = 0) -> list[Fact]:
    """Take an append of one run at positions in a row."""
    facts = [started(first + number) for number in range(count)]
    batch = Batch("run", version, [("ChildStarted", b"{}")] * count)
    recent.add([facts], [batch], [Written(range(first, first + count), Head(count, version + count, b""))])
    return facts


def test_a_large_append_comes_in_parts_each_at_its_place() -> None:
    recent = Recent()
    facts = appended(recent, 1, 1_000)
    position = 0
    found: list[Fact] = []
    while stretches := recent.after(position, 1):
        [stretch] = stretches
        assert len(stretch.facts) < len(facts)
        assert (stretch.position, stretch.version) == (position + 1, position + 1)
        found += stretch.facts
        position += len(stretch.facts)
        recent.forget(position)
    assert found == facts


def test_as_much_comes_as_is_asked_for_or_a_few_more() -> None:
    recent = Recent()
    appended(recent, 1, 3)
    appended(recent, 4, 1_000, version=3)
    assert [stretch.position for stretch in recent.after(0, 2)] == [1]
    assert sum(len(stretch.facts) for stretch in recent.after(0, 1_003)) == 1_003
    assert recent.after(2, 1) == []  # in the middle of one: the store has it


def test_what_children_are_given_counts_though_their_facts_are_not_kept() -> None:
    """A part of many children keeps all of their inputs alive, and views may be far behind."""
    recent = Recent()
    for run, chars in enumerate((40_000_000, 20_000_000, 20_000_000)):
        roll = FactRoll([])
        roll.extend(Preparing(1, 0, [ChildSpec(child_id="a", task="t", input="x" * chars)]))
        batch = Batch(f"run-{run}", 0, [("ChildPrepared", b"{}")])
        recent.add([roll], [batch], [Written(range(run + 1, run + 2), Head(run + 1, 1, b""))])
        assert bool(recent.after(0, 1)) == (run < 2)
