"""Files that are there whole or not at all, and are never written over others."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from events.errors import StoreError, StoreFullError, StoreUnavailableError, UsageError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

_OF_A_STORE: Final = {"": "the store itself"} | dict.fromkeys(
    ("-wal", "-shm", "-journal", ".payloads"), "a part of the store itself"
)
"""What the names of a store in a file end in, and what is there."""


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield the path of an empty file in the same folder, which gets the name `path` when the block ends well.

    By then it is forced to disk, and so is its name. A process that is killed before leaves the other name behind,
    which ends in `.part` and may be removed. Files are their owner's alone.

    Raises:
        UsageError: there is something of that name; it is left as it is.
        StoreFullError, StoreUnavailableError: it cannot be written there.
    """
    if os.path.lexists(path):
        raise _taken(path)
    with _mapped(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    other = Path(name)
    try:
        os.close(descriptor)
        yield other
        with _mapped(path):
            sync(other)
            _name(other, path)
            sync(path.parent)
    finally:
        with suppress(OSError):
            other.unlink(missing_ok=True)


def refuse_store(location: str, path: Path) -> None:
    """Refuse a name that a store, or one of the files beside it, has or may get, whatever path or link leads there.

    Raises:
        UsageError: it is that of the store itself.
    """
    for end, what in _OF_A_STORE.items():
        own = Path(f"{location}{end}")
        if _same(path, own) or (path.name == own.name and _same(path.parent, own.parent)):
            raise UsageError(f"{path}: this is {what}, which is in use; give another name")


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file or folder, which is there."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _name(other: Path, path: Path) -> None:
    try:
        os.link(other, path)
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):  # this file system has no links: there is a moment in which somebody may be faster
            raise _taken(path) from None
        other.rename(path)


def _taken(path: Path) -> UsageError:
    return UsageError(f"{path}: there is something of that name, and nothing is written over; give another one")


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind: type[StoreError] = StoreFullError if error.errno in _FULL else StoreUnavailableError
        raise kind(f"{path}: {error.strerror or error}") from error
