"""Fairness between runs, priorities, and limits by key, by what stands on record in the end."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from events.invariants import check_history
from events.log import open_log
from orchestrator import Child, Orchestrator, Parallel, Run, Threshold, Throttle, UsageError
from orchestrator.queries import HistoryEvent
from tests.face import tasks, throttled
from tests.support.waiting import until

SECOND_US = 1_000_000
ENDS = ("ChildFinished", "AttemptLost", "ChildRetryScheduled")


def waiting(gate: str, count: int, **settings: Any) -> Parallel:
    return Parallel(children=[tasks.wait_at.child(gate=gate)] * count, **settings)


def keyed(count: int, *keys: str, **fields: Any) -> list[Child]:
    return [Child(task="square", input={"x": n}, keys=keys, **fields) for n in range(count)]


def positions(run: Run, kind: str) -> list[int]:
    return [event.position for event in run.history() if event.type == kind]


def together(*runs: Run) -> list[tuple[str, HistoryEvent]]:
    """Return the events of runs in the order in which they came on record."""
    return sorted(((run.id, event) for run in runs for event in run.history()), key=lambda pair: pair[1].position)


def most_at_a_time(keys: dict[tuple[str, str], str], *runs: Run) -> Counter[str]:
    """Return how many children of each key ran at most at any prefix of the record."""
    most, running = Counter[str](), Counter[str]()
    for run_id, event in together(*runs):
        key = keys.get((run_id, str(event.data.get("child_id"))))
        if key is not None and event.type == "ChildStarted":
            running[key] += 1
            most[key] = max(most[key], running[key])
        elif key is not None and event.type in ENDS and event.data["attempt"]:
            running[key] -= 1
    return most


def most_in_a_second(starts_us: list[int]) -> int:
    return max(sum(1 for other in starts_us if at <= other <= at + SECOND_US) for at in starts_us)


def test_a_small_run_beside_a_big_one_is_over_long_before_it(gate: str) -> None:
    with Orchestrator("memory:", max_workers=4) as orchestrator:
        big = orchestrator.start(waiting(gate, 1_000), id="big")
        until(lambda: big.status().counts.running == 4)
        small = orchestrator.start(Parallel(children=keyed(4)), id="small")
        tasks.GATES[gate].set()
        assert small.settle(timeout=20).status == "succeeded"
        assert big.settle(timeout=20).status == "succeeded"
        over = positions(small, "ParentSettled")[0]
        assert sum(1 for position in positions(big, "ChildFinished") if position < over) < 500


def test_runs_have_workers_in_proportion_to_their_weight(gate: str) -> None:
    with Orchestrator("memory:", max_workers=8) as orchestrator:
        blocker = orchestrator.start(waiting(gate, 8), id="blocker")
        until(lambda: blocker.status().counts.running == 8)
        runs = [
            orchestrator.start(waiting(f"{gate}/2", 20, weight=weight), id=name)
            for name, weight in (("light", 1), ("heavy", 3))
        ]
        tasks.GATES[gate].set()
        until(lambda: [run.status().counts.running for run in runs] == [2, 6])
        tasks.GATES[f"{gate}/2"].set()
        assert {run.settle(timeout=20).status for run in runs} == {"succeeded"}


def test_a_run_of_higher_priority_gets_every_worker_first(gate: str) -> None:
    with Orchestrator("memory:", max_workers=2) as orchestrator:
        blocker = orchestrator.start(waiting(gate, 2), id="blocker")
        until(lambda: blocker.status().counts.running == 2)
        low = orchestrator.start(Parallel(children=keyed(6)), id="low")
        high = orchestrator.start(Parallel(children=keyed(6), priority=1), id="high")
        tasks.GATES[gate].set()
        assert low.settle(timeout=20).status == high.settle(timeout=20).status == "succeeded"
        assert max(positions(high, "ChildStarted")) < min(positions(low, "ChildStarted"))


def test_children_of_higher_priority_start_first() -> None:
    priorities = {"a": 0, "b": 2, "c": 1, "d": 2, "e": -1}
    children = [Child(id=name, task="nothing", priority=priority) for name, priority in priorities.items()]
    with Orchestrator("memory:", max_workers=1) as orchestrator:
        run = orchestrator.start(Parallel(children=children))
        run.settle(timeout=20)
        assert [event.data["child_id"] for event in run.history() if event.type == "ChildStarted"] == list("bdcae")


def test_a_limit_by_key_holds_over_all_runs_at_every_prefix_of_the_record() -> None:
    rules = [Throttle(key="host:*", max_running=2), Throttle(key="disk", max_running=1)]
    with Orchestrator("memory:", max_workers=16, throttles=rules) as orchestrator:
        keys: dict[tuple[str, str], str] = {}
        runs = []
        for name in ("one", "other", "third"):
            children = [*keyed(15, "host:a"), *keyed(15, "host:b"), *keyed(8, "disk"), *keyed(5)]
            for index, child in enumerate(children):
                if child.keys:
                    keys[name, f"square-{index}"] = child.keys[0]
            runs.append(orchestrator.start(Parallel(children=children), id=name))
        assert {run.settle(timeout=30).status for run in runs} == {"succeeded"}
        assert most_at_a_time(keys, *runs) == {"host:a": 2, "host:b": 2, "disk": 1}


def test_who_waits_for_a_key_keeps_no_worker_from_others(gate: str) -> None:
    held = [Child(task="wait_at", input={"gate": gate}, keys=("k",))] * 5
    with Orchestrator("memory:", max_workers=2, throttles=[Throttle(key="k", max_running=1)]) as orchestrator:
        slow = orchestrator.start(Parallel(children=held), id="slow")
        until(lambda: slow.status().counts.running == 1)
        assert orchestrator.start(Parallel(children=keyed(20)), id="free").settle(timeout=20).status == "succeeded"
        assert slow.status().counts.running == 1
        tasks.GATES[gate].set()
        assert slow.settle(timeout=20).status == "succeeded"


def test_no_more_start_in_a_second_than_the_rate_and_the_burst_allow() -> None:
    with Orchestrator("memory:", max_workers=8, throttles=[Throttle(key="api", per_second=4)]) as orchestrator:
        runs = [orchestrator.start(Parallel(children=keyed(3, "api")), id=name) for name in ("one", "other")]
        for run in runs:
            run.settle(timeout=20)
        starts = [event.at.timestamp() for _, event in together(*runs) if event.type == "ChildStarted"]
        assert len(starts) == 6
        assert most_in_a_second([int(at * SECOND_US) for at in starts]) <= 5


def test_a_run_that_is_decided_gives_its_keys_back(gate: str) -> None:
    held = [Child(task="wait_at", input={"gate": gate}, keys=("k",))] * 3
    with Orchestrator("memory:", max_workers=4, throttles=[Throttle(key="k", max_running=1)]) as orchestrator:
        run = orchestrator.start(Parallel(children=held, strategy=Threshold(count=1)), id="first")
        until(lambda: run.status().counts.running == 1)
        run.cancel("enough")
        run.settle(timeout=20)
        assert orchestrator.start(Parallel(children=keyed(3, "k"))).settle(timeout=20).status == "succeeded"


def test_a_run_that_is_killed_while_children_wait_for_a_key_goes_on_within_the_limits(tmp_path: Path) -> None:
    store, script = tmp_path / "runs.db", Path(throttled.__file__)
    command = [sys.executable, "-m", "tests.face.throttled", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=script.parents[2]) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"ended\n"] * 2
        process.kill()
    subprocess.run(command, cwd=script.parents[2], check=True, stdout=subprocess.DEVNULL, timeout=60)
    with open_log(store, must_exist=True) as log:
        facts = [record.fact for record in log.read("r")]
    check_history(facts)
    with Orchestrator(store, must_exist=True) as orchestrator:
        run = orchestrator.get("r")
        assert run.status().counts.succeeded == throttled.CHILDREN
        keys = {("r", f"fetch-{number}"): "host:a" for number in range(throttled.CHILDREN)}
        assert most_at_a_time(keys, run)["host:a"] <= 2
        starts = [fact.at for fact in facts if type(fact).__name__ == "ChildStarted"]
        assert len(starts) >= throttled.CHILDREN
        assert most_in_a_second(starts) <= 6


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"key": "", "max_running": 1}, "key"),
        ({"key": "  ", "max_running": 1}, "empty"),
        ({"key": "a\n", "max_running": 1}, "cannot be printed"),
        ({"key": "a*b", "max_running": 1}, "may only stand at the end"),
        ({"key": "a"}, "needs max_running, per_second, or both"),
        ({"key": "a", "max_running": 0}, "max_running"),
        ({"key": "a", "max_running": -1}, "max_running"),
        ({"key": "a", "max_running": True}, "max_running"),
        ({"key": "a", "per_second": 0}, "per_second"),
        ({"key": "a", "per_second": -1}, "per_second"),
        ({"key": "a", "per_second": nan}, "per_second"),
        ({"key": "a", "per_second": inf}, "per_second"),
        ({"key": "a", "per_second": 1, "burst": 0}, "burst"),
        ({"key": "a", "max_running": 1, "burst": 2}, "burst goes with per_second"),
        ({"key": "a", "max_running": 1, "extra": 2}, "unknown key 'extra'"),
        ({"max_running": 1}, "key"),
    ],
)
def test_a_throttle_that_makes_no_sense_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Throttle(**fields)


@pytest.mark.parametrize("throttles", [[1], "abc", Throttle(key="a", max_running=1), None])
def test_throttles_are_a_list_of_throttle(tmp_path: Path, throttles: Any) -> None:
    with pytest.raises(UsageError, match="Throttle"):
        Orchestrator(tmp_path / "runs.db", throttles=throttles)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("fields", "reason"), [({"weight": 0}, "weight"), ({"weight": 1_001}, "weight")])
def test_a_weight_that_makes_no_sense_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Parallel(**fields)
