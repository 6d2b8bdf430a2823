"""`--keep-order`: what children printed, in the order of the children, though they end in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from actors.hearing import EndedChild
from events.state import ParentState, outcome_of
from orchestrator.cli.spool import Raw, Spool, raw_of


class Look(NamedTuple):
    """A look at a run: its state, and how many endings of children had been told when that was the state, or more."""

    state: ParentState
    told: int


class Printed(NamedTuple):
    """What one child printed. Whoever is handed it closes it."""

    child_id: str
    raw: Raw


class _Run:
    """Whose turn it is in one run, and what the children printed that ended before their turn came."""

    def __init__(self, look: Callable[[], Look | None], spool: Spool) -> None:
        self._look = look
        self._spool = spool
        self._seen: Look | None = None
        self._heard = 0
        self._next = 0
        self._held: dict[int, Printed] = {}

    def hear(self, ended: Iterable[EndedChild]) -> Iterator[Printed]:
        """Hold what these children printed; yield that of those whose turn it was, or had been, already."""
        for child in ended:
            self._heard += 1
            raw = raw_of(child)
            if raw is None:
                continue  # that its turn is over is seen in the state
            if child.index <= self._next:
                self._next = max(self._next, child.index + 1)
                yield Printed(child.child_id, raw)
            else:
                self._held[child.index] = Printed(child.child_id, self._spool.keep(raw))

    def due(self) -> Iterator[Printed]:
        """Yield what was printed by those whose turn has come.

        Of a child that is over in a state and was not heard of, although all was heard that had been told by then,
        there is nothing to come: it had printed nothing, or ended before we listened.
        """
        for _ in range(2):
            self._seen = self._seen or self._look()
            if self._seen is None or self._heard < self._seen.told:
                return
            yield from self._pass(self._seen.state)
            self._seen = None

    def _pass(self, state: ParentState) -> Iterator[Printed]:
        while True:
            printed = self._held.pop(self._next, None)
            if printed is not None:
                yield printed
            elif self._next >= state.total or outcome_of(state.children[state.order[self._next]].phase) is None:
                return
            self._next += 1

    def rest(self) -> Iterator[Printed]:
        """Yield all that is held, in order."""
        for index in sorted(self._held):
            yield self._held.pop(index)


class KeptOrder:
    """What the children of some runs printed: each run's in the order of its children.

    Children of other runs (those inside them) have no place in that order: theirs is given back as it comes.
    """

    def __init__(self, look: Callable[[str], Look | None]) -> None:
        self._look = look
        self._runs: dict[str, _Run] = {}
        self._spool = Spool()

    def follow(self, run_id: str) -> None:
        """Keep the order of a run, from its first child on."""
        self._runs[run_id] = _Run(lambda: self._look(run_id), self._spool)

    def hear(self, run_id: str, ended: Iterable[EndedChild]) -> Iterable[Printed]:
        """Take in what children printed; yield what may be printed at once.

        Raises:
            OutputError: there is no room for what has to wait.
        """
        run = self._runs.get(run_id)
        return printed_by(ended) if run is None else run.hear(ended)

    def due(self) -> list[Printed]:
        """Return what may be printed by now."""
        return [printed for run in self._runs.values() for printed in run.due()]

    def rest(self) -> list[Printed]:
        """Return all that is still held: nothing is waited for any more."""
        return [printed for run in self._runs.values() for printed in run.rest()]


def printed_by(ended: Iterable[EndedChild]) -> list[Printed]:
    """Return what these children printed, as far as they printed anything."""
    return [Printed(child.child_id, raw) for child in ended if (raw := raw_of(child)) is not None]
