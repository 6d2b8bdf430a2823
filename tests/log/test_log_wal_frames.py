"""Write-ahead logs made frame by frame: which damage is found, where, and what is left to SQLite."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from events.errors import StoreDamagedError
from events.log.sqlite_wal import _bad_frame, check

PAGE: Final = 512
SALTS: Final = bytes.fromhex("01020304a1a2a3a4")
OLDER: Final = bytes.fromhex("01020303b1b2b3b4")
MAGIC: Final = {False: 0x377F0682, True: 0x377F0683}
THREE: Final = (1, 2, 1)
"""Three transactions, of so many frames each."""
SOUND: Final[dict[int, int]] = {}
"""Which words of its header are others than they should be: none."""


class Log:
    """A log as SQLite writes it, by the letter of its documentation: one word after the other."""

    def __init__(
        self, transactions: Sequence[int] = THREE, *, page: int = PAGE, big: bool = False, says: dict[int, int] = SOUND
    ) -> None:
        self.page, self._big = page, big
        self._sums = (0, 0)
        words = [MAGIC[big], 3_007_000, page, 5]
        for word, number in says.items():
            words[word] = number
        raw = struct.pack(">4I", *words) + SALTS
        self._add(raw)
        self.data = bytearray(raw + struct.pack(">2I", *self._sums))
        self.frames = 0
        for count in transactions:
            for number in range(count):
                self.frame(commits=number == count - 1)

    def frame(self, *, commits: bool, salts: bytes = SALTS, page: int | None = None, pages: int | None = None) -> None:
        """Add a frame."""
        self.frames += 1
        head = struct.pack(">2I", page or self.frames, (pages or self.frames) if commits else 0)
        body = bytes((self.frames * 7 + at) % 251 for at in range(self.page))
        self._add(head + body)
        self.data += head + salts + struct.pack(">2I", *self._sums) + body

    def _add(self, raw: bytes) -> None:
        first, second = self._sums
        words = struct.unpack(f"{'>' if self._big else '<'}{len(raw) // 4}I", raw)
        for even, odd in zip(words[::2], words[1::2], strict=True):
            first = (first + even + second) % 2**32
            second = (second + odd + first) % 2**32
        self._sums = (first, second)

    def at(self, frame: int, byte: int = 0) -> int:
        """Return where a byte of a frame, counted from 1, lies."""
        return 32 + (frame - 1) * (24 + self.page) + byte

    def flip(self, place: int) -> Log:
        """Change one byte."""
        self.data[place] ^= 0x40
        return self

    @property
    def bad(self) -> int | None:
        """The frame that is said to be bad, counted from 1; 0 for the header."""
        found = _bad_frame(io.BytesIO(self.data))
        return None if found is None else found + 1


PLACES: Final = {"page number": 2, "size": 6, "salts": 12, "sum": 17, "second sum": 22, "first": 24, "last": 535}


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("page", [512, 1024, 4096, 65536])
def test_a_sound_log_of_any_kind(page: int, big: bool) -> None:
    assert Log(page=page, big=big).bad is None


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("frame", [1, 2, 3])
def test_a_bad_frame_before_the_last_transaction_is_found(frame: int, place: str, big: bool) -> None:
    log = Log(big=big)
    assert log.flip(log.at(frame, PLACES[place])).bad == frame


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("transactions", [(1,), (1, 1), (1, 2, 1), (1, 3)])
def test_in_the_last_transaction_nobody_can_tell(transactions: Sequence[int], place: str) -> None:
    log = Log(transactions)
    first = log.frames - transactions[-1] + 1
    for frame in range(first, log.frames + 1):
        log = Log(transactions)
        seems_to_commit = place == "size" and frame < log.frames
        assert log.flip(log.at(frame, PLACES[place])).bad == (frame if seems_to_commit else None)


def test_two_bad_frames_at_the_end_hide_each_other() -> None:
    log = Log((1, 1))
    assert log.flip(log.at(1, 100)).flip(log.at(2, 100)).bad is None


def test_a_bad_checksum_is_told_by_the_next_frame_of_the_same_log_alone() -> None:
    log = Log((2, 1))
    log.frame(commits=True, salts=OLDER)
    assert log.flip(log.at(3, 17)).bad is None
    log = Log((2, 1, 1))
    assert log.flip(log.at(3, 17)).bad == 3


def test_the_first_of_many_bad_frames_is_named() -> None:
    log = Log((1,) * 9)
    for frame in (7, 4, 5):
        log.flip(log.at(frame, 100))
    assert log.bad == 4


@pytest.mark.parametrize("place", range(4))
def test_a_header_that_does_not_say_which_byte_comes_first_is_found_too(place: int) -> None:
    assert Log(big=True).flip(place).bad == 0


@pytest.mark.parametrize("says", [{0: 0x377F0684}, {1: 3_007_001}, {2: 256}], ids=["kind", "format", "size of pages"])
def test_a_header_that_sqlite_does_not_know_is_damage_whatever_its_checksum(says: dict[int, int]) -> None:
    """SQLite would take the log for an empty one."""
    assert Log(page=4096, says=says).bad == 0


@pytest.mark.parametrize("number", [0, 5, 0xFF, 0xFFFF, 0xFFFFFF, 0x01020304, 0xFFFFFFFF])
@pytest.mark.parametrize("at", range(13, 32))
def test_a_log_that_was_beginning_anew_is_no_damage_however_often_it_did(at: int, number: int) -> None:
    log = Log(says={3: number})
    number, salt = ((word + 1) % 2**32 for word in struct.unpack(">2I", log.data[12:20]))
    log.data[:at] = (log.data[:12] + struct.pack(">2I", number, salt) + b"\x5a\xa5\x01\xfe" * 3)[:at]
    assert log.bad is None


@pytest.mark.parametrize("number", [0x01020304, 0x01020305, 0x01020306])
def test_another_header_than_one_over_an_older_one_is_damaged(number: int) -> None:
    log = Log(says={3: 0x01020304})
    log.data[12:20] = struct.pack(">2I", number, 0x01020305)
    log.flip(20).flip(31)
    assert log.bad == 0


@pytest.mark.parametrize("place", range(32))
def test_a_damaged_header_is_found_where_transactions_follow(place: int) -> None:
    assert Log().flip(place).bad == 0 or 8 <= place < 12, "with another size of pages no frame can be checked"
    if 8 <= place < 12:
        log = Log(page=4096)
        assert log.flip(place).bad in ({0} if place != 10 else {0, None})
    assert Log((1,)).flip(place).bad is None


@pytest.mark.parametrize("page", [256, 768, 131072, 0])
def test_pages_of_a_size_that_cannot_be_are_taken_to_be_of_the_usual_one(page: int) -> None:
    log = Log(page=4096)
    log.data[8:12] = struct.pack(">I", page)
    assert log.bad == 0


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 32 + 23, 32 + 24 + PAGE - 1])
def test_a_log_without_a_whole_frame_holds_nothing(size: int) -> None:
    log = Log()
    del log.data[size:]
    assert log.bad is None
    if size > 24:
        assert log.flip(20).bad is None


def test_a_cut_anywhere_is_no_damage_of_what_is_left() -> None:
    log = Log((1, 2, 1, 3))
    for size in range(len(log.data), 0, -37):
        del log.data[size:]
        assert log.bad is None


def test_what_is_left_of_an_older_log_is_of_no_account() -> None:
    log = Log((2, 1))
    for commits in (True, True, False, True):
        log.frame(commits=commits, salts=OLDER)
    assert log.bad is None
    assert log.flip(log.at(3, 50)).bad is None, "the last transaction of this log"
    log.flip(log.at(3, 50))
    assert log.flip(log.at(2, 50)).bad == 2


def test_a_header_of_a_log_that_never_was_says_nothing_of_older_frames() -> None:
    log = Log((1,))
    for commits in (True, True):
        log.frame(commits=commits, salts=OLDER)
    log.flip(25)
    assert log.bad == 0, "two transactions of one older log follow each other"
    mixed = Log((1,))
    mixed.frame(commits=True, salts=OLDER)
    assert mixed.flip(25).bad is None, "no two transactions of any one log do"


@pytest.mark.parametrize("frame", [31, 32, 33, 62, 63, 64])
def test_a_long_log_is_read_in_parts(frame: int) -> None:
    assert LONG.flip(LONG.at(frame, 70)).bad == frame
    assert LONG.flip(LONG.at(frame, 70)).bad is None


LONG: Final = Log((1,) * 66, page=65536)
"""Longer than what is read at once, twice over."""


class Moving(io.BytesIO):
    """A log that somebody writes to: after some reads the bytes are others."""

    def __init__(self, before: bytes, after: bytes, reads: int) -> None:
        super().__init__(before)
        self._after, self._left = after, reads

    def read(self, size: int | None = -1, /) -> bytes:
        if self._left == 0:
            place = self.tell()
            self.seek(0)
            self.truncate()
            self.write(self._after)
            self.seek(place)
        self._left -= 1
        return super().read(size)


def reads_of(log: Log) -> int:
    """Return how often a log is read until the bad frame and what follows it are known."""
    counted = Moving(bytes(log.data), b"", -1)
    _bad_frame(counted)
    return -1 - counted._left


def test_a_sound_log_is_read_once() -> None:
    assert reads_of(Log()) == 3, "its header, its frames, and that there are no more"


@pytest.mark.parametrize(
    "repair",
    [
        lambda log: bytes(Log().data),
        lambda log: struct.pack(">I", 0x377F0683) + bytes(log.data[4:]),
    ],
    ids=["the frame was being written", "the log began anew"],
)
@pytest.mark.parametrize("frame", [1, 2, 3])
def test_a_frame_that_is_sound_when_read_again_is_no_damage(frame: int, repair: Callable[[Log], bytes]) -> None:
    log = Log()
    log.flip(log.at(frame, 100))
    assert reads_of(log) > 2
    assert _bad_frame(Moving(bytes(log.data), repair(log), 2)) is None
    assert _bad_frame(Moving(bytes(log.data), bytes(log.data), 2)) == frame - 1


@pytest.mark.parametrize("size", [0, 20, 528])
def test_a_log_cut_off_while_it_is_looked_at_is_no_damage(size: int) -> None:
    log = Log((1, 1))
    log.flip(log.at(1, 17))
    assert log.bad == 1
    assert _bad_frame(Moving(bytes(log.data), bytes(log.data[: log.at(2) + size]), 2)) is None


@pytest.mark.parametrize("frame", [30, 31, 32, 61, 62])
def test_what_is_read_twice_does_not_lose_the_place_in_a_long_log(frame: int) -> None:
    """Two bad frames in a row are looked at closely, and only the ones after them tell."""
    for place in (LONG.at(frame, 70), LONG.at(frame + 1, 70)):
        LONG.flip(place)
    bad = LONG.bad
    for place in (LONG.at(frame, 70), LONG.at(frame + 1, 70)):
        LONG.flip(place)
    assert (bad, LONG.bad) == (frame, None)


def test_a_frame_cut_off_before_it_is_read_again_is_still_bad() -> None:
    log = Log()
    log.flip(log.at(2, 100))
    assert _bad_frame(Moving(bytes(log.data), bytes(log.data[: log.at(2)]), 2)) == 1


def test_the_error_names_store_log_and_frame(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    check(store)
    wal = tmp_path / "a.db-wal"
    log = Log()
    wal.write_bytes(log.data)
    check(store)
    wal.write_bytes(log.flip(log.at(2, 100)).data)
    with pytest.raises(StoreDamagedError) as caught:
        check(store)
    assert str(caught.value) == (
        f"{store}: its write-ahead log a.db-wal is damaged at frame 2, and what was committed after that would be lost;"
        " keep copies of both files"
    )
    wal.write_bytes(Log().flip(log.at(1, 100)).data)
    with pytest.raises(StoreDamagedError, match="is damaged at frame 1, and what"):
        check(store)
    wal.write_bytes(Log().flip(30).data)
    store.touch()
    with pytest.raises(StoreDamagedError, match="is damaged at its header, and what"):
        check(store)
    assert caught.value.place is not None
    assert caught.value.place[:3] == (None, None, None)


# A log without a header, beside a database that has all of it, or has not


def moved(log: Log) -> bytes:
    """The database as a log's pages leave it."""
    return b"".join(bytes(log.data[log.at(page, 24) : log.at(page + 1)]) for page in range(1, log.frames + 1))


def refused(folder: Path, log: Log, database: bytes) -> bool:
    store = folder / "a.db"
    store.write_bytes(database)
    (folder / "a.db-wal").write_bytes(log.data)
    try:
        check(store)
    except StoreDamagedError:
        return True
    return False


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("transactions", [THREE, (2, 2), (1, 1, 1)])
def test_what_the_database_has_needs_no_header(tmp_path: Path, big: bool, transactions: Sequence[int]) -> None:
    log = Log(transactions, big=big).flip(30)
    database = moved(log)
    assert not refused(tmp_path, log, database)
    for page in range(log.frames):
        place = page * PAGE + 7
        lacking = database[:place] + bytes([database[place] ^ 1]) + database[place + 1 :]
        assert refused(tmp_path, log, lacking), f"page {page + 1}"
    assert refused(tmp_path, log, b"")


def test_what_older_logs_left_and_what_was_never_committed_need_not_be_in_the_database(tmp_path: Path) -> None:
    log = Log((2, 2)).flip(30)
    database = moved(log)
    log.frame(commits=False)
    assert not refused(tmp_path, log, database)
    log.frame(commits=True, salts=OLDER)
    log.frame(commits=True, salts=OLDER)
    assert not refused(tmp_path, log, database)


def test_a_log_of_which_nothing_can_be_read_is_missed(tmp_path: Path) -> None:
    """Its first frame is of another log, so nothing tells what the database should have."""
    log = Log((2, 2)).flip(30).flip(32 + 8)
    assert refused(tmp_path, log, moved(log))


def test_a_frame_that_is_damaged_as_well_says_nothing(tmp_path: Path) -> None:
    log = Log((1, 1, 2, 2)).flip(30)
    database = moved(log)
    assert not refused(tmp_path, log.flip(log.at(5, 30)), database)


def test_pages_that_the_last_transaction_cut_off_need_not_be_in_the_database(tmp_path: Path) -> None:
    log = Log((1, 1, 1))
    log.frame(commits=True, page=2, pages=2)
    database = moved(log)[: 2 * PAGE]
    last = log.data[-PAGE:]
    assert not refused(tmp_path, log.flip(30), database[:PAGE] + bytes(last))


def test_the_order_of_words_is_found_out_where_the_header_does_not_say(tmp_path: Path) -> None:
    for big in (False, True):
        log = Log(big=big)
        database = moved(log)
        log.data[:4] = bytes(4)
        assert not refused(tmp_path, log, database)
        assert refused(tmp_path, log, database[:-1])
