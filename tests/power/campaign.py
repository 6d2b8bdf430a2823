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

from tests.power.disk import MODES, Cut, Disk, Folder
from tests.power.survivor import Findings, Promises, Survivor
from tests.power.trace import Frame, Kind, TraceWriter, read_trace
from tests.power.workload import STORE

ROOT: Final = Path(__file__).resolve().parents[2]
NOTABLE: Final = frozenset(
    {Kind.OPENED, Kind.TRUNCATED, Kind.SYNCING, Kind.SYNCED, Kind.DELETED, Kind.FOLDER_SYNCED, Kind.MARK}
)
"""Next to these a cut is likelier to be of interest than among the many writes."""
AGAIN: Final = "FULL, a second time"
"""The power goes again while what was left of a first cut is worked on."""
SETTINGS: Final = ("FULL", AGAIN, "NORMAL", "OFF")


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

    @property
    def setting(self) -> str:
        """Under which heading its cuts are counted."""
        return AGAIN if self.promises.start else self.work.synchronous


class Recorder:
    """Does some work in a process of its own and records it; the work may begin with what a power cut left."""

    def __init__(self, work: Work, seed: int, folder: Path, label: str = "", left: Folder | None = None) -> None:
        self._work = work
        self._files = folder / f"{work}{label}"
        self._trace = folder / f"{work}{label}.trace"
        self._files.mkdir()
        if left is not None:
            self._begin_with(left)
        arguments = [*map(str, work), str(seed), str(self._files), str(self._trace)]
        command = [sys.executable, "-m", "tests.power.workload", *arguments]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def _begin_with(self, left: Folder) -> None:
        """Put files where the work will find them, and into the trace, as safe as what is read after a start is."""
        trace = TraceWriter(self._trace)
        for handle, (name, content) in enumerate(sorted(left.items()), 1):
            (self._files / name).write_bytes(content)
            trace.add(Kind.OPENED, handle, data=name.encode())
            trace.add(Kind.WRITTEN, handle, data=content)
            for kind in (Kind.SYNCING, Kind.SYNCED, Kind.FOLDER_SYNCED, Kind.CLOSED):
                trace.add(kind, handle)
        with TemporaryDirectory() as copy:
            there = [(*event, digest.hex()) for event, digest in Survivor(left, Path(copy)).hashes().items()]
        trace.mark(what="there", events=there)
        trace.close()

    def tape(self) -> Tape:
        """Wait until the work is done and return what was recorded."""
        try:
            _, errors = self._process.communicate(timeout=100)
        finally:
            self._process.kill()  # where it is not done by now
        code = self._process.returncode
        assert code == -signal.SIGKILL, f"{self._work}: exit status {code}\n{errors}"
        frames = read_trace(self._trace)
        return Tape(self._work, self._trace, frames, Promises(frames), self._files)


def record(works: Sequence[Work], seed: int, folder: Path) -> list[Tape]:
    """Do each work, all at once, and return what was recorded."""
    recorders = [Recorder(work, seed, folder) for work in works]
    return [recorder.tape() for recorder in recorders]


def record_again(tapes: Sequence[Tape], seed: int, count: int, folder: Path) -> list[Tape]:
    """Cut the power of some tapes, let the same work go on with what is left, and return what was recorded then."""
    recorders = []
    for number, one in enumerate(rounds(tapes, seed, count)):
        left, _ = one.cut()
        recorders.append(Recorder(one.tape.work, seed + number + 1, folder, f"-again-{number}", left))
    return [recorder.tape() for recorder in recorders]


@dataclass(frozen=True)
class Round:
    """One cut of a tape, wholly determined by the tape and a seed."""

    tape: Tape
    mode: str
    seed: str

    def cut(self) -> tuple[Folder, Cut]:
        """Cut the power; return what is left, and the cut."""
        chance = Random(self.seed)
        cut = Cut(self.tape.frames[: self.point(chance)], chance)
        return MODES[self.mode](cut), cut

    def play(self, folder: Path, *, go_on: bool) -> Findings:
        """Cut the power, put what is left into a folder, and check it."""
        left, cut = self.cut()
        found = Survivor(left, folder).check(self.tape.promises, cut.frames, go_on=go_on)
        found.moments = moments(cut.disk, found.acknowledged)
        return found

    def point(self, chance: Random) -> int:
        """Return how many frames are done when the power goes."""
        frames, first = self.tape.frames, self.tape.promises.start
        if chance.random() < 0.5:
            return chance.randrange(first, len(frames) + 1)
        notable = [order for order, frame in enumerate(frames) if order >= first and frame.kind in NOTABLE]
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
        counts = self.rows[one.tape.setting, one.mode]
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
    workload, synchronous, pages = path.stem.split("-")[:3]
    tape = Tape(Work(workload, synchronous, int(pages)), path, frames, Promises(frames), path.with_suffix(""))
    with TemporaryDirectory() as folder:
        print(Round(tape, mode, seed).play(Path(folder), go_on=synchronous == "FULL"))


if __name__ == "__main__":
    main()
