"""Children that take a random time and end at random, in an executor that keeps its promises as the real ones do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from actors.executors.work import AttemptKey, Done, Ending, Hear, Progress, Work, hear_nothing
from actors.simulated import SimulatedRuntime
from events.payload_files import PayloadRef
from tests.simulation.faults import FaultyMeddler

FAILED = Ending("failed", error='{"type":"Simulated","message":"by chance"}')
LOST = Ending(None, lost="its worker was lost")
KILLED = Ending(None, lost="its worker died: SIGKILL", signal="SIGKILL")
TIMED_OUT = Ending("timed_out", error='{"type":"TimedOut","message":"by the clock"}')
LARGE = PayloadRef(sha256="5" * 64, bytes=100_000)
SECONDS_MAX = 1.2


class SimulatedExecutor:
    """Runs attempts in simulated time. `begun` hears of each attempt whose work begins, `ended` of each ending."""

    def __init__(
        self,
        runtime: SimulatedRuntime,
        meddler: FaultyMeddler,
        begun: Callable[[AttemptKey], None],
        ended: Callable[[AttemptKey, Ending], None],
    ) -> None:
        self._runtime = runtime
        self._meddler = meddler
        self._begun = begun
        self._ended = ended
        self._open: dict[AttemptKey, Done] = {}
        self.kept: dict[AttemptKey, Ending] = {}
        """Endings that nobody said may be dropped."""
        self._late: dict[AttemptKey, tuple[Done, Ending]] = {}
        """What given-up attempts came to, until their first endings may be dropped."""
        self.running_max = 0

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run attempts; idempotent by key."""
        for item in work:
            if item.key in self.kept:
                done(item.key, self.kept[item.key])
            elif item.key in self._open:
                self._open[item.key] = done
            else:
                self._begin(item, done, hear)

    def _begin(self, item: Work, done: Done, hear: Hear) -> None:
        self._open[item.key] = done
        self._runtime.scheduler.note(self._runtime.name, "begins", f"{item.key.parent_id}/{item.key.child_id}")
        self._begun(item.key)
        self.running_max = max(self.running_max, len(self._open))
        chance, faults = self._runtime.random, self._meddler.faults
        ending = Ending("succeeded", "null")
        if faults.filing and chance.random() < faults.filing:
            ending = Ending("succeeded", "what is large", output_file=LARGE)
        luck = chance.random()
        if luck < faults.failing:
            ending = FAILED
        elif luck < faults.failing + faults.losing:
            ending = LOST if chance.random() < 0.5 else KILLED
        seconds = 0.001 + chance.random() * SECONDS_MAX
        if chance.random() < faults.sticking:
            seconds = 1e6
        if item.timeout_seconds is not None and item.timeout_seconds < seconds:
            if faults.late_endings and chance.random() < faults.late_endings:
                self._end_late(seconds, item.key, ending)
            seconds, ending = item.timeout_seconds, TIMED_OUT
        self._end_later(seconds, item.key, ending)
        if faults.talking and chance.random() < faults.talking:
            self._tell_later(seconds * chance.random(), item.key, hear)

    def _tell_later(self, seconds: float, key: AttemptKey, hear: Hear) -> None:
        """Tell of progress some time before the end; now and then after it."""
        progress = Progress(self._runtime.random.random(), "by the way")
        for times in (1.0, 1.5):
            self._runtime.scheduler.call_later(seconds * times, lambda: hear(key, progress), self._runtime)

    def _end_late(self, seconds: float, key: AttemptKey, ending: Ending) -> None:
        """Let an attempt that is given up come to its end after all: told once its first ending is on record."""
        done = self._open[key]
        if ending.outcome is not None:
            late = ending._replace(late=True)

            def end() -> None:
                if key in self.kept:
                    self._late[key] = (done, late)
                else:
                    done(key, late)

            self._runtime.scheduler.call_later(min(seconds, 60.0), end, self._runtime)

    def _end_later(self, seconds: float, key: AttemptKey, ending: Ending) -> None:
        self._runtime.scheduler.call_later(seconds, lambda: self._end(key, ending), self._runtime)

    def _end(self, key: AttemptKey, ending: Ending) -> None:
        done = self._open.pop(key, None)
        if done is not None:
            self._ended(key, ending)
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
            done, late = self._late.pop(key, (None, None))
            if done is not None and late is not None:
                done(key, late)

    def close(self, *, grace_seconds: float) -> None:
        """Stop everything that runs."""
        for key in list(self._open):
            self._end(key, Ending(None, lost="the orchestrator was closed"))

    def heal(self) -> None:
        """Let whatever was stuck come to its end."""
        for key in list(self._open):
            self._end_later(1.0, key, FAILED)
