"""Where large payloads lie: in files beside the store, named by their content."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import time
from typing import Final, Protocol

from events.errors import StoreDamagedError, StoreError, StoreFullError, StoreUnavailableError
from events.payload_files import PayloadRef, is_what, payload_bytes, ref_to
from events.text_forms import pack, unpack

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_HASHED_CHARS: Final = 2
"""How much of its hash names the folder that a file lies in."""


class PayloadStore(Protocol):
    """Keeps texts by their content. Any thread may call any method."""

    def put(self, text: str) -> PayloadRef:
        """Keep a text; it is on disk when this returns. Putting it twice is the same as once.

        Raises:
            StoreError: it could not be kept.
        """

    def get(self, ref: PayloadRef) -> str:
        """Return a text.

        Raises:
            StoreDamagedError: it is missing, or is not what was kept.
            StoreUnavailableError: it cannot be read.
        """

    def put_data(self, data: bytes) -> PayloadRef:
        """Keep bytes as they are. Raises what `put` raises."""

    def get_data(self, ref: PayloadRef) -> bytes:
        """Return bytes as they were kept. Raises what `get` raises."""

    def has(self, ref: PayloadRef) -> bool:
        """Whether something is kept, whole. Raises what `get` raises where that cannot be found out."""

    def remove(self, ref: PayloadRef) -> None:
        """Remove what was kept, if it is there."""

    def remove_quiet(self, ref: PayloadRef, seconds: float) -> None:
        """Remove what was kept, if it is there, and nobody put it for so long."""


class PayloadStores(Protocol):
    """Gives each parent its store of payloads: that of an encrypted parent encrypts what is put there."""

    def of(self, parent_id: str) -> PayloadStore:
        """Return the store of a parent. Raises StoreError where its key cannot be had."""


class MemoryPayloads:
    """Keeps texts in this process's memory."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}

    def of(self, _: str) -> PayloadStore:
        """Return this store: it is the same for all parents."""
        return self

    def put(self, text: str) -> PayloadRef:
        """Keep a text."""
        return self.put_data(payload_bytes(text))

    def get(self, ref: PayloadRef) -> str:
        """Return a text."""
        return _text(self.get_data(ref))

    def put_data(self, data: bytes) -> PayloadRef:
        """Keep bytes."""
        ref = ref_to(data)
        self._texts[ref.sha256] = data
        return ref

    def get_data(self, ref: PayloadRef) -> bytes:
        """Return bytes."""
        data = self._texts.get(ref.sha256)
        if data is None:
            raise StoreDamagedError(f"payload {ref.sha256} is missing")
        return data

    def has(self, ref: PayloadRef) -> bool:
        """Whether something is kept."""
        return ref.sha256 in self._texts

    def remove(self, ref: PayloadRef) -> None:
        """Remove what was kept, if it is there."""
        self._texts.pop(ref.sha256, None)

    def remove_quiet(self, ref: PayloadRef, seconds: float) -> None:  # noqa: ARG002 - nobody else knows of it
        """Remove what was kept, if it is there."""
        self.remove(ref)


class FilePayloads:
    """Keeps texts in files below a folder, each named by the SHA-256 of its content, for its owner alone.

    The folder is made when it is first needed. A file gets its name once it is on disk, so there is no half of one
    under the name of a whole one; what a killed process left under another name may be removed.
    """

    def __init__(self, folder: Path, *, packed_bytes_min: int | None = None) -> None:
        """Keep texts below a folder, packed where they have at least `packed_bytes_min` bytes; None: not at all."""
        self.folder: Final = folder
        self._packed_bytes_min = packed_bytes_min
        self._durable: set[Path] = set()
        """Folders whose own names are known to be on disk."""

    def path(self, ref: PayloadRef) -> Path:
        """Return the file that a text lies in."""
        return self.folder / ref.sha256[:_HASHED_CHARS] / ref.sha256

    def packed_path(self, ref: PayloadRef) -> Path:
        """Return the file that a text lies in if it is packed."""
        return self.path(ref).with_suffix(".z")

    def of(self, _: str) -> PayloadStore:
        """Return this store: it is the same for all parents."""
        return self

    def put(self, text: str) -> PayloadRef:
        """Keep a text; a damaged file of the same name is replaced."""
        data = payload_bytes(text)
        if self._packed_bytes_min is not None and len(data) >= self._packed_bytes_min:
            packed = pack(data)
            if len(packed) < len(data):
                return self._put(ref_to(data), packed, is_packed=True)
        return self._put(ref_to(data), data)

    def put_data(self, data: bytes) -> PayloadRef:
        """Keep bytes as they are."""
        return self._put(ref_to(data), data)

    def _put(self, ref: PayloadRef, data: bytes, *, is_packed: bool = False) -> PayloadRef:
        path = self.packed_path(ref) if is_packed else self.path(ref)
        with self._mapped(path):
            self._make(self.folder)
            self._make(path.parent)
            if not self._is_kept(ref) or not self._touched(ref):
                _write(path, data)
            _sync_folder(path.parent)  # another process may have named it, and not come to this yet
        return ref

    def get(self, ref: PayloadRef) -> str:
        """Return a text, checked by its size and its hash."""
        return _text(self.get_data(ref))

    def get_data(self, ref: PayloadRef) -> bytes:
        """Return bytes, checked by their size and their hash; unpacked where they were packed."""
        path = self.path(ref)
        with self._mapped(path):
            data = self._found(ref)
        if data is None:
            raise StoreDamagedError(f"{path} is missing")
        if not is_what(ref, data):
            raise StoreDamagedError(f"{path} is not what was written")
        return data

    def remove_quiet(self, ref: PayloadRef, seconds: float) -> None:
        """Remove a file, unless somebody put it within so many seconds and may be about to refer to it.

        It is looked at under another name: who puts it meanwhile does not find it, and writes it anew.
        """
        for path in (self.path(ref), self.packed_path(ref)):
            aside = path.with_name(f".{path.name}.part")
            with self._mapped(path), suppress(FileNotFoundError):
                path.rename(aside)
                if time() - aside.stat().st_mtime < seconds:
                    aside.rename(path)
                else:
                    aside.unlink()

    def _touched(self, ref: PayloadRef) -> bool:
        """Note that a file was put again; whether it was still there."""
        for path in (self.path(ref), self.packed_path(ref)):
            with suppress(FileNotFoundError):
                os.utime(path)
                return True
        return False

    def has(self, ref: PayloadRef) -> bool:
        """Whether a file is there, and is what was written."""
        with self._mapped(self.path(ref)):
            return self._is_kept(ref)

    def remove(self, ref: PayloadRef) -> None:
        """Remove a file, if it is there."""
        for path in (self.path(ref), self.packed_path(ref)):
            with self._mapped(path):
                path.unlink(missing_ok=True)

    def _is_kept(self, ref: PayloadRef) -> bool:
        data = self._found(ref)
        return data is not None and is_what(ref, data)

    def _found(self, ref: PayloadRef) -> bytes | None:
        """Return what lies in the file of a name, unpacked if need be; b"" where that is more than it should be."""
        data = _read(self.path(ref), ref.bytes)
        if data is not None:
            return data
        packed = _read(self.packed_path(ref), ref.bytes)
        try:
            return None if packed is None else unpack(packed, ref.bytes)
        except StoreDamagedError:
            return b""

    def _make(self, folder: Path) -> None:
        """Make sure that a folder is there, and that its name is on disk."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if folder in self._durable:
                return
        _sync_folder(folder.parent)
        self._durable.add(folder)

    @contextmanager
    def _mapped(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind: type[StoreError] = StoreFullError if error.errno in _FULL else StoreUnavailableError
            raise kind(f"{path}: {error.strerror or error}") from error


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _read(path: Path, bytes_most: int) -> bytes | None:
    """Return a file's content, up to one byte more than it should have; None where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return file.read(bytes_most + 1)


def _write(path: Path, data: bytes) -> None:
    """Write a file under another name, wait for the disk, then give it its own."""
    descriptor, unnamed = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    with ExitStack() as unless_named:
        unless_named.callback(Path(unnamed).unlink, missing_ok=True)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(unnamed).replace(path)
        unless_named.pop_all()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
