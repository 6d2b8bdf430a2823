"""A disk that is full, and a file that may not grow: clear errors, nothing lost, and the run goes on afterwards."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.faults import processes
from tests.faults.evidence import Ledger
from tests.faults.mounts import Mount, disk
from tests.faults.table import Tally

FULL = "full disk"
LIMITED = "limit on the size of files"
DISK_BYTES = 6_000_000
CHILDREN = 60


def leave_free(mount: Mount, free_bytes: int) -> Path:
    """Fill the disk but for so much."""
    ballast = mount.inside / "ballast"
    space = os.statvfs(mount.inside)
    with ballast.open("wb") as file:
        left = space.f_bavail * space.f_frsize - free_bytes
        while left > 0:
            left -= file.write(bytes(min(left, 65_536)))
    return ballast


def free_bytes(chance: random.Random) -> int:
    """Return how much is free when a run is to be stopped before it begins, as it begins, or in the middle."""
    return chance.choice([0, chance.randrange(4_096, 200_000), chance.randrange(200_000, 900_000)])


def end_full(argv: list[object], mount: Mount, ledger: Ledger, folder: Path) -> processes.Ended:
    """Run a process that must stop because the disk is full, and check what it leaves."""
    with processes.started(argv, before=mount.enter) as process:
        full = process.end()
    assert not ledger.take(full.output)
    mount.copy_store("runs.db", folder)
    ledger.check()
    return full


def go_on(argv: list[object], mount: Mount, ledger: Ledger, folder: Path) -> None:
    """Run a process that must come to its end, and check that nothing is missing."""
    with processes.started(argv, before=mount.enter) as process:
        again = process.end().no_traceback()
    assert again.status == 0, again
    ledger.take(again.output)
    mount.copy_store("runs.db", folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def test_a_full_disk_in_python(tmp_path: Path, folder: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    argv: list[object] = ["-m", "tests.faults.worker", folder / "runs.db", "bulk", "--children", CHILDREN]
    for _ in range(rounds):
        with disk(folder, DISK_BYTES) as mount:
            ballast = leave_free(mount, free_bytes(chance))
            ledger = Ledger(tmp_path / "runs.db")
            full = end_full(argv, mount, ledger, tmp_path).no_traceback()
            assert full.status == 3, full
            assert {kind for kind, _ in ledger.refused} == {"StoreFullError"}, ledger.refused
            ballast.unlink()
            go_on(argv, mount, ledger, tmp_path)
        ledger.check_over({"bulk": {"succeeded"}})
        ledger.report(tally, FULL, completed=1)


COMMAND = "head -c 20000 /dev/zero | tr '\\0' x; echo; echo ended r {#} succeeded"
"""Fills the store, and says what is on record by the time that it is printed."""


def mapped(store: Path) -> list[object]:
    return processes.cli("map", "--store", store, "--id", "r", "-j2", COMMAND, ":::", *range(CHILDREN))


def test_a_full_disk_on_the_command_line(
    tmp_path: Path, folder: Path, rounds: int, chance: random.Random, tally: Tally
) -> None:
    store = folder / "runs.db"
    for _ in range(rounds):
        with disk(folder, DISK_BYTES) as mount:
            ballast = leave_free(mount, free_bytes(chance))
            ledger = Ledger(tmp_path / "runs.db")
            full = end_full(mapped(store), mount, ledger, tmp_path)
            assert "the disk or a quota is full" in processes.refusal(full)
            question = processes.cli(chance.choice(("status", "events", "resume")), "--store", store, "r")
            with processes.started(question, before=mount.enter) as process:
                assert process.end().no_traceback().status in (0, 3, 4)
            ballast.unlink()
            resume = processes.cli("resume", "--store", store, "r")
            go_on(resume if ledger.knows("r") else mapped(store), mount, ledger, tmp_path)
        ledger.check_over({"r": {"succeeded"}})
        ledger.report(tally, FULL, completed=1)
        tally(FULL, refused=1)


def test_a_question_on_a_full_disk(folder: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    """Even to read a store that nobody has open, a little space is needed."""
    store = folder / "runs.db"
    words = [("status", "r"), ("events", "r"), ("children", "r"), ("list",), ("cancel", "r"), ("resume", "r")]
    with disk(folder, DISK_BYTES) as mount:
        small = processes.cli("map", "--store", store, "--id", "r", "true", ":::", 1)
        with processes.started(small, before=mount.enter) as process:
            assert process.end().status == 0
        leave_free(mount, 0)
        for question in words if rounds > 1 else [chance.choice(words)]:
            with processes.started(processes.cli(*question, "--store", store), before=mount.enter) as process:
                assert "is full" in processes.refusal(process.end())
            tally(FULL, rounds=1, faults=1, refused=1)


def test_a_limit_on_the_size_of_files(tmp_path: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    """The process is not killed by SIGXFSZ; where the limit is raised, the run goes on."""
    for number in range(rounds):
        store = tmp_path / f"{number}.db"
        ledger = Ledger(store)
        argv: list[object] = ["-m", "tests.faults.worker", store, "bulk", "--children", CHILDREN]
        limited = processes.run([*argv, "--file-bytes", chance.choice([0, 10_000, chance.randrange(40_000, 900_000)])])
        assert limited.no_traceback().status == 3, limited
        assert not ledger.take(limited.output)
        assert {kind for kind, _ in ledger.refused} <= {"StoreUnavailableError", "StoreFullError"}, ledger.refused
        assert all("limit on the size of files" in text for _, text in ledger.refused), ledger.refused
        ledger.check()
        again = processes.run(argv).no_traceback()
        assert again.status == 0, again
        assert ledger.take(again.output)
        ledger.check_over({"bulk": {"succeeded"}})
        ledger.report(tally, LIMITED, completed=1)
