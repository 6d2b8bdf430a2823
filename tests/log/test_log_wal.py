"""A damaged write-ahead log is refused where SQLite would drop what was acknowledged; what a crash leaves never is."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Event, Thread

import pytest

from events.errors import StoreDamagedError
from events.facts import ChildCreated
from events.log import EventLog, FactBatch, open_log
from events.log.sqlite_wal import _header_sums, _kept

FRAME = 24 + 4096
COMMITS = 8


class Image:
    """The files of a store as they lay on the disk at some instant."""

    def __init__(self, store: Path, folder: Path) -> None:
        self.path = folder / "image.db"
        self.wal = Path(f"{self.path}-wal")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{store}{suffix}", f"{self.path}{suffix}")
        Path(f"{self.path}-shm").unlink(missing_ok=True)
        self.bytes = self.wal.read_bytes()

    @property
    def frames(self) -> int:
        return (len(self.bytes) - 32) // FRAME

    def commits(self) -> list[int]:
        """The frames that end transactions, counted from 0."""
        return [number for number in range(self.frames) if self.bytes[32 + number * FRAME + 4 :][:4] != bytes(4)]

    def write(self, data: bytes) -> None:
        self.wal.write_bytes(data)

    def change(self, at: int, new: bytes) -> None:
        self.write(self.bytes[:at] + new + self.bytes[at + len(new) :])

    def versions(self) -> int:
        """Open the store and count the events that are in it."""
        with open_log(self.path, must_exist=True) as log:
            return len(list(log.read("p")))


def append(log: EventLog, count: int = 1) -> None:
    head = log.head("p")
    version = 0 if head is None else head.version
    log.append([FactBatch("p", version, [ChildCreated(at=1, child_id="x" * 300) for _ in range(count)])])


@pytest.fixture
def image(path: Path, tmp_path: Path) -> Iterator[Image]:
    """A store of 8 appends, one event each: the first was moved to the database, the others lie in its log."""
    with open_log(path) as log:
        append(log)
    with open_log(path) as log:
        for _ in range(COMMITS - 1):
            append(log)
        yield Image(path, tmp_path)


def test_a_log_as_it_was_is_whole(image: Image) -> None:
    assert image.versions() == COMMITS


def test_every_byte_of_the_headers_and_some_of_every_frame(image: Image) -> None:
    """All but what lies in the last transaction, which a crash might have left so."""
    chance, last = Random(1), image.commits()[-2]
    headers = [32 + number * FRAME + at for number in (0, last) for at in range(24)]
    others = [32 + number * FRAME + chance.randrange(FRAME) for number in range(last + 1) for _ in range(2)]
    places = [*range(32), *headers, *others]
    silent = []
    for place in places:
        image.change(place, bytes([image.bytes[place] ^ 1 << chance.randrange(8)]))
        try:
            versions = image.versions()
        except StoreDamagedError as error:
            if "its write-ahead log image.db-wal is damaged at " not in str(error) or not image.wal.exists():
                silent.append((place, -1))
        else:
            silent.append((place, versions))
    assert silent == []


def test_the_frame_is_named_and_nothing_is_changed(image: Image) -> None:
    image.change(32 + 3 * FRAME + 100, b"?")
    damaged = image.wal.read_bytes()
    with pytest.raises(StoreDamagedError, match="damaged at frame 4, and what was committed after that would be lost"):
        image.versions()
    assert image.wal.read_bytes() == damaged


def test_a_log_that_was_cut_anywhere_opens_with_what_is_left(image: Image) -> None:
    """A crash, and a tail that somebody cut off, look the same: the file alone does not tell."""
    whole, chance = image.bytes, Random(2)
    for size in sorted({0, 1, 31, 32, 33, 32 + FRAME, *(chance.randrange(len(whole)) for _ in range(30))}):
        image.write(whole[:size])
        assert image.versions() <= COMMITS


def test_a_last_transaction_that_was_torn_is_dropped(image: Image) -> None:
    """Power was lost before it was synced: some of its sectors are there and some are not."""
    commits, chance = image.commits(), Random(3)
    first = 32 + (commits[-2] + 1) * FRAME
    for _ in range(30):
        torn = bytearray(image.bytes)
        for sector in range(first, len(torn), 512):
            if chance.random() < 0.4:
                torn[sector : sector + 512] = bytes(len(torn[sector : sector + 512]))
        image.write(bytes(torn))
        assert image.versions() >= COMMITS - 1


def test_what_an_earlier_crash_left_behind_is_no_damage(image: Image) -> None:
    """Crash after crash: each leaves the end of a torn transaction, and shorter ones are written over its beginning."""
    rests = image.bytes
    for lost in (6, 5, 4):
        commits = image.commits()
        begin, end = 32 + (commits[lost - 1] + 1) * FRAME, 32 + (commits[lost] + 1) * FRAME
        image.write(rests[:begin] + bytes(FRAME) + rests[begin + FRAME : end])  # the torn one is the last one
        before = image.path.read_bytes()
        with open_log(image.path) as log:
            append(log)
            rests = image.wal.read_bytes()
        image.path.write_bytes(before)  # as if the process had been killed: closing moved everything
        image.bytes = rests
        image.write(rests)
        assert image.versions() == lost + 2
        image.path.write_bytes(before)


@pytest.mark.parametrize("at", [1, 4, 8, 12, 15, 16, 17, 19, 20, 23, 24, 28, 31])
def test_a_log_that_was_beginning_anew_is_no_damage(image: Image, at: int) -> None:
    """All of it had been moved to the database, and power was lost while the new header was written over the old."""
    old = image.bytes[:32]
    number, salt = struct.unpack(">2I", old[12:20])
    new = old[:12] + struct.pack(">2I", number + 1, (salt + 1) % 2**32) + b"\x5a\xa5\x01\xfe"
    new += struct.pack(">2I", *_header_sums(new, big_endian=False))
    image.change(0, new[:at] + old[at:])
    image.versions()


@pytest.mark.parametrize("noise", [bytes(32), b"\xff" * 32, *(Random(seed).randbytes(32) for seed in range(4))])
def test_whatever_lies_where_a_header_was_being_written_is_no_damage(image: Image, noise: bytes) -> None:
    """All of the log had been moved to the database, which can be seen; else it could not have begun anew."""
    assert image.versions() == COMMITS  # closing it moves everything
    for _ in range(2):
        image.change(0, noise)
        assert image.versions() == COMMITS


def test_a_log_without_a_header_is_missed_where_any_page_of_it_was_not_moved(image: Image) -> None:
    pages = {int.from_bytes(image.bytes[place : place + 4], "big") for place in range(32, len(image.bytes), FRAME)}
    assert image.versions() == COMMITS
    moved = image.path.read_bytes()
    assert len(pages) > 2
    for page in pages:
        image.change(0, bytes(32))
        place = page * 4096 - 1
        image.path.write_bytes(moved[:place] + bytes([moved[place] ^ 1]) + moved[place + 1 :])
        with pytest.raises(StoreDamagedError, match="damaged at its header"):
            image.versions()
    image.path.write_bytes(moved)
    assert image.versions() == COMMITS


def test_to_look_at_a_database_gives_up_no_lock_on_it(tmp_path: Path) -> None:
    """To close a file gives up all locks that the process has on it."""
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    store = tmp_path / "a.db"
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE a (b)")
        connection.execute("BEGIN EXCLUSIVE")
        assert _kept(store) == _kept(store)
        done = subprocess.run([sys.executable, "-c", program, str(store)], capture_output=True, text=True)
        assert "database is locked" in done.stderr


def test_other_words_first(image: Image) -> None:
    """A log that a machine wrote that has the highest byte first is checked as well."""
    raw = bytearray(image.bytes)
    raw[3] |= 1
    raw[24:32] = struct.pack(">2I", *_header_sums(bytes(raw[:24]), big_endian=True))
    sums = struct.unpack(">2I", raw[24:32])
    for start in range(32, len(raw), FRAME):
        frame = raw[start : start + 8] + raw[start + 24 : start + FRAME]
        first, second = sums
        words = struct.unpack(f">{len(frame) // 4}I", frame)
        for even, odd in zip(words[::2], words[1::2], strict=True):
            first = (first + even + second) & 0xFFFFFFFF
            second = (second + odd + first) & 0xFFFFFFFF
        sums = (first, second)
        raw[start + 16 : start + 24] = struct.pack(">2I", *sums)
    image.bytes = bytes(raw)
    image.write(image.bytes)
    assert image.versions() == COMMITS
    image.write(image.bytes)
    shutil.copyfile(image.path, image.path.with_name("kept.db"))
    image.change(32 + 3 * FRAME + 100, b"?")
    with pytest.raises(StoreDamagedError, match="damaged at frame 4"):
        image.versions()


def test_a_log_that_is_written_to_meanwhile_is_no_damage(path: Path, tmp_path: Path) -> None:
    """It is read while another connection appends, moves all of it to the database, and begins anew."""
    over = Event()

    def write() -> None:
        with open_log(path) as log:
            for number in range(150):
                append(log, count=1 + number % 40)
            over.set()

    with open_log(path) as log:
        append(log)
    writer = Thread(target=write)
    writer.start()
    opened = 0
    while not over.is_set():
        open_log(path).close()
        opened += 1
    writer.join()
    assert opened > 0
