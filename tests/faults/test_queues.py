"""Floods of messages: what is open to others is bounded by a limit with a name, and the system answers afterwards."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest

from actors.messages import News, Request, Tick
from orchestrator import (
    CancelRun,
    DeadlineExceededError,
    LimitExceededError,
    Limits,
    Orchestrator,
    Parallel,
    RunRefused,
    StartRun,
)
from tests.face import tasks
from tests.faults.table import Tally
from tests.faults.verdict import judge_file
from tests.support.waiting import until

PARALLEL = Parallel(children=[tasks.square.child(x=1)])
MEBIBYTE = 1_048_576


class Counting(pykka.ThreadingActor):
    """Counts what it is told, by kind; and refusals for another reason than the limit."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self.counts = counts
        self.others = 0

    def on_receive(self, message: Any) -> Any:
        if message == "others":
            return self.others
        self.counts[type(message).__name__] += 1
        if isinstance(message, RunRefused):
            self.others += "requests_waiting_max" not in message.reason
        return None


@pytest.fixture
def counts() -> Counter[str]:
    return Counter()


@pytest.fixture
def counting(counts: Counter[str]) -> Iterator[pykka.ActorRef[Counting]]:
    ref = Counting.start(counts)
    yield ref
    ref.stop(timeout=60)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def flood_size(rounds: int) -> int:
    """Return how many messages a flood has: a million in a long campaign."""
    return 20_000 if rounds == 1 else 1_000_000


def answers(orchestrator: Orchestrator) -> float:
    """Return after how many seconds a new run is over."""
    began = time.monotonic()
    assert orchestrator.start(PARALLEL).settle(timeout=60).status == "succeeded"
    return time.monotonic() - began


def test_a_flood_of_start_run_is_refused_over_the_limit(
    store: Path, counting: pykka.ActorRef[Counting], counts: Counter[str], rounds: int, tally: Tally
) -> None:
    number = flood_size(rounds)
    with Orchestrator(store, max_workers=2, limits=Limits(requests_waiting_max=200)) as orchestrator:
        before, ref = resident_bytes(), orchestrator.ref
        began = time.monotonic()
        for count in range(number):
            ref.tell(StartRun(PARALLEL, f"r{count}", counting))
        told = time.monotonic() - began
        until(lambda: counts["ParentFinished"] + counts["RunRefused"] == number, timeout_seconds=600)
        assert counts["RunRefused"] > 0
        assert counting.ask("others", timeout=10) == 0
        assert counts["ParentFinished"] >= 200
        grown = resident_bytes() - before
        assert grown < 300 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB"
        print(f"{number:,} StartRun in {told:.1f} s, {grown / MEBIBYTE:.0f} MiB, then {answers(orchestrator):.2f} s")
    verdict = judge_file(store, max_workers=2)
    tally("flood of StartRun", rounds=1, faults=number, lost=0, refused=counts["RunRefused"], completed=verdict.settled)


def test_a_flood_of_cancel_run_and_of_nonsense(
    store: Path, counting: pykka.ActorRef[Counting], counts: Counter[str], rounds: int, tally: Tally
) -> None:
    number, refused = flood_size(rounds), 0
    with Orchestrator(store, max_workers=2, limits=Limits(requests_waiting_max=500)) as orchestrator:
        before, ref = resident_bytes(), orchestrator.ref
        for count in range(number):
            try:
                ref.tell((CancelRun(f"none-{count}"), "nonsense", CancelRun("x" * 300), None)[count % 4])
            except LimitExceededError as error:
                refused += "requests_waiting_max" in str(error)
        assert refused > 0
        grown = resident_bytes() - before
        assert grown < 300 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB"

        def taken() -> bool:
            """Tell it, once more each time it was refused, until it is over."""
            if told.total() == counts.total():
                told["StartRun"] += 1
                ref.tell(StartRun(PARALLEL, "after", counting))
            return counts["ParentFinished"] > 0

        told: Counter[str] = Counter()
        until(taken, timeout_seconds=60)
        answers(orchestrator)
    tally("flood of CancelRun and nonsense", rounds=1, faults=number, refused=refused, completed=2)


NONSENSE: list[Any] = [
    StartRun(None, None, None),  # type: ignore[arg-type]
    StartRun(PARALLEL, 7, "nobody"),  # type: ignore[arg-type]
    StartRun(PARALLEL, "a", "nobody"),  # type: ignore[arg-type]
    CancelRun(None, None),  # type: ignore[arg-type]
    CancelRun("a", "\ud800"),
]


@pytest.mark.parametrize("message", NONSENSE, ids=range(len(NONSENSE)))
def test_a_message_that_makes_no_sense_hurts_nobody(
    store: Path,
    message: Any,
    counting: pykka.ActorRef[Counting],
    counts: Counter[str],
    caplog: pytest.LogCaptureFixture,
    tally: Tally,
) -> None:
    """Who sent it is told, where there is anybody to tell; the log says the rest in one line."""
    with Orchestrator(store, max_workers=2) as orchestrator:
        ref = orchestrator.ref
        ref.tell(message)
        ref.tell(StartRun(None, "bad", counting))  # type: ignore[arg-type]
        ref.tell(StartRun(PARALLEL, "good", counting))
        until(lambda: counts["ParentFinished"] == counts["RunRefused"] == 1)
        assert ref.is_alive()
    assert "died" not in caplog.text
    assert "Traceback" not in caplog.text
    tally("messages that make no sense", rounds=1, faults=2, refused=1, completed=1)


def test_calls_that_nobody_waits_for_are_bounded(store: Path, tally: Tally) -> None:
    """A caller with no patience leaves its request behind; so many are kept, and then the next is refused."""
    refused = late = 0
    with Orchestrator(store, max_workers=2, limits=Limits(requests_waiting_max=50)) as orchestrator:
        for count in range(2_000):
            try:
                orchestrator.start(PARALLEL, id=f"r{count}", timeout=0.0)
            except DeadlineExceededError:
                late += 1
            except LimitExceededError as error:
                refused += "requests_waiting_max" in str(error)
            assert len(orchestrator._engine._unanswered) <= 50
        assert refused + late == 2_000
        assert late > 0
        until(lambda: not orchestrator._engine._unanswered)
        answers(orchestrator)
    tally("calls without patience", rounds=1, faults=2_000, refused=refused, completed=1)


def test_live_runs_are_bounded(store: Path, tally: Tally) -> None:
    gate = "live-runs"
    with Orchestrator(store, max_workers=2, limits=Limits(live_runs_max=30)) as orchestrator:
        waiting = Parallel(children=[tasks.wait_at.child(gate=gate)])
        runs = [orchestrator.start(waiting, id=f"r{count}") for count in range(30)]
        with pytest.raises(LimitExceededError, match="live_runs_max"):
            orchestrator.start(waiting, id="one too many")
        assert "one too many" not in {status.id for status in orchestrator.list()}
        tasks.GATES[gate].set()
        for run in runs:
            run.settle(timeout=30)
        until(lambda: len(orchestrator._engine._system.directory.live) < 30)
        answers(orchestrator)
    tally("more live runs than the limit", rounds=1, faults=1, refused=1, completed=31)


@pytest.mark.parametrize("message", [News, Tick, Request(())], ids=["News", "Tick", "Request"])
def test_a_parent_that_is_flooded_answers_afterwards(store: Path, message: Any, rounds: int, tally: Tally) -> None:
    """Nobody outside can send these; should there be very many all the same, they are worked off."""
    number = flood_size(rounds) if message is not Tick else 2_000
    gate = f"flooded-{message}"
    with Orchestrator(store, max_workers=2) as orchestrator:
        run = orchestrator.start(Parallel(children=[tasks.wait_at.child(gate=gate)]), id="r")
        before, began = resident_bytes(), time.monotonic()
        for _ in range(number):
            orchestrator._engine._system.tell_parent("r", message)
        told = time.monotonic() - began
        run.cancel(timeout=300)
        print(f"{number:,} {message}: told in {told:.1f} s, answered after {time.monotonic() - began:.1f} s")
        assert run.settle(timeout=60).status == "cancelled"
        grown = resident_bytes() - before
        assert grown < 1_000 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB"
    judge_file(store, max_workers=2)
    tally("floods within", rounds=1, faults=number, lost=0, completed=1)
