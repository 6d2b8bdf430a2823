"""When a large payload is on disk: its file before its name, its name before the call returns; and disks that fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from events.errors import StoreDamagedError, StoreFullError, StoreUnavailableError
from events.log import payloads as payloads_module
from events.log.payloads import FilePayloads, MemoryPayloads
from events.payload_files import PayloadRef, ref_to


class Disk:
    """Notes what was waited for on its way to the disk, and which files got their names, in order."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.deeds: list[str] = []
        self.error: OSError | None = None
        """What a wait for a file raises."""
        self._root = root
        self._fsync = os.fsync
        self._replace = Path.replace
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(Path, "replace", self._naming())

    def fsync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if self.error is not None and path.is_file():
            raise self.error
        self._fsync(descriptor)
        name = path.relative_to(self._root)
        part = path.name.startswith(".") and path.suffix == ".part"
        self.deeds.append(f"sync {path.stat().st_size} bytes in {name.parent}" if part else f"sync {name}")

    def _naming(self) -> Callable[[Path, Path], Path]:
        def replace(source: Path, target: Path) -> Path:
            self.deeds.append(f"name {target.relative_to(self._root)}")
            return self._replace(source, target)

        return replace


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


REF = ref_to(b"content")
NAME = f"p/{REF.sha256[:2]}/{REF.sha256}"
HOME = f"p/{REF.sha256[:2]}"


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_text_is_on_disk_before_it_has_its_name_and_that_is_too_before_the_call_returns(
    tmp_path: Path, disk: Disk
) -> None:
    assert FilePayloads(tmp_path / "p").put("content") == REF
    assert disk.deeds == ["sync .", "sync p", f"sync 7 bytes in {HOME}", f"name {NAME}", f"sync {HOME}"]


def test_what_is_kept_is_not_written_again_but_its_name_is_waited_for(tmp_path: Path, disk: Disk) -> None:
    payloads = FilePayloads(tmp_path / "p")
    payloads.put("content")
    disk.deeds.clear()
    payloads.put("content")
    assert disk.deeds == [f"sync {HOME}"]


def test_whoever_finds_the_folders_there_waits_for_their_names_once(tmp_path: Path, disk: Disk) -> None:
    FilePayloads(tmp_path / "p").put("content")
    disk.deeds.clear()
    another = FilePayloads(tmp_path / "p")
    another.put("content")
    another.put("content")
    assert disk.deeds == ["sync .", "sync p", f"sync {HOME}", f"sync {HOME}"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, StoreFullError), (errno.EDQUOT, StoreFullError), (errno.EIO, StoreUnavailableError)],
)
def test_what_could_not_be_written_leaves_nothing_and_says_why(
    tmp_path: Path, disk: Disk, number: int, kind: type[Exception]
) -> None:
    disk.error = OSError(number, os.strerror(number))
    with pytest.raises(kind) as caught:
        FilePayloads(tmp_path / "p").put("content")
    assert str(caught.value) == f"{tmp_path / NAME}: {os.strerror(number)}"
    assert left(tmp_path) == []


def test_an_error_without_words_of_its_own_is_told_as_it_is(tmp_path: Path, disk: Disk) -> None:
    disk.error = OSError("odd")
    with pytest.raises(StoreUnavailableError, match=r": odd$"):
        FilePayloads(tmp_path / "p").put("content")


def test_what_was_never_kept_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError, match=f"{REF.sha256} is missing"):
        FilePayloads(tmp_path / "p").get(REF)
    with pytest.raises(StoreDamagedError, match=f"^payload {REF.sha256} is missing$"):
        MemoryPayloads().get(REF)


def test_what_lies_below_a_file_is_missing(tmp_path: Path) -> None:
    payloads = FilePayloads(tmp_path / "p")
    payloads.folder.mkdir()
    payloads.path(REF).parent.touch()
    with pytest.raises(StoreDamagedError, match=r"is missing$"):
        payloads.get(REF)


def test_no_more_of_a_file_is_read_than_shows_that_it_is_too_long(tmp_path: Path) -> None:
    payloads = FilePayloads(tmp_path / "p")
    payloads.put("content")
    shorter = PayloadRef(sha256=REF.sha256, bytes=3)
    assert payloads_module._read(payloads.path(shorter), shorter.bytes) == b"cont"
    with pytest.raises(StoreDamagedError, match=r"is not what was written$"):
        payloads.get(shorter)


def test_files_of_a_store_are_closed_again(tmp_path: Path) -> None:
    payloads = FilePayloads(tmp_path / "p")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(3):
        payloads.get(payloads.put(f"content {number}"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_pipe_that_somebody_writes_to_is_not_what_was_written(tmp_path: Path) -> None:
    payloads = FilePayloads(tmp_path / "p")
    payloads.put("content")
    payloads.path(REF).unlink()
    os.mkfifo(payloads.path(REF))
    writer = os.open(payloads.path(REF), os.O_RDWR | os.O_NONBLOCK)
    try:
        with pytest.raises(StoreDamagedError, match=r"is not what was written$"):
            payloads.get(REF)
    finally:
        os.close(writer)
