"""Power cuts while large payloads are put into files: what `put` returned is there afterwards, whole.

Every sync is noted with what it made safe: a file's content, or a folder's names. A cut may come before or after any
sync. What was not synced by then may be on the disk or not, name by name; of a file's content that was not synced, some
first part, followed by zeros, may be there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

import pytest

from events.errors import StoreError
from events.log.payloads import FilePayloads
from events.payload_files import PayloadRef

Names = dict[str, int]
"""What a folder holds: inodes by name."""

CUTS_A_MOMENT: Final = 3
SEEDS: Final = 6


class Disk:
    """Notes what syncs make safe below a folder, and makes what a power cut leaves of it."""

    def __init__(self, root: Path, chance: Random, cut: Callable[[Path], None], *, forgets_files: bool = False) -> None:
        """`cut` looks at what a power cut left in a folder. A disk that `forgets_files` syncs no content."""
        self.root = root
        self._chance = chance
        self._cut = cut
        self._forgets_files = forgets_files
        self._safe: dict[int, bytes] = {}
        self._safe_names: dict[int, Names] = {root.stat().st_ino: {}}
        self._folders = {root.stat().st_ino: root}
        self._cuts = 0

    def fsync(self, descriptor: int) -> None:
        """Do as `os.fsync` does; the power may go before or after it."""
        self.moment()
        found = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir():
            self._safe_names[found.st_ino] = _names(path)
        elif not self._forgets_files:
            self._safe[found.st_ino] = path.read_bytes()
        self.moment()

    def moment(self) -> None:
        """Let the power go here, in a few ways."""
        for _ in range(CUTS_A_MOMENT):
            self._cuts += 1
            left = self.root.parent / f"left-{self._cuts}"
            self._leave(self.root.stat().st_ino, self.root, left)
            self._cut(left)

    def _leave(self, inode: int, now: Path | None, left: Path) -> None:
        """Put down what is left of a folder, which has its name on the disk."""
        left.mkdir()
        safe = self._safe_names.get(inode, {})
        current = {} if now is None else _names(now)
        for name in sorted({*safe, *current}):
            entry = self._chance.choice((safe.get(name), current.get(name)))
            if entry is None:
                continue
            path = now / name if now is not None and current.get(name) == entry else None
            if entry in self._safe_names or (path is not None and path.is_dir()):
                self._leave(entry, path, left / name)
            else:
                (left / name).write_bytes(self._content(entry, path))

    def _content(self, inode: int, path: Path | None) -> bytes:
        """Return what is left of a file: what was synced, or any part of what was not."""
        if inode in self._safe:
            return self._safe[inode]
        written = b"" if path is None else path.read_bytes()
        kept = self._chance.randint(0, len(written))
        return written[:kept] + bytes(self._chance.choice((0, len(written) - kept)))


def _names(folder: Path) -> Names:
    return {entry.name: entry.inode() for entry in os.scandir(folder)}


class Checked:
    """Puts payloads, lets the power go all the time, and looks what is left."""

    def __init__(self, folder: Path, seed: int, *, forgets_files: bool = False) -> None:
        self.chance = Random(seed)
        root = folder / "root"
        root.mkdir()
        self.disk = Disk(root, self.chance, self.look, forgets_files=forgets_files)
        self.acknowledged: dict[PayloadRef, str] = {}
        self.lost: list[str] = []
        self.halves: list[str] = []
        self.cuts = 0

    def work(self) -> None:
        """Put texts, some of them twice, from two processes one after the other."""
        texts = [f"{number} " * self.chance.randint(1, 400) for number in range(6)]
        for _ in range(2):
            payloads = FilePayloads(self.disk.root / "payloads")
            for text in self.chance.sample(texts, 4):
                ref = payloads.put(text)
                self.acknowledged[ref] = text
                self.disk.moment()

    def look(self, left: Path) -> None:
        """Look for every text that `put` had returned, and for halves under the names of whole ones."""
        self.cuts += 1
        payloads = FilePayloads(left / "payloads")
        for ref, text in self.acknowledged.items():
            found = ""
            with suppress(StoreError):
                found = payloads.get(ref)
            if found != text:
                self.lost.append(ref.sha256)
        for path in left.rglob("*"):
            if path.is_file() and not path.name.startswith(".") and sha256(path.read_bytes()).hexdigest() != path.name:
                self.halves.append(path.name)
        shutil.rmtree(left)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_was_kept_is_there_after_any_power_cut_and_never_a_half_of_it(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = Checked(tmp_path, seed)
    monkeypatch.setattr(os, "fsync", checked.disk.fsync)
    checked.work()
    assert (checked.lost, checked.halves) == ([], [])
    assert checked.cuts >= 8 * CUTS_A_MOMENT
    assert len(checked.acknowledged) >= 4


def test_a_disk_that_does_not_sync_files_loses_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = Checked(tmp_path, 1, forgets_files=True)
    monkeypatch.setattr(os, "fsync", checked.disk.fsync)
    checked.work()
    assert checked.lost, "the negative control must lose"
    assert checked.halves
