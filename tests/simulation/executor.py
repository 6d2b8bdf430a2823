"""Children that take a random time and end at random, in an executor that keeps its promises as the real ones do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from actors.executors.work import AttemptKey, Done, Ending, Hear, Work, hear_nothing
from actors.simulated import SimulatedRuntime
from tests.simulation.faults import FaultyMeddler

FAILED = Ending("failed", error='{"type":"Simulated","message":"by chance"}')
TIMED_OUT = Ending("timed_out", error='{"type":"TimedOut","message":"by the clock"}')
SECONDS_MAX = 1.2


class SimulatedExecutor:
    """Runs attempts in simulated time. `begun` is called for each attempt whose work begins."""

    def __init__(self, runtime: SimulatedRuntime, meddler: FaultyMeddler, begun: Callable[[AttemptKey], None]) -> None:
        self._runtime = runtime
        self._meddler = meddler
        self._begun = begun
        self._open: dict[AttemptKey, Done] = {}
        self.kept: dict[AttemptKey, Ending] = {}
        """Endings that nobody said may be dropped."""
        self.running_max = 0

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run attempts; idempotent by key."""
        for item in work:
            if item.key in self.kept:
                done(item.key, self.kept[item.key])
            elif item.key in self._open:
                self._open[item.key] = done
            else:
                self._begin(item, done)

    def _begin(self, item: Work, done: Done) -> None:
        self._open[item.key] = done
        self._runtime.scheduler.note(self._runtime.name, "begins", f"{item.key.parent_id}/{item.key.child_id}")
        self._begun(item.key)
        self.running_max = max(self.running_max, len(self._open))
        chance, faults = self._runtime.random, self._meddler.faults
        ending = Ending("succeeded", "null")
        luck = chance.random()
        if luck < faults.failing:
            ending = FAILED
        elif luck < faults.failing + faults.losing:
            ending = Ending(None, lost="its worker was killed")
        seconds = 0.001 + chance.random() * SECONDS_MAX
        if chance.random() < faults.sticking:
            seconds = 1e6
        if item.timeout_seconds is not None and item.timeout_seconds < seconds:
            seconds, ending = item.timeout_seconds, TIMED_OUT
        self._end_later(seconds, item.key, ending)

    def _end_later(self, seconds: float, key: AttemptKey, ending: Ending) -> None:
        self._runtime.scheduler.call_later(seconds, lambda: self._end(key, ending), self._runtime)

    def _end(self, key: AttemptKey, ending: Ending) -> None:
        done = self._open.pop(key, None)
        if done is not None:
            self.kept[key] = ending
            done(key, ending)

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Ask attempts to stop. Some listen; others take their time."""
        for key in keys:
            if key not in self._open:
                continue
            if self._meddler.faults.deaf and self._runtime.random.random() < self._meddler.faults.deaf:
                self._end_later(self._runtime.random.random() * SECONDS_MAX, key, Ending("cancelled"))
            else:
                self._end(key, Ending("cancelled"))

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop endings."""
        for key in keys:
            self.kept.pop(key, None)

    def close(self, *, grace_seconds: float) -> None:
        """Stop everything that runs."""
        for key in list(self._open):
            self._end(key, Ending(None, lost="the orchestrator was closed"))

    def heal(self) -> None:
        """Let whatever was stuck come to its end."""
        for key in list(self._open):
            self._end_later(1.0, key, FAILED)
