"""Recording what SQLite does to files, from within the very library that Python's sqlite3 module uses.

SQLite reaches files through a table of functions, its VFS. A copy of that table is made the default one. In the copy
`xOpen` and `xDelete` are ours; of each file that is opened, so are `xWrite`, `xTruncate`, `xSync` and `xClose`. They
call the real functions, and put on record what was done once it is done. Everything else, locks and shared memory
included, goes straight to the real functions. Decision 0011 says why it is done so.

It is for a process of its own: what it changes is the whole process's.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import itertools
import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.power.trace import Kind, TraceWriter

_NAME: Final = b"recording"
_FUNCTIONS: Final = {1: 12, 2: 16, 3: 18}
"""How many functions a file's table has, by its version."""

_FILE_FUNCTIONS: Final = """
    xClose xRead xWrite xTruncate xSync xFileSize xLock xUnlock xCheckReservedLock xFileControl xSectorSize
    xDeviceCharacteristics xShmMap xShmLock xShmBarrier xShmUnmap xFetch xUnfetch"""
_VFS_FUNCTIONS: Final = """
    xOpen xDelete xAccess xFullPathname xDlOpen xDlError xDlSym xDlClose xRandomness xSleep xCurrentTime xGetLastError
    xCurrentTimeInt64 xSetSystemCall xGetSystemCall xNextSystemCall"""

Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
Delete = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
Sync = CFUNCTYPE(c_int, c_void_p, c_int)
Close = CFUNCTYPE(c_int, c_void_p)
OpenFolder = CFUNCTYPE(c_int, c_void_p, c_void_p)
SetCall = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
GetCall = CFUNCTYPE(c_void_p, c_void_p, c_char_p)


class UnreachableLibraryError(Exception):
    """The SQLite that Python uses cannot be reached from outside, so power cuts cannot be simulated on it."""


class FileMethods(ctypes.Structure):
    """sqlite3_io_methods."""

    _fields_: ClassVar[Any] = [("iVersion", c_int), *((name, c_void_p) for name in _FILE_FUNCTIONS.split())]


class Vfs(ctypes.Structure):
    """sqlite3_vfs."""

    _fields_: ClassVar[Any] = [
        *((name, c_int) for name in ("iVersion", "szOsFile", "mxPathname")),
        *((name, c_void_p) for name in ("pNext", "zName", "pAppData")),
        *((name, c_void_p) for name in _VFS_FUNCTIONS.split()),
    ]


class Recording:
    """Puts on record what SQLite does to the files in one folder, from `begin` to `end`."""

    def __init__(self, trace: TraceWriter, folder: Path) -> None:
        self._trace = trace
        self._folder = os.fsencode(folder) + b"/"
        self._handles: dict[int, int] = {}
        self._numbers = itertools.count(os.getpid() << 20)
        self._methods: dict[int, FileMethods] = {}
        self._real_methods: dict[int, FileMethods] = {}
        self._folders_opened: set[int] = set()
        """Threads in which a folder was opened, which SQLite does only to sync it, since they last looked."""
        self.files_seen = 0
        self._library: ctypes.CDLL | None = None
        self._kept: list[Any] = []
        """What C code holds pointers to."""

    def begin(self) -> None:
        """Record from now on. Raises UnreachableLibraryError."""
        for library in _libraries():
            if self._begin_in(library):
                return
        raise UnreachableLibraryError(
            "the SQLite library that Python's sqlite3 module uses cannot be reached with ctypes (it is linked into"
            f" {sys.executable} statically, perhaps), so power cuts cannot be simulated with this Python;"
            " use one whose sqlite3 module links to libsqlite3 dynamically, such as those of Linux distributions"
        )

    def end(self) -> None:
        """Record nothing more. Files that are open stay open and are recorded until they are closed."""
        assert self._library is not None
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._copy))

    def _begin_in(self, library: ctypes.CDLL) -> bool:
        """Register in a library; undo it and return False where that turns out not to be the one Python uses."""
        find = library.sqlite3_vfs_find
        find.restype = c_void_p
        address = find(None)
        if not address:
            return False
        self._library = library
        sys.unraisablehook = _give_up
        self._real = Vfs.from_address(address)
        self._copy = Vfs.from_buffer_copy(self._real)
        self._copy.zName = ctypes.cast(c_char_p(_NAME), c_void_p)
        self._copy.pNext = None
        self._copy.xOpen = self._keep(Open(self._on_open))
        self._copy.xDelete = self._keep(Delete(self._on_delete))
        library.sqlite3_vfs_register(ctypes.byref(self._copy), 1)
        if not self._is_used():
            library.sqlite3_vfs_unregister(ctypes.byref(self._copy))
            return False
        self._watch_folders()
        return True

    def _is_used(self) -> bool:
        before = self.files_seen
        with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "probe.db")) as probe:
            probe.execute("CREATE TABLE probe(x)")
        return self.files_seen > before

    def _watch_folders(self) -> None:
        """Note when SQLite opens a folder: it does so only in order to sync it."""
        name = b"openDirectory"
        if self._real.iVersion < 3 or not self._real.xSetSystemCall:
            raise UnreachableLibraryError("this SQLite does not let its system calls be watched; it is too old")
        real = OpenFolder(GetCall(self._real.xGetSystemCall)(self._address(), name))

        def open_folder(path: int, descriptor: int) -> int:
            self._folders_opened.add(threading.get_ident())
            return int(real(path, descriptor))

        self._kept.append(real)
        SetCall(self._real.xSetSystemCall)(self._address(), name, self._keep(OpenFolder(open_folder)))

    def _address(self) -> int:
        return ctypes.addressof(self._real)

    def _keep(self, function: Any) -> int | None:
        self._kept.append(function)
        return ctypes.cast(function, c_void_p).value

    # The VFS

    def _on_open(self, _: int, name: int | None, file: int, flags: int, flags_out: int | None) -> int:
        code = int(Open(self._real.xOpen)(self._address(), name, file, flags, flags_out))
        self.files_seen += 1
        path = ctypes.string_at(name) if name else b""
        if code == 0 and path.startswith(self._folder):
            handle = self._handles[file] = next(self._numbers)
            self._trace.add(Kind.OPENED, handle, data=path.removeprefix(self._folder))
            pointer = ctypes.cast(file, POINTER(c_void_p))
            assert pointer[0] is not None
            pointer[0] = ctypes.addressof(self._watched(pointer[0]))
        return code

    def _on_delete(self, _: int, name: int, sync: int) -> int:
        self._folders_opened.discard(threading.get_ident())
        code = int(Delete(self._real.xDelete)(self._address(), name, sync))
        path = ctypes.string_at(name)
        if code == 0 and path.startswith(self._folder):
            self._trace.add(Kind.DELETED, data=path.removeprefix(self._folder))
            self._note_folder(handle=0)
        return code

    def _note_folder(self, handle: int) -> None:
        thread = threading.get_ident()
        if thread in self._folders_opened:
            self._folders_opened.remove(thread)
            self._trace.add(Kind.FOLDER_SYNCED, handle)

    # Files

    def _watched(self, address: int) -> FileMethods:
        """Return a copy of a file's table of functions, with ours in it."""
        known = self._methods.get(address)
        if known is not None:
            return known
        version = min(c_int.from_address(address).value, max(_FUNCTIONS))
        size = (1 + _FUNCTIONS[version]) * ctypes.sizeof(c_void_p)
        real, copy = FileMethods(), FileMethods()
        ctypes.memmove(ctypes.addressof(real), address, size)
        ctypes.memmove(ctypes.addressof(copy), address, size)
        copy.iVersion = version
        copy.xWrite = self._keep(Write(self._writer(Write(real.xWrite))))
        copy.xTruncate = self._keep(Truncate(self._truncater(Truncate(real.xTruncate))))
        copy.xSync = self._keep(Sync(self._syncer(Sync(real.xSync))))
        copy.xClose = self._keep(Close(self._closer(Close(real.xClose))))
        self._methods[address] = copy
        self._real_methods[address] = real
        return copy

    def _writer(self, real: Callable[..., int]) -> Callable[[int, int, int, int], int]:
        def write(file: int, data: int, size: int, place: int) -> int:
            code = real(file, data, size, place)
            if code == 0:
                self._trace.add(Kind.WRITTEN, self._handles[file], place, ctypes.string_at(data, size))
            return code

        return write

    def _truncater(self, real: Callable[..., int]) -> Callable[[int, int], int]:
        def truncate(file: int, size: int) -> int:
            code = real(file, size)
            if code == 0:
                self._trace.add(Kind.TRUNCATED, self._handles[file], size)
            return code

        return truncate

    def _syncer(self, real: Callable[..., int]) -> Callable[[int, int], int]:
        def sync(file: int, flags: int) -> int:
            handle = self._handles[file]
            self._folders_opened.discard(threading.get_ident())
            self._trace.add(Kind.SYNCING, handle)
            code = real(file, flags)
            if code == 0:
                self._trace.add(Kind.SYNCED, handle)
                self._note_folder(handle)
            return code

        return sync

    def _closer(self, real: Callable[..., int]) -> Callable[[int], int]:
        def close(file: int) -> int:
            handle = self._handles.pop(file)
            code = real(file)
            self._trace.add(Kind.CLOSED, handle)
            return code

        return close


def _libraries() -> Iterator[ctypes.CDLL]:
    """Yield the libraries in which Python's SQLite may be: those that are loaded, then the one a linker would find."""
    maps = Path("/proc/self/maps")
    names = [line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines()] if maps.exists() else []
    loaded = dict.fromkeys(name for name in names if "sqlite" in Path(name).name)
    for name in (*loaded, ctypes.util.find_library("sqlite3"), None):
        try:
            library = ctypes.CDLL(name)
            library.sqlite3_vfs_find  # noqa: B018 - raises where it is not there
        except (OSError, AttributeError):
            continue
        yield library


def _give_up(unraisable: sys.UnraisableHookArgs) -> None:
    """End the process: what goes wrong between C and Python would otherwise pass for success."""
    sys.__excepthook__(unraisable.exc_type, unraisable.exc_value or Exception(), unraisable.exc_traceback)
    sys.stderr.flush()
    os._exit(70)
