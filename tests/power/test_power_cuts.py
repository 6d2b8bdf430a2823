"""The power goes while a store is at work: with synchronous=FULL nothing that was acknowledged is lost.

Real recorders and orchestrators work while all that SQLite does to their files is recorded; then the power is cut at
points of that record, and what a disk may have kept is opened by the real recorder and gone on with. The model of the
disk stands in `tests/power/disk.py`, what is checked in `tests/power/survivor.py`. The same with synchronous=NORMAL
and OFF is the control: there, acknowledged events must be lost, or the campaign would be blind.

`--power-rounds N` sets how many cuts there are for each setting, `--power-seed S` plays a campaign again. (Threads
and processes take their turns as they please, so another recording is not quite the same. A failure names the
recording, which pytest keeps for a while, and the command that plays just that cut again.)
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.power.campaign import OFTEN, SELDOM, SETTINGS, Round, Table, Tape, Work, play_all, record, record_again
from tests.power.disk import MODES, Cut, dropped, kept
from tests.power.survivor import Findings, Survivor
from tests.power.trace import Kind, TraceWriter
from tests.power.vfs import Recording, UnreachableLibraryError
from tests.power.workload import STORE, WORKLOADS

MANY: Final = 100
"""From so many rounds on, every workload is recorded with few checkpoints and with many."""

CONTROLS: Final = 70
"""So many cuts at least are made of each control: of fewer, half might lose nothing by chance alone."""


@pytest.fixture(scope="module")
def seed(request: pytest.FixtureRequest) -> int:
    given = request.config.getoption("--power-seed")
    return random.SystemRandom().randrange(10**6) if given is None else int(given)


@pytest.fixture(scope="module")
def count(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--power-rounds"))


@pytest.fixture(scope="module")
def tapes(seed: int, count: int, tmp_path_factory: pytest.TempPathFactory) -> list[Tape]:
    print(f"\n--power-seed {seed} --power-rounds {count}")
    if count >= MANY:
        works = [Work(name, "FULL", pages) for name in WORKLOADS for pages in (OFTEN, SELDOM)]
    else:
        works = [Work(name, "FULL", (OFTEN, SELDOM)[number % 2]) for number, name in enumerate(WORKLOADS)]
    return record(works, seed, tmp_path_factory.mktemp("tapes"))


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


def test_the_record_is_complete(tapes: Sequence[Tape]) -> None:
    """Played to its end, a trace gives the very files that the killed process left: nothing went past the record."""
    for tape in tapes:
        assert kept(Cut(tape.frames, Random(0))) == files_of(tape), tape.work


def files_of(tape: Tape) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in tape.folder.iterdir() if not path.name.endswith("-shm")}


def test_nothing_acknowledged_is_lost(tapes: Sequence[Tape], seed: int, count: int, table: Table) -> None:
    for one, found in play_all(tapes, seed, count, table):
        assert found.sound, f"--power-seed {seed} --power-rounds {count}: {one}\n{found}"
    total = table.total("FULL")
    assert total["cuts"] == count
    assert total["acknowledged"] > 20 * count  # most cuts come when much has been promised


def test_power_that_goes_a_second_time(
    tapes: Sequence[Tape], seed: int, count: int, table: Table, tmp_path: Path
) -> None:
    """What is left of one cut is worked on, and recorded anew: that work is cut as well."""
    tapes_again = record_again(tapes, seed, max(1, count // 20), tmp_path)
    for tape in tapes_again:
        assert kept(Cut(tape.frames, Random(0))) == files_of(tape), tape.trace
    for one, found in play_all(tapes_again, seed, count // 3, table):
        assert found.sound, f"--power-seed {seed} --power-rounds {count}: {one}\n{found}"


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_with_less_than_full_it_is_lost(synchronous: str, seed: int, count: int, table: Table, tmp_path: Path) -> None:
    """The control: were nothing lost here, the campaign would prove nothing."""
    names = list(WORKLOADS) if count >= MANY else ["appends", "orchestrator"]
    controls = record([Work(name, synchronous, SELDOM) for name in names], seed, tmp_path)
    promised: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for one, found in play_all(controls, seed, max(count, CONTROLS), table):
        if one.mode == "kept":
            assert found.sound, f"{one}: the disk lost nothing, and yet: {found}"
        elif found.acknowledged:
            promised[one.mode] += 1
            lost[one.mode] += bool(found.lost or found.unopened)
    if count >= MANY:
        assert set(+lost) == set(MODES) - {"kept"}
    del promised["torn"], lost["torn"]  # there all is kept but the last few writes, and often nothing is lost
    assert lost.total() > promised.total() / 2, f"only {lost.total()} of {promised.total()} cuts lost anything"


def test_the_table_of_it_all(table: Table) -> None:
    """Show what was counted (with -s)."""
    print(f"\n{table}")
    assert {setting for setting, _ in table.rows} <= set(SETTINGS)


# The checker can see


def last_cut(tape: Tape, folder: Path) -> tuple[Survivor, int]:
    """Return what is left when the power goes at the end, with nothing lost: a sound survivor to spoil."""
    cut = len(tape.frames)
    return Survivor(kept(Cut(tape.frames, Random(0))), folder), cut


def spoiled(tape: Tape, folder: Path, taken: Sequence[tuple[str, int]]) -> Findings:
    """Take everything above a version from some parents, so that chain and head still agree, and check the rest."""
    survivor, cut = last_cut(tape, folder)
    with closing(sqlite3.connect(folder / STORE)) as raw:
        for parent, version in taken:
            (key,) = raw.execute("SELECT parent FROM parents WHERE parent_id = ?", (parent,)).fetchone()
            raw.execute("DELETE FROM events WHERE parent = ? AND version > ?", (key, version))
            head = raw.execute("SELECT hash FROM events WHERE parent = ? AND version = ?", (key, version)).fetchone()
            if head is None:
                raw.execute("DELETE FROM parents WHERE parent = ?", (key,))
            else:
                values = (version, version, *head, key)
                raw.execute("UPDATE parents SET count = ?, version = ?, hash = ? WHERE parent = ?", values)
        raw.commit()
    return survivor.check(tape.promises, cut, go_on=False)


@pytest.fixture
def tape(tapes: Sequence[Tape]) -> Tape:
    return next(tape for tape in tapes if tape.work.workload == "appends")


def test_a_survivor_with_nothing_cut_off_is_sound(tape: Tape, tmp_path: Path) -> None:
    survivor, cut = last_cut(tape, tmp_path)
    found = survivor.check(tape.promises, cut, go_on=True)
    assert found.sound, found
    assert found.events == found.acknowledged > 0


def test_an_append_that_was_cut_off_is_noticed(tape: Tape, tmp_path: Path) -> None:
    """The store's last append is taken away without a trace: chain and head agree, only the promise is broken."""
    last = list(tape.promises.transactions.values())[-1]
    found = spoiled(tape, tmp_path, [(parent, version) for parent, version, _ in last.batches])
    assert found.lost == list(last.events())
    assert not found.torn
    assert not found.wrong


def test_half_an_append_is_noticed(tape: Tape, tmp_path: Path) -> None:
    number, wide = next((number, one) for number, one in tape.promises.transactions.items() if len(one.batches) > 1)
    parent, version, _ = wide.batches[0]
    found = spoiled(tape, tmp_path, [(parent, version)])
    assert number in found.torn
    assert {name for name, _ in found.lost} == {parent}


def test_an_event_nobody_asked_for_is_noticed(tape: Tape, tmp_path: Path) -> None:
    cut = next(order for order, mark in tape.promises.marks if mark["what"] == "acknowledged")
    survivor, _ = last_cut(tape, tmp_path)
    found = survivor.check(tape.promises, cut, go_on=False)
    assert any("nobody asked" in wrong for wrong in found.wrong)
    assert not found.lost


def test_what_was_told_but_is_not_on_record_is_noticed(tapes: Sequence[Tape], tmp_path: Path) -> None:
    tape = next(tape for tape in tapes if tape.work.workload == "orchestrator")
    early = next(order for order, mark in tape.promises.marks if mark["what"] == "acknowledged")
    left = kept(Cut(tape.frames[:early], Random(0)))
    found = Survivor(left, tmp_path).check(tape.promises, len(tape.frames), go_on=False)
    assert {text.split(":")[0] for text in found.wrong} >= {"told, but not on record", "begun, but not on record"}


@pytest.mark.parametrize(
    ("kind", "name"), [(Kind.SYNCED, f"{STORE}-wal"), (Kind.SYNCED, STORE), (Kind.FOLDER_SYNCED, f"{STORE}-wal")]
)
def test_a_disk_that_skips_one_kind_of_sync_is_found_out(tape: Tape, tmp_path: Path, kind: Kind, name: str) -> None:
    """Of the log at a commit, of the database at a checkpoint, of the folder: without any one of them, events go."""
    handles = {frame.handle for frame in tape.frames if frame.kind is Kind.OPENED and frame.name == name}
    lying = [
        frame._replace(kind=Kind.SYNCING) if frame.kind is kind and frame.handle in handles else frame
        for frame in tape.frames
    ]
    points = [order + 1 for order, mark in tape.promises.marks if mark["what"] == "acknowledged"]

    def harmed(point: int) -> bool:
        with TemporaryDirectory(dir=tmp_path) as folder:
            left = dropped(Cut(lying[:point], Random(0)))
            return not Survivor(left, Path(folder)).check(tape.promises, point, go_on=False).sound

    assert any(harmed(point) for point in reversed(points))


def test_every_round_can_be_played_again(tapes: Sequence[Tape], tmp_path: Path) -> None:
    for mode in MODES:
        one = Round(tapes[0], mode, "again")
        found = []
        for turn in ("first", "second"):
            folder = tmp_path / f"{mode}-{turn}"
            folder.mkdir()
            found.append(one.play(folder, go_on=False))
        assert found[0] == found[1]


def test_a_python_whose_sqlite_is_out_of_reach_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.power.vfs._libraries", lambda: iter(()))
    trace = TraceWriter(tmp_path / "trace")
    with pytest.raises(UnreachableLibraryError, match="cannot be reached with ctypes"):
        Recording(trace, tmp_path).begin()
    trace.close()
