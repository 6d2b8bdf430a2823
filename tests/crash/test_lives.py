"""SIGKILL in the middle of each part of a run's life, and the next process goes on rightly."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from events.facts import (
    AttemptLost,
    ChildFinished,
    ChildProgressed,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    LimitsChanged,
    OwnershipTaken,
    ParentDecided,
)
from events.invariants import check_history
from events.log import open_log
from orchestrator import Orchestrator, Threshold
from tests.crash import lives
from tests.support.waiting import until

Seen = Callable[[Sequence[Fact]], bool]


class Life:
    """One store, the processes that work on it one after the other, and what children did."""

    def __init__(self, folder: Path, scenario: str) -> None:
        self.folder = folder
        self.store = folder / "runs.db"
        self._command = [sys.executable, "-m", "tests.crash.lives", str(self.store), str(folder), scenario]

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """Let a process work; it is killed in the end, if it still lives."""
        root = Path(lives.__file__).parents[2]
        with subprocess.Popen(self._command, stdout=subprocess.PIPE, cwd=root, bufsize=0) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"begun\n"
                yield process
            finally:
                process.send_signal(signal.SIGKILL)

    def facts(self, run_id: str = lives.RUN_ID) -> list[Fact]:
        with open_log(self.store, must_exist=True) as log:
            return [record.fact for record in log.read(run_id)]

    def kill_once(self, seen: Seen, run_id: str = lives.RUN_ID) -> None:
        """Let a process work until something is on record, then kill it."""
        with self.process():
            until(lambda: seen(self.facts(run_id)), what="the fact to kill at")

    def go_on(self) -> str:
        """Let the next process bring the run to its end, and return the status that it tells."""
        self.open_the_gate()
        with self.process() as process:
            assert process.stdout is not None
            word, status = process.stdout.readline().decode().split()
            assert word == "settled"
            process.wait(20)
        for run_id in self.runs():
            check_history(self.facts(run_id))
        return status

    def open_the_gate(self) -> None:
        (self.folder / "go").touch()

    def runs(self) -> list[str]:
        with open_log(self.store, must_exist=True) as log:
            return [parent_id for parent_id, _ in log.parents()]

    def ran(self) -> Counter[str]:
        """Count how often each child was run, by `parent id/child id`."""
        effects = self.folder / "effects"
        lines = effects.read_text(encoding="ascii").splitlines() if effects.exists() else []
        return Counter("/".join(line.split()[1:3]) for line in lines)


def of(facts: Sequence[Fact], kind: type[Fact], child_id: str | None = None) -> list[Fact]:
    return [f for f in facts if isinstance(f, kind) and child_id in (None, getattr(f, "child_id", None))]


def outcomes(facts: Sequence[Fact]) -> dict[str, str]:
    return {fact.child_id: fact.outcome for fact in facts if isinstance(fact, ChildFinished)}


@pytest.fixture
def life(tmp_path: Path, request: pytest.FixtureRequest) -> Life:
    return Life(tmp_path, request.param)


@pytest.mark.parametrize("life", ["retries"], indirect=True)
def test_a_retry_that_waits_keeps_its_time(life: Life) -> None:
    begun = "r/in_a_while-1"  # a start is on record before the work begins
    life.kill_once(lambda facts: bool(of(facts, ChildRetryScheduled)) and life.ran()[begun] == 1)
    assert life.go_on() == "succeeded"
    facts = life.facts()
    (retry,) = of(facts, ChildRetryScheduled)
    assert isinstance(retry, ChildRetryScheduled)
    assert 1_500_000 <= retry.not_before - retry.at <= 3_000_000, "three seconds, of which jitter takes up to half"
    assert min(fact.at for fact in of(facts, ChildStarted, "fails_first-0")[1:]) >= retry.not_before
    assert life.ran() == {"r/fails_first-0": 2, "r/in_a_while-1": 2}


@pytest.mark.parametrize("life", ["clocks"], indirect=True)
def test_a_wait_in_the_queue_is_counted_on_through_the_death_of_the_process(life: Life) -> None:
    life.kill_once(lambda facts: bool(of(facts, ChildStarted)))
    with life.process():
        until(lambda: "hasty" in outcomes(life.facts()), what="the hasty child to give up")
    assert life.go_on() == "failed"
    facts = life.facts()
    assert outcomes(facts) == {"in_a_while-0": "succeeded", "patient": "succeeded", "hasty": "timed_out"}
    (hasty,) = of(facts, ChildFinished, "hasty")
    assert hasty.at - facts[0].at >= 2_000_000
    assert "r/hasty" not in life.ran()


@pytest.mark.parametrize("life", ["nested"], indirect=True)
def test_parents_in_parents_go_on(life: Life) -> None:
    begun, others = "r/deep/inner/in_a_while-1", {"at_once-0", "at_once-2"}
    life.kill_once(lambda facts: others <= outcomes(facts).keys() and life.ran()[begun] == 1, "r/deep/inner")
    assert life.go_on() == "succeeded"
    assert life.runs() == ["r", "r/deep", "r/deep/inner"]
    assert all(outcome == "succeeded" for run_id in life.runs() for outcome in outcomes(life.facts(run_id)).values())
    assert not of(life.facts("r"), AttemptLost, "deep"), "a nested parent is not interrupted by that"
    ran = life.ran()
    assert ran.pop(begun) == 2
    assert set(ran.values()) == {1}, "what had succeeded did not run again"


@pytest.mark.parametrize("life", ["progress"], indirect=True)
def test_progress_is_on_record_before_the_end(life: Life) -> None:
    life.kill_once(lambda facts: bool(of(facts, ChildProgressed)))
    assert life.go_on() == "succeeded"
    told = [(f.attempt, f.progress, f.message) for f in life.facts() if isinstance(f, ChildProgressed)]
    assert told[0] == (1, 0.25, "a quarter")


@pytest.mark.parametrize("life", ["coroutines"], indirect=True)
def test_coroutines_in_flight_run_again_and_finished_ones_do_not(life: Life) -> None:
    with life.process():
        until(lambda: life.ran().total() == 60, what="forty coroutines to wait, after twenty that did not")
        until(lambda: len(outcomes(life.facts())) == 20, what="these twenty to be on record")
    assert life.go_on() == "succeeded"
    facts = life.facts()
    assert len(of(facts, OwnershipTaken)) == 2
    lost = {fact.child_id for fact in facts if isinstance(fact, AttemptLost)}
    ran = life.ran()
    assert len(lost) == 40
    assert len(outcomes(facts)) == len(ran) == 80
    assert {child for child, times in ran.items() if times == 2} == {f"r/{child}" for child in lost}
    assert max(ran.values()) == 2


@pytest.mark.parametrize("life", ["strategies"], indirect=True)
def test_a_changed_strategy_holds_for_the_next_process(life: Life) -> None:
    with life.process():
        until(lambda: "at_once-0" in outcomes(life.facts()))
        with Orchestrator(life.store, must_exist=True) as other:
            other.get(lives.RUN_ID).update(strategy=Threshold(count=3), max_workers=7)
        until(lambda: len(of(life.facts(), LimitsChanged)) == 1)
        until(lambda: len(of(life.facts(), ChildStarted)) >= 3, what="the wider limit to be used")
    assert life.go_on() == "succeeded"
    facts = life.facts()
    assert len(of(facts, OwnershipTaken)) == 2
    decided = next(fact for fact in facts if isinstance(fact, ParentDecided))
    assert "3 required" in decided.why
