"""A disk that loses its power: from what was done to some files, what may be found on them afterwards.

The model, and what it takes from SQLite's own view of disks:

- What was written to a file before a sync of that file began survives once the sync is done.
- Of everything written since, each sector (512 or 4,096 bytes, on sector boundaries) survives or does not, whatever
  the order in which it was written. A sector that is being written may be torn, or hold noise; but what lies beside
  the written bytes in that sector stays as it was (SQLite's "powersafe overwrite", which it assumes of Linux).
- A file's size is any that it had since the last sync, or any sector's end between. Where it was made longer and
  the data did not make it, there are zeros, noise, or bytes of other files.
- Names are the folder's. That a file was created or deleted is certain once the folder was synced. Until then each
  name leads to whatever it led to at some time since, or to nothing. To sync a file does not make its name certain.
- Shared memory (-shm) never survives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from tests.power.trace import Frame, Kind

SECTORS: Final = (512, 4096)


class Change(NamedTuple):
    """A write, or (without data) a change of size, that no sync has covered yet."""

    order: int
    place: int
    data: bytes | None

    @property
    def end(self) -> int:
        """Where the write ends, or the new size."""
        return self.place + len(self.data or b"")


@dataclass
class File:
    """One file, whatever names lead to it: what is safe on the disk, and what came after that, in order."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def sync(self, before: int) -> None:
        """Make safe what was done before some point of the trace."""
        for change in self.pending:
            if change.order < before:
                apply(self.safe, change)
        self.pending = [change for change in self.pending if change.order >= before]

    def now(self) -> bytearray:
        """Return what a reader sees while the power is on."""
        content = bytearray(self.safe)
        for change in self.pending:
            apply(content, change)
        return content


def apply(content: bytearray, change: Change) -> None:
    """Do to some content what a change says."""
    if change.data is None:
        del content[change.place :]
    if len(content) < change.place:
        content.extend(bytes(change.place - len(content)))
    if change.data is not None:
        content[change.place : change.end] = change.data


class Disk:
    """A folder of files while a trace is played on it."""

    def __init__(self) -> None:
        self.safe_names: dict[str, File] = {}
        self.names: dict[str, File] = {}
        self.unsafe: list[tuple[int, str, File | None]] = []
        """What names came to lead to since the folder was last synced."""
        self._opened: dict[int, File] = {}
        self._syncing: dict[int, int] = {}

    def play(self, frames: Sequence[Frame]) -> None:
        """Do what was done, from the beginning of a trace."""
        for order, frame in enumerate(frames):
            self._take(order, frame)

    def _take(self, order: int, frame: Frame) -> None:
        kind, handle, place, data = frame
        if kind is Kind.OPENED:
            self._open(order, handle, frame.name)
        elif kind is Kind.WRITTEN:
            self._opened[handle].pending.append(Change(order, place, data))
        elif kind is Kind.TRUNCATED:
            self._opened[handle].pending.append(Change(order, place, None))
        elif kind is Kind.SYNCING:
            self._syncing[handle] = order
        elif kind is Kind.SYNCED:
            self._opened[handle].sync(self._syncing[handle])
        elif kind is Kind.DELETED:
            del self.names[frame.name]
            self.unsafe.append((order, frame.name, None))
        elif kind is Kind.FOLDER_SYNCED:
            self._sync_folder(self._syncing.get(handle, order))
        elif kind is Kind.CLOSED:
            del self._opened[handle]

    def _open(self, order: int, handle: int, name: str) -> None:
        file = self.names.get(name)
        if file is None:
            file = self.names[name] = File()
            self.unsafe.append((order, name, file))
        self._opened[handle] = file

    def _sync_folder(self, before: int) -> None:
        for order, name, file in self.unsafe:
            if order < before and file is not None:
                self.safe_names[name] = file
            elif order < before:
                self.safe_names.pop(name, None)
        self.unsafe = [change for change in self.unsafe if change[0] >= before]

    def pending(self) -> list[Change]:
        """Return what no sync has covered, of all files, in order."""
        files = {id(file): file for file in (*self.safe_names.values(), *self.names.values())}
        return sorted(change for file in files.values() for change in file.pending)


Folder = dict[str, bytes]
"""What is found after the power is back: contents by name."""

Mode = Callable[["Cut"], Folder]


class Cut:
    """One power cut: a disk as it was at that instant, and the chance that decides what is left of it."""

    def __init__(self, frames: Sequence[Frame], chance: Random) -> None:
        self.frames = len(frames)
        self.disk = Disk()
        self.disk.play(frames)
        self.chance = chance
        self.sector = chance.choice(SECTORS)
        self._waste = b"".join(frame.data for frame in frames if frame.kind is Kind.WRITTEN)[-65536:]

    def names(self) -> dict[str, File]:
        """Return what each name leads to: what is certain, or anything that it came to lead to since."""
        found = dict(self.disk.safe_names)
        for name in sorted({name for _, name, _ in self.disk.unsafe}):
            later = [file for _, changed, file in self.disk.unsafe if changed == name]
            file = self.chance.choice([found.get(name), *later])
            if file is None:
                found.pop(name, None)
            else:
                found[name] = file
        return found

    def sectors(self, change: Change) -> Iterator[Change]:
        """Yield a write in parts, one for each sector that it touches; a change of size is one part."""
        if change.data is None:
            yield change
            return
        start = change.place
        while start < change.end:
            end = min((start // self.sector + 1) * self.sector, change.end)
            yield Change(change.order, start, change.data[start - change.place : end - change.place])
            start = end

    def kept(self, file: File, keep: Callable[[Change], Change | None]) -> bytes:
        """Return a file of which some sectors were kept, as they were or changed, and its size is any it had."""
        content, written = bytearray(file.safe), bytearray(len(file.safe))
        size, sizes = len(file.safe), {len(file.safe)}
        for change in file.pending:
            for part in self.sectors(change):
                found = keep(part)
                if found is not None:
                    apply(content, found)
                    apply(written, found if found.data is None else found._replace(data=b"\1" * len(found.data)))
                size = part.place if part.data is None else max(size, part.end)
                sizes.add(size)
        size = self.chance.choice(sorted(sizes))
        hole = len(content)
        apply(content, Change(0, size, None))
        apply(written, Change(0, size, None))
        self._fill(content, written, len(file.safe), max(hole, size))
        return bytes(content)

    def _fill(self, content: bytearray, written: bytearray, start: int, end: int) -> None:
        """Put into the part by which a file grew, where no data came, what a disk may have there."""
        with_what = self.chance.choice(("zeros", "noise", "waste"))
        if with_what == "zeros":
            return
        for place in range(start, min(end, len(content)), self.sector):
            stop = min(place + self.sector, len(content))
            if not any(written[place:stop]):
                content[place:stop] = self._rubbish(stop - place, noise=with_what == "noise")

    def _rubbish(self, size: int, *, noise: bool) -> bytes:
        if noise or len(self._waste) <= size:
            return self.chance.randbytes(size)
        start = self.chance.randrange(len(self._waste) - size)
        return self._waste[start : start + size]


# What may be left


def dropped(cut: Cut) -> Folder:
    """Nothing that was not synced is there."""
    return {name: bytes(file.safe) for name, file in cut.disk.safe_names.items()}


def kept(cut: Cut) -> Folder:
    """Everything is there, as if only the process had been killed."""
    return {name: bytes(file.now()) for name, file in cut.disk.names.items()}


def subset(cut: Cut) -> Folder:
    """Any sectors are there, and any are not."""
    share = cut.chance.random()
    return {name: cut.kept(file, lambda part: _maybe(cut, part, share)) for name, file in cut.names().items()}


def _maybe(cut: Cut, part: Change, share: float) -> Change | None:
    return part if cut.chance.random() < share else None


def latest(cut: Cut) -> Folder:
    """Of all that was not synced, only what was done last is there."""
    pending = cut.disk.pending()
    last = pending[-1].order if pending else None
    return {
        name: cut.kept(file, lambda part: part if part.order == last else None) for name, file in cut.names().items()
    }


def backwards(cut: Cut) -> Folder:
    """What was done last is there, what was done before that is not: the disk wrote in the opposite order."""
    pending = cut.disk.pending()
    since = cut.chance.choice(pending).order if pending else 0
    return {
        name: cut.kept(file, lambda part: part if part.order >= since else None) for name, file in cut.names().items()
    }


def torn(cut: Cut) -> Folder:
    """Everything up to some write is there, and of that one some sectors and a part of the next."""
    pending = [change for change in cut.disk.pending() if change.data is not None]
    last = cut.chance.choice(pending[-3:]) if pending else Change(0, 0, None)
    tear = cut.chance.randrange(last.place, last.end) if last.data else 0

    def keep(part: Change) -> Change | None:
        if part.order != last.order:
            return part if part.order < last.order else None
        left = (part.data or b"")[: max(0, tear - part.place)]
        return part._replace(data=left) if left else None

    return {name: _to_the_tear(file, keep, cut) for name, file in cut.disk.names.items()}


def _to_the_tear(file: File, keep: Callable[[Change], Change | None], cut: Cut) -> bytes:
    content = bytearray(file.safe)
    for change in file.pending:
        for part in cut.sectors(change):
            found = keep(part)
            if found is not None:
                apply(content, found)
    return bytes(content)


def noise(cut: Cut) -> Folder:
    """Any sectors are there, some are not, and some hold noise where they were being written."""

    def keep(part: Change) -> Change | None:
        luck = cut.chance.random()
        if luck < 0.4 or part.data is None:
            return part if luck < 0.4 else None
        return part._replace(data=cut.chance.randbytes(len(part.data))) if luck < 0.7 else None

    return {name: cut.kept(file, keep) for name, file in cut.names().items()}


MODES: Final[dict[str, Mode]] = {
    mode.__name__: mode for mode in (dropped, kept, subset, latest, backwards, torn, noise)
}
