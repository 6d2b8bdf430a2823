"""Commands that ignore signals, stop themselves, flood, hide, fork, kill, and eat what there is."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from actors.hearing import EndedChild
from orchestrator import Child, Orchestrator, Parallel
from tests.faults.table import Tally
from tests.faults.verdict import judge_file
from tests.support.waiting import until

MARK = "ORCHESTRATOR_FAULTS_MARK"


def marked(mark: str) -> list[int]:
    """Return the living processes that have a mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            alive = folder.joinpath("stat").read_bytes().rpartition(b") ")[2][:1] not in (b"Z", b"X")
            if alive and f"{MARK}={mark}".encode() in folder.joinpath("environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Mark every process that is started meanwhile; nothing marked may be left."""
    name = tmp_path.name
    monkeypatch.setenv(MARK, name)
    yield name
    for pid in marked(name):  # only where a test has failed, or has let something out on purpose
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


PYTHON = "exec python3 -c '{}'"
TWO_HUNDRED = "i=0; while [ $i -lt 200 ]; do sleep 60 & i=$((i+1)); done"

# What is to become of a command that has a timeout of one second: its outcome, and a text in its error or output.
STUBBORN: dict[str, tuple[str, str, str]] = {
    "ignores signals": ("trap '' TERM INT HUP; sleep 60; sleep 60; sleep 60", "timed_out", "TimedOut"),
    "stops itself": ("kill -STOP $$; sleep 60", "timed_out", "TimedOut"),
    "stops its whole group": ("sleep 60 & kill -STOP 0; wait", "timed_out", "TimedOut"),
    "starts again on SIGTERM": ("f() { trap f TERM; sleep 60; f; }; f", "timed_out", "TimedOut"),
    "prints without end": ("yes", "timed_out", "truncated"),
    "closes its streams": ("exec >&- 2>&-; sleep 60", "timed_out", "TimedOut"),
    "makes a group of its own": ("set -m; (trap '' TERM; sleep 60; sleep 60) & wait", "timed_out", "TimedOut"),
    "leaves a grandchild with its pipe": ("(trap '' TERM HUP; sleep 60; sleep 60) & echo left", "succeeded", "left"),
    "leaves two hundred": (f"{TWO_HUNDRED}; echo left", "succeeded", "left"),
    "waits for two hundred": (f"{TWO_HUNDRED}; wait", "timed_out", "TimedOut"),
    "kills its group": ("(sleep 60 &) ; kill -9 0", "failed", "SIGKILL"),
    "kills itself": ("kill -9 $$", "failed", "SIGKILL"),
    "eats descriptors": (
        PYTHON.format('import os, time\ntry:\n  while True: os.dup(1)\nexcept OSError as e: print("eaten", e)'),
        "succeeded",
        "eaten",
    ),
    "exits while its child prints": ("(while :; do echo more || exit; done) & sleep 0.2", "succeeded", "more"),
    "asks for memory": (PYTHON.format("x = bytearray(10**15)"), "failed", "MemoryError"),
    "reads what it should not": ("cat <&0; cat /dev/stdin; echo nothing", "succeeded", "nothing"),
    "prints bytes": ("head -c 100000 /dev/urandom; head -c 100000 /dev/zero >&2", "succeeded", "truncated"),
}


def parallel(commands: Sequence[str], *, timeout: float | None = 2.0, max_workers: int = 8) -> Parallel:
    children = [Child(command=command, timeout=timeout) for command in commands]
    return Parallel(children=children, on_decided="continue", max_workers=max_workers)


def test_stubborn_commands_end_as_they_should_and_leave_nothing(store: Path, mark: str, tally: Tally) -> None:
    with Orchestrator(store, max_workers=20) as orchestrator:
        commands = [command for command, _, _ in STUBBORN.values()]
        run = orchestrator.start(parallel([*commands, "echo fine"], max_workers=20))
        run.settle(timeout=60)
        *views, fine = run.children()
        for (what, (_, outcome, text)), view in zip(STUBBORN.items(), views, strict=True):
            assert view.status == outcome, f"{what}: {view.status}, {view.error}"
            assert text in str(view.error or view.output), f"{what}: {view.error or view.output}"
        assert fine.status == "succeeded"
        spawner = orchestrator._engine.executors.commands.spawner_process_id
        until(lambda: marked(mark) == [spawner], timeout_seconds=10, what=lambda: f"{marked(mark)} to end")
    assert marked(mark) == []
    verdict = judge_file(store, max_workers=20)
    tally("commands: stubborn", rounds=1, faults=len(STUBBORN), lost=0, double=0, completed=verdict.settled)


@pytest.mark.parametrize("where", ["", " >&2", " | tee /dev/stderr"], ids=["stdout", "stderr", "both"])
def test_a_flood_of_output_is_cut_and_costs_no_memory(
    store: Path, mark: str, where: str, rounds: int, tally: Tally
) -> None:
    megabytes = 50 if rounds == 1 else 500
    commands = [f"head -c {megabytes}000000 /dev/zero{where}", f"yes | tr -d '\\n' | head -c {megabytes}000000{where}"]
    with Orchestrator(store, max_workers=4) as orchestrator:
        run = orchestrator.start(parallel([*commands, "echo fine"], timeout=None))
        result = run.settle(timeout=120)
        assert result.status == "succeeded"
        for output in list(result.outputs.values())[:2]:
            assert output["truncated"] is True
            assert 65_536 <= len(output["stdout"]) + len(output["stderr"]) <= 4 * 65_536
        spawner = orchestrator._engine.executors.commands.spawner_process_id
        resident = int(Path(f"/proc/{spawner}/statm").read_text().split()[1]) * 4_096
        assert resident < 100_000_000, f"the spawner has {resident:,} bytes"
    judge_file(store, max_workers=4)
    tally("commands: floods of output", rounds=1, faults=2, lost=0, completed=1)


def test_a_daemon_that_leaves_its_session_lives_on_as_documented(
    store: Path, mark: str, tmp_path: Path, tally: Tally
) -> None:
    """A double fork with setsid is a way out, and a documented one. Nobody waits for it, once it is out."""

    def out(name: str, redirected: str = "") -> str:
        left = tmp_path / name
        return (
            f"setsid sh -c 'touch {left}; sleep 60' {redirected} & until [ -e {left} ]; do sleep 0.01; done; echo out"
        )

    began = time.monotonic()
    with Orchestrator(store, max_workers=2) as orchestrator:
        run = orchestrator.start(parallel([out("quiet", ">/dev/null 2>&1"), "echo fine"]))
        assert run.settle(timeout=20).status == "succeeded"
        assert time.monotonic() - began < 10
        held = orchestrator.start(parallel([out("holding-the-pipe")]), id="held")
        assert held.settle(timeout=20).outputs["shell-0"]["stdout"] == "out\n"
    assert time.monotonic() - began < 20
    assert len(marked(mark)) >= 2
    judge_file(store, max_workers=2)
    tally("commands: daemons", rounds=1, faults=2, lost=0, completed=2)


def test_a_spawner_that_a_command_stops_goes_on(store: Path, mark: str, tally: Tally) -> None:
    """Otherwise one command could keep all others from ending, for ever."""
    with Orchestrator(store, max_workers=3) as orchestrator:
        commands = ["kill -STOP $PPID; sleep 0.1; echo stopped it", *["sleep 0.05"] * 10]
        run = orchestrator.start(parallel(commands, timeout=None))
        assert run.settle(timeout=30).status == "succeeded"
    judge_file(store, max_workers=3)
    tally("commands: that stop the spawner", rounds=1, faults=1, lost=0, completed=1)


def test_the_temporary_folder_may_vanish_or_be_full(
    store: Path, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    ended: list[EndedChild] = []

    class Ear:
        def children_ended(self, children: Sequence[EndedChild]) -> None:
            ended.extend(children)

        def changed(self) -> None:
            """Only children are heard of."""

    with Orchestrator(store, max_workers=1, keep_raw=True) as orchestrator:
        gate = tmp_path / "gate"
        first = f"while [ ! -e {gate} ]; do sleep 0.01; done"
        commands = [first, "head -c 200000 /dev/zero", f"rm -rf {folder}", "head -c 200000 /dev/zero", "echo short"]
        run = orchestrator.start(parallel(commands, timeout=20, max_workers=1))
        run.listen(Ear())
        gate.touch()
        run.settle(timeout=30)
        *good, bad, last = [child.status for child in run.children()]
        assert {*good, last} == {"succeeded"}
        assert bad == "failed"
        assert "could not be kept" in str(run.children()[3].error)
        until(lambda: len(ended) == 5)
        raws = [child.ending.raw for child in ended if child.ending is not None]
        assert [raw is None for raw in raws] == [True, False, True, False, False]  # the first and third print nothing
        for raw in raws[1::2] + raws[4:]:
            raw.close()
    judge_file(store, max_workers=1)
    tally("commands: that delete the temporary folder", rounds=1, faults=1, refused=1, completed=1)


def test_chance_mixtures(
    store: Path, mark: str, chance: random.Random, rounds: int, tally: Tally, tmp_path: Path
) -> None:
    """Many of them beside one another, cancelled or closed at a random instant; then all is gone, and goes on."""

    def gone() -> bool:
        return not marked(mark)

    for number in range(2 * rounds):
        commands = chance.choices([command for command, _, _ in STUBBORN.values()], k=12)
        with Orchestrator(store, max_workers=6, shutdown_seconds=0.5) as orchestrator:
            run = orchestrator.start(parallel(commands, max_workers=6), id=f"r{number}")
            time.sleep(chance.uniform(0.0, 1.0))  # the random instant itself
            if chance.random() < 0.5:
                run.cancel("by chance")
                assert run.settle(timeout=20).status in ("cancelled", "failed")  # where it was decided before
        until(gone, timeout_seconds=10, what=lambda: f"{marked(mark)} to end")
    with Orchestrator(store, max_workers=6) as orchestrator:
        for left in orchestrator.resume_all():
            left.settle(timeout=60)
    until(gone, timeout_seconds=10, what=lambda: f"{marked(mark)} to end")
    verdict = judge_file(store, max_workers=6)
    assert verdict.settled == len(verdict.states)
    tally("commands: chance mixtures", rounds=2 * rounds, faults=24 * rounds, lost=0, completed=verdict.settled)
