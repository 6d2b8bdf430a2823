"""What this process appended of late, for whoever follows the log and would else read it back from the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final, NamedTuple

from events.fact_roll import FactRoll, Part
from events.facts import Fact
from events.log.record import Batch, Verdict, Written

_FACTS_MAX: Final = 100_000
_BYTES_MAX: Final = 64 * 1024 * 1024
_MADE_FOR_ONE: Final = 32
_STRETCH_FACTS_MAX: Final = 256
"""A large append is cut into so many: whoever asks for some facts is not to get all those that make a large run."""


class Stretch(NamedTuple):
    """Facts of one parent that stand at positions in a row."""

    position: int
    """That of the first one."""
    parent_id: str
    version: int
    """That of the first one."""
    facts: Sequence[Fact]


class Recent:
    """The latest appends, as many as a limit of facts and one of bytes allow. Any thread may call any method."""

    def __init__(self, grown: Callable[[], None] = lambda: None) -> None:
        """`grown` is called after each append, by whoever appended."""
        self.grown: Final = grown
        self._lock = Lock()
        self._stretches: dict[int, Stretch] = {}
        """By their first positions, in the order in which they came."""
        self._facts = 0
        self._bytes = 0

    def add(self, facts: Sequence[Sequence[Fact]], batches: Sequence[Batch], verdicts: Sequence[Verdict]) -> None:
        """Take an append. Where it is too much, all is forgotten: it can be read from the store."""
        with self._lock:
            for some, batch, verdict in zip(facts, batches, verdicts, strict=True):
                if isinstance(verdict, Written):
                    self._put(verdict.positions[0], batch, some)
                    self._bytes += _size(some, batch)
            if self._facts > _FACTS_MAX or self._bytes > _BYTES_MAX:
                self._clear()
        self.grown()

    def _put(self, first: int, batch: Batch, facts: Sequence[Fact]) -> None:
        version, most = batch.expected_version + 1, _STRETCH_FACTS_MAX
        for start in range(0, len(facts), most):
            part = facts
            if isinstance(facts, FactRoll):
                part = facts.part(start, start + most)
            elif len(facts) > most:
                part = facts[start : start + most]
            self._stretches[first + start] = Stretch(first + start, batch.parent_id, version + start, part)
            self._facts += _kept(part)

    def after(self, position: int, limit: int) -> list[Stretch]:
        """Return what follows on a position without a gap, as far as it is known: `limit` facts, or a few more."""
        found: list[Stretch] = []
        with self._lock:
            while limit > 0 and (stretch := self._stretches.get(position + 1)) is not None:
                found.append(stretch)
                position += len(stretch.facts)
                limit -= len(stretch.facts)
        return found

    def forget(self, position: int) -> None:
        """Forget what stands up to a position. What came out of order may stay until it is too much."""
        with self._lock:
            for first, stretch in list(self._stretches.items()):
                if first + len(stretch.facts) - 1 > position:
                    break
                del self._stretches[first]
                self._facts -= _kept(stretch.facts)
            if not self._stretches:
                self._clear()

    def _clear(self) -> None:
        self._stretches.clear()
        self._facts = self._bytes = 0


def _size(facts: Sequence[Fact], batch: Batch) -> int:
    """Return about how many bytes are kept with facts. A roll's rows are not, and would have to be encoded anew."""
    return facts.input_chars if isinstance(facts, FactRoll) else sum([len(data) for _, data in batch.rows])


def _kept(facts: Sequence[Fact]) -> int:
    """Return how many facts take as much room: those that are made when they are looked at take next to none."""
    return 1 + len(facts) // _MADE_FOR_ONE if isinstance(facts, Part) else len(facts)
