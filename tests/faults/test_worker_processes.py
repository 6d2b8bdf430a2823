"""Worker processes that die, stop, get stuck, run out of memory or lose their owner: each its own attempt's trouble."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from orchestrator import Child, Orchestrator, Parallel, Retry, Threshold
from tests.faults import crew
from tests.faults.table import Tally
from tests.faults.verdict import judge_file
from tests.support import violent
from tests.support.desk import children, descriptors, gone, pid_in
from tests.support.waiting import until

ROOT = Path(crew.__file__).parents[2]
ONCE_MORE = Retry(max_attempts=2)


def violence(folder: Path) -> dict[str, tuple[Child, str, int, str]]:
    """Return children that do something bad to their workers, and for each: its status, attempts, part of its error."""
    timed = {"timeout": 0.3, "retry": ONCE_MORE}
    died = "its worker died 3 times: worker process died"
    silent = violent.stop.child().model_copy(update={"heartbeat_timeout": 0.3})
    return {
        "segfault": (violent.segfault.child(), "failed", 3, f"{died}: SIGSEGV"),
        "exit": (violent.leave.child(status=3), "failed", 3, f"{died}: exit status 3"),
        "killed": (violent.kill.child(number=int(signal.SIGKILL)), "failed", 3, f"{died}: SIGKILL"),
        "closed": (violent.close_all.child(), "failed", 3, f"{died}: exit status 96"),
        "garbage": (violent.garble.child(text="lorem ipsum"), "failed", 3, f"{died}: it wrote something else"),
        "memory": (violent.eat.child(), "failed", 1, "MemoryError"),
        "stopped": (violent.stop.child().model_copy(update=timed), "timed_out", 2, "timeout of 0.3 s"),
        "silent": (silent, "timed_out", 1, "HeartbeatMissed"),
        "stuck": (violent.hog.child().model_copy(update=timed), "timed_out", 2, "timeout of 0.3 s"),
        "twice": (violent.unruly.child(path=f"{folder}/steps"), "succeeded", 3, ""),
    }


def test_each_death_costs_its_own_attempt(tmp_path: Path, chance: random.Random, rounds: int, tally: Tally) -> None:
    """All kinds among many that do nothing bad, in any order, on a few workers."""
    for number in range(rounds):
        folder = tmp_path / f"round-{number}"
        folder.mkdir()
        before = (descriptors(), children())
        bad = violence(folder)
        fine = [violent.double.child(x=x).with_id(f"fine-{x}") for x in range(30)]
        mixed = [*(child.with_id(name) for name, (child, *_) in bad.items()), *fine]
        chance.shuffle(mixed)
        path = folder / "runs.db"
        with Orchestrator(path, max_workers=4) as orchestrator:
            rule = Threshold(count=len(fine) + 1)
            run = orchestrator.start(Parallel(children=mixed, strategy=rule, on_decided="continue"))
            result = run.settle(timeout=110)
            assert result.status == "succeeded"
            assert [result.outputs[f"fine-{x}"] for x in range(30)] == [2 * x for x in range(30)]
            views = {view.id: view for view in run.children()}
            for name, (_, status, attempts, error) in bad.items():
                view = views[name]
                assert (view.status, view.attempts) == (status, attempts), f"{name}: {view}"
                assert error in str(view.error), f"{name}: {view.error}"
            assert {views[f"fine-{x}"].attempts for x in range(30)} == {1}
        assert (descriptors(), children()) == before
        judge_file(path, max_workers=4)
        deaths = sum(attempts for _, _, attempts, _ in bad.values())
        tally("worker processes that die", rounds=1, faults=deaths, lost=0, double=0, above_max=0, completed=1)


def live(store: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start an owner of worker processes; return it once its run is on record."""
    command = [sys.executable, "-m", "tests.faults.crew", str(store), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == b"recorded r\n"
    return process


def workers_of(pid: int) -> list[int]:
    """Return the worker processes of an owner."""
    return sorted(children(pid))


def all_gone(pids: list[int]) -> bool:
    return all(map(gone, pids))


def test_an_owner_that_is_killed_takes_its_workers_along_and_is_followed(
    tmp_path: Path, chance: random.Random, rounds: int, tally: Tally
) -> None:
    """At any instant: while workers come up, and with all of them waiting, stopped or stuck."""
    names = ("0", "1", "stop", "hog")
    for number in range(2 * rounds):
        folder = tmp_path / f"round-{number}"
        folder.mkdir()
        path = folder / "runs.db"
        process = live(path, folder)
        try:
            if number % 2:
                until(partial(workers_of, process.pid), what="a worker")
                time.sleep(chance.uniform(0.0, 1.0))
            else:
                assert all(pid_in(folder / name) for name in names)
            workers = workers_of(process.pid)
            process.kill()
            began = time.monotonic()
            until(partial(all_gone, workers), timeout_seconds=10, what="the end of all workers")
            print(f"{len(workers)} workers gone {time.monotonic() - began:.3f} s after their owner")
        finally:
            process.kill()
            process.communicate()
        for name in ("stop", "hog"):
            violent.write_pid(str(folder / name))  # whoever comes there next does not stop
        (folder / "gate").touch()
        before = children()
        with Orchestrator(path, max_workers=crew.MAX_WORKERS) as orchestrator:
            result = orchestrator.resume("r").settle(timeout=60)
            assert result.status == "succeeded"
            assert list(result.outputs.values())[2:] == ["stop", "hog", 0, 2, 4, 6]
        assert children() == before
        judge_file(path, max_workers=crew.MAX_WORKERS)
        tally("owner of worker processes killed", rounds=1, faults=1, lost=0, double=0, above_max=0, completed=1)
