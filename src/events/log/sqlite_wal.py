"""Whether a write-ahead log is damaged where SQLite would say nothing.

SQLite replays the log up to the first frame whose checksum is wrong and forgets the rest, for that is how a crash in
the middle of a transaction looks. But a transaction is synced before the next one begins. So where, at or after the bad
frame, some transaction was committed and another one begun, it was no crash: what was acknowledged would be lost.

Each frame's checksum goes on from the one before it, so a frame after a bad one can still be checked against the
checksum that is stored there. Where the bad frame belongs to the very last transaction, nobody can tell the two apart.

See "WAL Format" in SQLite's own documentation of its file format.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from events.errors import Place, StoreDamagedError

_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_LOW_FIRST: Final = 0x377F0682
_HIGH_FIRST: Final = 0x377F0683
"""How a log begins tells which byte of a word of the data comes first in its checksums."""
_FORMAT: Final = 3_007_000
_PAGES: Final = frozenset(1 << bits for bits in range(9, 17))
"""All the sizes that pages can have, 512 to 65536 bytes."""
_CHUNK_BYTES: Final = 2 * 1024 * 1024
_LANE: Final = 0xFFFFFFFF

Sums = tuple[int, int]

_databases: Final[dict[tuple[int, int], int]] = {}
"""Descriptors by device and inode; one for each store whose log once had no header."""


class _Header(NamedTuple):
    """The log's own header."""

    raw: bytes
    page_bytes: int
    big_endian: bool
    salts: bytes
    sums: Sums
    sound: bool


class _Frame(NamedTuple):
    """A frame: one page as a transaction left it."""

    page: int
    """Its number, from 1."""
    pages: int
    """How many there are after the transaction that the frame ends; 0 where it ends none."""
    salts: bytes
    sums: Sums
    computed: Sums
    """What its checksum should be, going on from the one that is stored before it."""
    fits: bool
    """Whether it is that, and the frame is of this log."""

    @property
    def commits(self) -> bool:
        """Whether it ends a transaction."""
        return self.pages > 0


def check(store: Path) -> None:
    """Raise StoreDamagedError where opening the store would silently lose transactions. Changes nothing.

    It may look at a log that is being written to: nothing is said before the bad frame was read again.
    """
    path = Path(f"{store}-wal")
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        bad = _bad_frame(file)
        if bad == -1 and _all_moved(file, store):
            return
    if bad is not None:
        what = "its header" if bad < 0 else f"frame {bad + 1}"
        problem = (
            f"its write-ahead log {path.name} is damaged at {what}, and what was committed after that would be lost;"
            " keep copies of both files"
        )
        raise StoreDamagedError.at(str(store), Place(None, None, None, problem))


def _all_moved(file: BinaryIO, store: Path) -> bool:
    """Whether the database has every page as a log without a header left it.

    Then the log was beginning anew when the power went, and there may be anything where its header was being written.
    """
    file.seek(0)
    header = _read_header(file)
    if header is None:
        return False
    size = header.page_bytes
    orders = (_latest_pages(file, header._replace(big_endian=big_endian)) for big_endian in (False, True))
    places = max(orders, key=len)
    log, database = file.fileno(), _kept(store)
    return bool(places) and all(
        os.pread(log, size, place) == os.pread(database, size, (page - 1) * size) for page, place in places.items()
    )


def _kept(store: Path) -> int:
    """Return a descriptor of the database that is never closed: that would give up SQLite's own locks on the file."""
    there = store.stat()
    name = (there.st_dev, there.st_ino)
    if name not in _databases:
        _databases[name] = os.open(store, os.O_RDONLY | os.O_CLOEXEC)
    return _databases[name]


def _latest_pages(file: BinaryIO, header: _Header) -> dict[int, int]:
    """Return where the log has the last committed state of each page. The first frame cannot be checked by itself."""
    size = _FRAME_HEADER_BYTES + header.page_bytes
    salts, pages = b"", 0
    latest: dict[int, int] = {}
    begun: dict[int, int] = {}
    for number, frame in enumerate(_frames(file, header)):
        salts = salts or frame.salts
        if frame.salts == salts and (frame.fits or number == 0):
            begun[frame.page] = _HEADER_BYTES + number * size + _FRAME_HEADER_BYTES
            if frame.commits:
                pages = frame.pages
                latest |= begun
                begun = {}
    return {page: place for page, place in latest.items() if page <= pages}


def _bad_frame(file: BinaryIO) -> int | None:
    """Return the first bad frame, counted from 0, where something committed follows it; -1 for the header."""
    header = _read_header(file)
    if header is None:
        return None
    if header.sound:
        return _bad_frame_of(file, header)
    orders = (header._replace(big_endian=big_endian) for big_endian in (False, True))  # it does not even say which
    found = (_bad_frame_of(file, order) for order in orders)
    return next((bad for bad in found if bad is not None), None)


def _bad_frame_of(file: BinaryIO, header: _Header) -> int | None:
    first = None if header.sound else -1
    before: _Frame | None = None
    for number, frame in enumerate(_frames(file, header)):
        if first is None and not frame.fits:
            first = number
        if first is not None and _follows(file, header, number, before, frame):
            return first if _is_bad_still(file, header, first) else None
        before = frame
    return None


def _follows(file: BinaryIO, header: _Header, number: int, before: _Frame | None, frame: _Frame) -> bool:
    """Whether a frame of this log was written when the one before it was there, and that one ended a transaction."""
    if before is None or not before.commits:
        return False
    if not header.sound:  # which then does not say by itself what is left over from before the log began anew
        return frame.fits and before.salts == frame.salts and not _began_anew(header, frame.salts)
    if frame.fits or frame.salts != header.salts:
        return frame.fits
    size = _FRAME_HEADER_BYTES + header.page_bytes  # it may be the checksum before it itself that is damaged
    file.seek(_HEADER_BYTES + number * size)
    raw = file.read(size)
    return len(raw) == size and _sums(raw, len(raw), [before.computed], big_endian=header.big_endian) == [frame.sums]


def _is_bad_still(file: BinaryIO, header: _Header, first: int) -> bool:
    if first >= 0:
        frame = next(islice(_frames(file, header), first, None), None)
        if frame is not None and frame.fits:
            return False  # it was being written when it was read
    file.seek(0)
    return file.read(_HEADER_BYTES) == header.raw


def _read_header(file: BinaryIO) -> _Header | None:
    raw = file.read(_HEADER_BYTES)
    if len(raw) < _HEADER_BYTES:
        return None
    magic, version, page_bytes, _, *_, first, second = struct.unpack(">8I", raw)
    big_endian = magic == _HIGH_FIRST
    plausible = page_bytes in _PAGES
    sums = _header_sums(raw, big_endian=big_endian)
    sound = magic in (_LOW_FIRST, _HIGH_FIRST) and version == _FORMAT and plausible and sums == (first, second)
    return _Header(raw, page_bytes if plausible else 4096, big_endian, raw[16:24], (first, second), sound)


def _header_sums(raw: bytes, *, big_endian: bool) -> Sums:
    words = struct.unpack(">6I" if big_endian else "<6I", raw[:24])
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _LANE
        second = (second + odd + first) & _LANE
    return first, second


def _began_anew(header: _Header, salts: bytes) -> bool:
    """Whether a damaged header is one that was being written over an older one: the log began anew, all was moved."""
    (number,) = struct.unpack(">I", header.raw[12:16])
    salt = int.from_bytes(salts[:4], "big")
    fresh_salt = ((salt + 1) & _LANE).to_bytes(4, "big")
    for ahead in (1, 1 << 8, 1 << 16, 1 << 24):  # bytes of the new number, one higher, before some of the old one
        older = number - ahead
        old = header.raw[:12] + (older & _LANE).to_bytes(4, "big") + salts
        old += struct.pack(">2I", *_header_sums(old, big_endian=header.big_endian))
        new = header.raw[:12] + ((older + 1) & _LANE).to_bytes(4, "big") + fresh_salt
        if any(header.raw[at:] == old[at:] and header.raw[: min(at, 20)] == new[:at] for at in range(32)):
            return True
    return False


def _frames(file: BinaryIO, header: _Header) -> Iterator[_Frame]:
    """Yield the frames, holding some of them in memory. The file may be read elsewhere in between."""
    size = _FRAME_HEADER_BYTES + header.page_bytes
    before, place = header.sums, _HEADER_BYTES
    while True:
        file.seek(place)
        chunk = file.read(_CHUNK_BYTES // size * size)
        count = len(chunk) // size
        if not count:
            return
        place += count * size
        heads = [chunk[at : at + _FRAME_HEADER_BYTES] for at in range(0, count * size, size)]
        stored = [_stored(head[16:]) for head in heads]
        computed = _sums(chunk[: count * size], size, [before, *stored[:-1]], big_endian=header.big_endian)
        for head, expected, found in zip(heads, stored, computed, strict=True):
            page, pages = struct.unpack(">2I", head[:8])
            fits = expected == found and (not header.sound or head[8:16] == header.salts)
            yield _Frame(page, pages, head[8:16], expected, found, fits)
        before = stored[-1]


def _stored(raw: bytes) -> Sums:
    first, second = struct.unpack(">2I", raw)
    return first, second


def _sums(chunk: bytes, size: int, before: Sequence[Sums], *, big_endian: bool) -> list[Sums]:
    """Return the checksums of many frames at once, each going on from the one before it.

    The sums of all frames lie side by side in one large number, 64 bits each, so that the additions are few: the same
    loop over each word by itself takes a hundred times as long.
    """
    if big_endian:
        swapped = array("I", chunk)
        swapped.byteswap()
        chunk = swapped.tobytes()
    count = len(before)
    pairs, columns = array("Q", chunk), size // 8
    low = int.from_bytes(_LANE.to_bytes(8, "little") * count, "little")
    first = int.from_bytes(struct.pack(f"<{count}Q", *(one for one, _ in before)), "little")
    second = int.from_bytes(struct.pack(f"<{count}Q", *(two for _, two in before)), "little")
    for column in (0, *range(_FRAME_HEADER_BYTES // 8, columns)):
        words = int.from_bytes(pairs[column::columns].tobytes(), "little")
        first = (first + (words & low) + second) & low
        second = (second + (words >> 32 & low) + first) & low
    unpacked = (struct.unpack(f"<{count}Q", number.to_bytes(8 * count, "little")) for number in (first, second))
    return list(zip(*unpacked, strict=True))
