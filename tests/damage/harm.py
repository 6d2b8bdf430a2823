"""The ways in which a file is damaged. Each takes the file, a stretch of it, and others of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

from tests.damage.pages import Stretch

SECTOR_BYTES: Final = 512

Harm = Callable[[Path, Sequence[Stretch], Random], bool]
"""Damages a file somewhere in one of these stretches. Returns False where that changes nothing."""


def _change(path: Path, at: int, new: bytes) -> bool:
    with path.open("r+b") as file:
        file.seek(at)
        old = file.read(len(new))
        file.seek(at)
        file.write(new[: len(old)])
    return old != new[: len(old)]


def _read(path: Path, stretch: Stretch) -> bytes:
    with path.open("rb") as file:
        file.seek(stretch.start)
        return file.read(stretch.length)


def flip_a_bit(path: Path, among: Sequence[Stretch], chance: Random) -> bool:
    stretch = chance.choice(among)
    offset = chance.randrange(stretch.length)
    return _change(path, stretch.start + offset, bytes([_read(path, stretch)[offset] ^ 1 << chance.randrange(8)]))


def change_a_byte(path: Path, among: Sequence[Stretch], chance: Random) -> bool:
    stretch = chance.choice(among)
    return _change(path, stretch.start + chance.randrange(stretch.length), chance.randbytes(1))


def zero_a_sector(path: Path, among: Sequence[Stretch], chance: Random) -> bool:
    stretch = chance.choice(among)
    first = chance.randrange(0, stretch.length, SECTOR_BYTES)
    return _change(path, stretch.start + first, bytes(min(SECTOR_BYTES, stretch.length - first)))


def swap_two(path: Path, among: Sequence[Stretch], chance: Random) -> bool:
    if len(among) < 2:
        return False
    one, other = chance.sample(list(among), 2)
    first, second = _read(path, one), _read(path, other)
    return _change(path, one.start, second) | _change(path, other.start, first)


def copy_one_over_another(path: Path, among: Sequence[Stretch], chance: Random) -> bool:
    """A write that went to the wrong place."""
    if len(among) < 2:
        return False
    one, other = chance.sample(list(among), 2)
    return _change(path, other.start, _read(path, one))


def cut_there(path: Path, among: Sequence[Stretch], chance: Random) -> bool:
    stretch = chance.choice(among)
    size = stretch.start + chance.choice((0, 0, chance.randrange(stretch.length)))
    with path.open("r+b") as file:
        file.truncate(size)
    return True


def append_garbage(path: Path, among: Sequence[Stretch], chance: Random) -> bool:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.choice((1, 512, 4096, 5000, 100_000))))
    return True


HARMS: Final[dict[str, Harm]] = {
    "a bit flipped": flip_a_bit,
    "a byte changed": change_a_byte,
    "a sector zeroed": zero_a_sector,
    "two swapped": swap_two,
    "one over another": copy_one_over_another,
    "cut": cut_there,
    "garbage appended": append_garbage,
}
