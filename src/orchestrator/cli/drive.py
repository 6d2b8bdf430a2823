"""Following runs to their end on the main thread: printing what children printed, drawing the bar, hearing signals."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty
from typing import Final

from actors.hearing import EndedChild
from events.errors import OrchestratorError
from events.views import Counts, RunStatus
from orchestrator.cli.keep_order import KeptOrder, Printed, printed_by
from orchestrator.cli.live import Ended, LiveOrchestrator, News
from orchestrator.cli.progress import Bar
from orchestrator.cli.screen import Screen, discard
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import OutputError
from orchestrator.run import Run

FAILURES_MAX: Final = 5
"""How many children that did not succeed are remembered by name, in each run."""
_LOOK_SECONDS: Final = 0.5
"""Longest wait for news: a signal that comes in the instant before a wait does not end that wait."""
_UNPRINTED_MAX: Final = 64
"""How many children may have ended before a bar makes way for what they printed."""


class Drive:
    """Follows runs until all of them are over, or a signal comes."""

    def __init__(self, orchestrator: LiveOrchestrator, bar: Bar | None, *, prints: bool, keep_order: bool) -> None:
        self._orchestrator = orchestrator
        self._bar = bar
        self._screen = Screen(bar, prints=prints)
        self._open: dict[str, Run] = {}
        self._unprinted: list[Printed] = []
        self._order = KeptOrder(orchestrator.look) if keep_order else None
        self._begun = time.monotonic()
        self.ended: Counter[str] = Counter()
        """How many children ended meanwhile, by run id."""
        self.over: dict[str, RunStatus | OrchestratorError] = {}
        """How runs ended, or why they cannot be gone on with, by run id."""
        self.failures: dict[str, list[EndedChild]] = {}
        """The first children that failed or timed out meanwhile, by run id."""

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._begun

    def follow(self, runs: Sequence[Run], signals: Signals) -> None:
        """Follow these runs. Raises OutputError where what children printed cannot be written."""
        self._open = {run.id: run for run in runs}
        if self._order is not None:
            for run in runs:
                self._order.follow(run.id)
        signals.tell(lambda: self._orchestrator.news.put(None))
        try:
            if self._bar is not None and runs:
                self._bar.begin(self._counts())
            while self._open and signals.number is None:
                self._hear()
                self._show()
        finally:
            if self._bar is not None:
                with suppress(OutputError):
                    self._bar.erase()

    def finish(self) -> None:
        """Print what is left to be printed, once the orchestrator is closed. Raises OutputError, as above."""
        self._drain()
        self._print()
        if self._order is not None:  # those whose turn never came: they are on record, and do not run again
            self._screen.show(self._order.rest())

    def discard(self) -> None:
        """Give back what is left to be printed, unprinted."""
        self._order, order = None, self._order
        self._drain()
        discard(self._unprinted)
        if order is not None:
            discard(order.rest())

    def _hear(self) -> None:
        """Wait for news, but not past what else there is to do."""
        patience = _LOOK_SECONDS if self._bar is None else min(_LOOK_SECONDS, self._bar.due_seconds())
        with suppress(Empty):
            self._take(self._orchestrator.news.get(timeout=patience))
            self._drain()

    def _drain(self) -> None:
        with suppress(Empty):
            while True:
                self._take(self._orchestrator.news.get_nowait())

    def _take(self, news: News) -> None:
        if isinstance(news, Ended):
            self.ended[news.run_id] += len(news.children)
            if self._order is None:
                self._unprinted += printed_by(news.children)
            else:
                self._unprinted += self._order.hear(news.run_id, news.children)
            failures = self.failures.setdefault(news.run_id, [])
            if len(failures) < FAILURES_MAX:
                found = [child for child in news.children if child.outcome in ("failed", "timed_out")]
                failures += found[: FAILURES_MAX - len(failures)]
        elif news is not None and (run := self._open.pop(news.run_id, None)) is not None:
            self.over[run.id] = self._end_of(run)

    def _end_of(self, run: Run) -> RunStatus | OrchestratorError:
        """Return how a run ended that is settled (while we closed, perhaps), or why it was halted."""
        view = self._orchestrator.view(run.id)
        if view.settled:
            return view
        try:
            return run.settle(timeout=0).view
        except OrchestratorError as error:
            return error

    def _show(self) -> None:
        if self._bar is None:
            self._print()
        elif not self._bar.due_seconds():
            self._print()
            paused = any(map(self._orchestrator.is_paused, self._open))
            more = any(map(self._orchestrator.is_open, self._open))
            part = sum(map(self._orchestrator.part_done, self._open))
            self._bar.draw(self._counts(), paused=paused, more=more, part=part)
        elif len(self._unprinted) >= _UNPRINTED_MAX:
            self._print()

    def _print(self) -> None:
        unprinted, self._unprinted = self._unprinted, []
        self._screen.show(unprinted)
        if self._order is not None:
            self._screen.show(self._order.due())

    def _counts(self) -> Counts:
        each = [self._orchestrator.view(run_id).counts for run_id in (*self._open, *self.over)]
        return Counts(*(sum(column) for column in zip(*each, strict=True)))
