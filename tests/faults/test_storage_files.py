"""The store's files moved, removed, replaced or forbidden under a run: one clear error, and all is well once mended."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import processes, work
from tests.faults.evidence import Ledger
from tests.faults.mounts import read_only
from tests.faults.table import Tally

SCENARIO = "files moved, removed, replaced or forbidden"
EXPECTED = {"gated": {"succeeded"}}
COMMAND = "[ {} != 5 ] || until [ -e GATE ]; do sleep 0.01; done; echo ended gated {#} succeeded"

Undo = Callable[[], object]
Fault = Callable[[Path], Undo]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def moved_away(store: Path) -> Undo:
    aside = store.rename(store.with_name("aside.db"))
    return lambda: aside.rename(store)


def removed(store: Path) -> Undo:
    """Remove the file; somebody has another link to it."""
    link = store.with_name("link.db")
    link.hardlink_to(store)
    store.unlink()
    return lambda: link.rename(store)


def replaced(store: Path) -> Undo:
    other = store.with_name("other.db")
    shutil.copy(store, other)
    content = other.read_bytes()
    aside = store.rename(store.with_name("aside.db"))
    other.rename(store)

    def undo() -> None:
        assert store.read_bytes() == content, "something was written to a file that is not the store"
        aside.rename(store)

    return undo


def emptied_folder(store: Path) -> Undo:
    """Remove the whole folder; somebody has other links to the files."""
    links = {store.parents[1] / f"link{end}": store.with_name(f"{store.name}{end}") for end in ("", "-wal")}
    for link, file in links.items():
        link.hardlink_to(file)
    shutil.rmtree(store.parent)

    def undo() -> None:
        store.parent.mkdir()
        for link, file in links.items():
            link.rename(file)

    return undo


def moved_folder(store: Path) -> Undo:
    aside = store.parent.rename(store.parent.with_name("aside"))
    return lambda: aside.rename(store.parent)


def forbidden_folder(store: Path) -> Undo:
    store.parent.chmod(0)
    return lambda: store.parent.chmod(0o700)


def log_removed(store: Path) -> Undo:
    """Remove the write-ahead log. What is in it is not lost while the process lives."""
    store.with_name(f"{store.name}-wal").unlink()
    return lambda: None


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (moved_away, removed, replaced, emptied_folder, moved_folder, forbidden_folder, log_removed)
}


def bound() -> tuple[str, ...]:
    """Return what stands before a command that file permissions are to bind, whoever runs the tests."""
    root = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    return root if os.geteuid() == 0 else ()


def begun(how: str, store: Path, gate: Path) -> list[object]:
    """Return the arguments that begin a run which waits in its middle for the gate."""
    if how == "python":
        return ["-m", "tests.faults.worker", store, "gated", "--gate", gate]
    words = ["map", "--store", store, "--id", "gated", "-j1", COMMAND.replace("GATE", str(gate)), ":::", *range(11)]
    return processes.cli(*words)


def resumed(how: str, store: Path, gate: Path) -> list[object]:
    return begun(how, store, gate) if how == "python" else processes.cli("resume", "--store", store, "gated")


def attack(how: str, fault: Fault, folder: Path, number: int, tally: Tally) -> None:
    """Do something to the store in the middle of a run, see it refused, undo it, and see the run end well."""
    gate = folder.parent / f"gate-{number}"
    store = folder / f"{number}.db"
    ledger = Ledger(store)
    with processes.started(begun(how, store, gate), before=bound()) as process:
        process.hear(b"ended gated faults.work-4" if how == "python" else b"ended gated 5 ")
        undo = fault(store)
        gate.touch()
        stopped = process.end()
    assert not ledger.take(stopped.output)
    if how == "python":
        assert stopped.no_traceback().status == 3, stopped
        assert [kind for kind, _ in ledger.refused] == ["StoreUnavailableError"], ledger.refused
    else:
        assert str(store) in processes.refusal(stopped)
        tally(SCENARIO, refused=1)
    undo()
    ledger.check(max_workers=work.MAX_WORKERS)
    with processes.started(resumed(how, store, gate), before=bound()) as process:
        again = process.end().no_traceback()
    assert again.status == 0, again
    ledger.take(again.output)
    ledger.check_over(EXPECTED, max_workers=work.MAX_WORKERS)
    ledger.report(tally, SCENARIO, completed=1)


def test_a_store_that_is_attacked_under_a_run(folder: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    every = [(how, fault) for how in ("python", "cli") for fault in FAULTS.values()]
    for number, (how, fault) in enumerate(chance.sample(every, 2) if rounds == 1 else every * (1 + rounds // 10)):
        attack(how, fault, folder, number, tally)


def only_read(folder: Path, what: str, tally: Tally) -> None:
    """Forbid to write to a store, in a way, and see that it is refused."""
    store = folder / "runs.db"
    ledger = Ledger(store)
    with processes.started(["-m", "tests.faults.worker", store, "retries"], before=bound()) as process:
        ledger.take(process.end().output)
    assert ledger.decided
    going = processes.cli("map", "--store", store, "--id", "more", "echo", ":::", 1, 2)
    if what == "mount":
        with read_only(folder) as mount, processes.started(going, before=mount.enter) as process:
            refused = process.end()
    else:
        place, mode = (store, 0o400) if what == "file" else (folder, 0o500)
        place.chmod(mode)
        with processes.started(going, before=bound()) as process:
            refused = process.end()
        place.chmod(0o700)
    assert str(store) in processes.refusal(refused)
    tally(SCENARIO, refused=1)
    with processes.started(going, before=bound()) as process:
        assert process.end().status == 0
    ledger.check_over({"retries": {"succeeded"}, "more": {"succeeded"}})
    ledger.report(tally, SCENARIO, completed=2)


def test_a_store_that_may_only_be_read(folder: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    every = ("file", "folder", "mount")
    for what in every if rounds > 1 else (chance.choice(every),):
        place = folder / what
        place.mkdir()
        only_read(place, what, tally)
