"""Where large payloads lie: in files beside the store, named by their content."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Protocol

from events.errors import StoreDamagedError, StoreError, StoreFullError, StoreUnavailableError
from events.payload_files import PayloadRef, is_what, payload_bytes, ref_to

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


class MemoryPayloads:
    """Keeps texts in this process's memory."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def put(self, text: str) -> PayloadRef:
        """Keep a text."""
        ref = ref_to(payload_bytes(text))
        self._texts[ref.sha256] = text
        return ref

    def get(self, ref: PayloadRef) -> str:
        """Return a text."""
        text = self._texts.get(ref.sha256)
        if text is None:
            raise StoreDamagedError(f"payload {ref.sha256} is missing")
        return text


class FilePayloads:
    """Keeps texts in files below a folder, each named by the SHA-256 of its content, for its owner alone.

    The folder is made when it is first needed. A file gets its name once it is on disk, so there is no half of one
    under the name of a whole one; what a killed process left under another name may be removed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self._durable: set[Path] = set()
        """Folders whose own names are known to be on disk."""

    def path(self, ref: PayloadRef) -> Path:
        """Return the file that a text lies in."""
        return self.folder / ref.sha256[:_HASHED_CHARS] / ref.sha256

    def put(self, text: str) -> PayloadRef:
        """Keep a text; a damaged file of the same name is replaced."""
        data = payload_bytes(text)
        ref = ref_to(data)
        path = self.path(ref)
        with self._mapped(path):
            self._make(self.folder)
            self._make(path.parent)
            if not self._is_kept(ref):
                _write(path, data)
            _sync_folder(path.parent)  # another process may have named it, and not come to this yet
        return ref

    def get(self, ref: PayloadRef) -> str:
        """Return a text, checked by its size and its hash."""
        path = self.path(ref)
        with self._mapped(path):
            data = _read(path, ref.bytes)
        if data is None:
            raise StoreDamagedError(f"{path} is missing")
        if not is_what(ref, data):
            raise StoreDamagedError(f"{path} is not what was written")
        return data.decode("utf-8", "surrogatepass")

    def _is_kept(self, ref: PayloadRef) -> bool:
        data = _read(self.path(ref), ref.bytes)
        return data is not None and is_what(ref, data)

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
