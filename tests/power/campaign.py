"""Many power cuts of a few recorded workloads, and a table of what came of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from tests.power.disk import MODES, Cut, Disk
from tests.power.survivor import Findings, Promises, Survivor
from tests.power.trace import Frame, Kind, read_trace
from tests.power.workload import STORE

ROOT: Final = Path(__file__).resolve().parents[2]
NOTABLE: Final = frozenset(
    {Kind.OPENED, Kind.TRUNCATED, Kind.SYNCING, Kind.SYNCED, Kind.DELETED, Kind.FOLDER_SYNCED, Kind.MARK}
)
"""Next to these a cut is likelier to be of interest than among the many writes."""
SETTINGS: Final = ("FULL", "NORMAL", "OFF")


OFTEN, SELDOM = 12, 1000
"""After how many pages in the write-ahead log a checkpoint is made. The second is SQLite's own number."""


class Work(NamedTuple):
    """What is recorded: a workload, and the settings it works with."""

    workload: str
    synchronous: str
    checkpoint_pages: int

    def __str__(self) -> str:
        return f"{self.workload}-{self.synchronous}-{self.checkpoint_pages}"


@dataclass(frozen=True)
class Tape:
    """Some work, recorded."""

    work: Work
    trace: Path
    frames: Sequence[Frame]
    promises: Promises
    folder: Path
    """The files as the killed process left them."""


def record(works: Sequence[Work], seed: int, folder: Path) -> list[Tape]:
    """Do each work in a process of its own, all at once, and return what was recorded."""
    processes = [_begin(work, seed, folder) for work in works]
    tapes = []
    for work, process in zip(works, processes, strict=True):
        _, errors = process.communicate(timeout=110)
        assert process.returncode == -signal.SIGKILL, f"{work}: exit status {process.returncode}\n{errors}"
        trace = folder / f"{work}.trace"
        frames = read_trace(trace)
        tapes.append(Tape(work, trace, frames, Promises(frames), folder / str(work)))
    return tapes


def _begin(work: Work, seed: int, folder: Path) -> subprocess.Popen[str]:
    files = folder / str(work)
    files.mkdir()
    arguments = [*map(str, work), str(seed), str(files), f"{files}.trace"]
    command = [sys.executable, "-m", "tests.power.workload", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@dataclass(frozen=True)
class Round:
    """One cut of a tape, wholly determined by the tape and a seed."""

    tape: Tape
    mode: str
    seed: str

    def play(self, folder: Path, *, go_on: bool) -> Findings:
        """Cut the power, put what is left into a folder, and check it."""
        chance = Random(self.seed)
        point = self.point(chance)
        cut = Cut(self.tape.frames[:point], chance)
        found = Survivor(MODES[self.mode](cut), folder).check(self.tape.promises, point, go_on=go_on)
        found.moments = moments(cut.disk, found.acknowledged)
        return found

    def point(self, chance: Random) -> int:
        """Return how many frames are done when the power goes."""
        frames = self.tape.frames
        if chance.random() < 0.5:
            return chance.randrange(len(frames) + 1)
        notable = [order for order, frame in enumerate(frames) if frame.kind in NOTABLE]
        return chance.choice(notable) + chance.randrange(2)

    def __str__(self) -> str:
        point = self.point(Random(self.seed))
        again = f"python -m tests.power.campaign {self.tape.trace} {self.mode} {self.seed}"
        return f"{self.tape.work}, {self.mode}, after frame {point} of its trace; again: {again}"


def moments(disk: Disk, acknowledged: int) -> list[str]:
    """Return what was under way when the power went."""
    store, log = disk.names.get(STORE), disk.names.get(f"{STORE}-wal")
    return [
        *(["a store being made"] if not acknowledged else []),
        *(["an append"] if log is not None and log.pending else []),
        *(["a checkpoint"] if store is not None and store.pending and acknowledged else []),
        *(["a file being created or deleted"] if disk.unsafe and acknowledged else []),
        *(["nothing"] if acknowledged and not disk.unsafe and not disk.pending() else []),
    ]


def rounds(tapes: Sequence[Tape], seed: int, count: int) -> Iterator[Round]:
    """Yield rounds that go through all pairs of a tape and a mode, evenly."""
    pairs = [(tape, mode) for mode in MODES for tape in tapes]
    Random(seed).shuffle(pairs)
    for number in range(count):
        tape, mode = pairs[number % len(pairs)]
        yield Round(tape, mode, f"{seed}/{number}")


class Table:
    """Counts of what was found, by setting and mode."""

    COLUMNS: Final = ("cuts", "acknowledged", "lost", "cuts that lost", "torn", "not opened", "otherwise wrong")

    def __init__(self) -> None:
        self.rows: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.moments: Counter[str] = Counter()
        """What was under way when the power went, over all cuts in FULL."""

    def add(self, one: Round, found: Findings) -> None:
        lost = found.acknowledged if found.unopened else len(found.lost)
        counts = self.rows[one.tape.work.synchronous, one.mode]
        if one.tape.work.synchronous == "FULL":
            self.moments.update(found.moments)
        counts.update(
            {
                "cuts": 1,
                "acknowledged": found.acknowledged,
                "lost": lost,
                "cuts that lost": bool(lost),
                "torn": len(found.torn),
                "not opened": bool(found.unopened),
                "otherwise wrong": bool(found.wrong),
            }
        )

    def total(self, synchronous: str) -> Counter[str]:
        """Return the sums for one setting."""
        return sum((counts for (setting, _), counts in self.rows.items() if setting == synchronous), Counter())

    def __str__(self) -> str:
        lines = [f"| setting | what is left | {' | '.join(self.COLUMNS)} |", f"|---|---|{'---:|' * len(self.COLUMNS)}"]
        for setting in SETTINGS:
            for mode in MODES:
                lines.append(self._line(setting, mode, self.rows.get((setting, mode), Counter())))
            lines.append(self._line(setting, "**all**", self.total(setting)))
        lines += ["", "| under way when the power went (FULL) | cuts |", "|---|---:|"]
        lines += [f"| {moment} | {count:,} |" for moment, count in sorted(self.moments.items())]
        return "\n".join(lines)

    def _line(self, setting: str, mode: str, counts: Counter[str]) -> str:
        return f"| {setting} | {mode} | {' | '.join(f'{counts[column]:,}' for column in self.COLUMNS)} |"


def play_all(tapes: Sequence[Tape], seed: int, count: int, table: Table) -> Iterator[tuple[Round, Findings]]:
    """Play so many rounds, each in a folder that is gone afterwards, and count what is found."""
    for one in rounds(tapes, seed, count):
        with TemporaryDirectory() as folder:
            found = one.play(Path(folder), go_on=one.tape.work.synchronous == "FULL")
        table.add(one, found)
        yield one, found


def main() -> None:
    """Play one round of a trace again: TRACE MODE SEED."""
    trace, mode, seed = sys.argv[1:4]
    path = Path(trace)
    frames = read_trace(path)
    workload, synchronous, pages = path.stem.split("-")
    tape = Tape(Work(workload, synchronous, int(pages)), path, frames, Promises(frames), path.with_suffix(""))
    with TemporaryDirectory() as folder:
        print(Round(tape, mode, seed).play(Path(folder), go_on=synchronous == "FULL"))


if __name__ == "__main__":
    main()
