"""Imports: an export, read line by line, every one of them checked, into an empty store; all of it or nothing."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from events.catalogue import DEFAULT_CATALOGUE, Catalogue
from events.errors import InvariantBrokenError, StoreDamagedError, StoreError, StoreVersionError, UsageError
from events.facts import Fact
from events.invariants import HistoryCheck
from events.log import export_lines
from events.log.chain import START, Chain
from events.log.keyring import DESTROYED, WrappedKey
from events.log.record import Head, Row
from events.log.store import EventLog
from events.payload_files import PayloadRef, is_what, referred
from events.text_forms import ENCRYPTED

_LINE_BYTES_MAX: Final = 1_073_741_824
_PAYLOAD_BYTES_MAX: Final = 1_073_741_824
_HASH_CHARS: Final = 64
_KEY: Final = b'{"kind":"key",'


class Imported(NamedTuple):
    """What was imported."""

    runs: int
    events: int
    keys: tuple[WrappedKey, ...] = ()
    """The data keys of encrypted runs."""


def check_export(path: Path, catalogue: Catalogue = DEFAULT_CATALOGUE) -> Imported:
    """Check an export as a whole, and write nothing.

    Raises:
        UsageError: the file cannot be read, or is an export of one run alone.
        StoreDamagedError: the export was altered, cut, or is none. Names the line.
        StoreVersionError: a newer release made it.
    """
    with _opened(path) as file:
        checked = _Import(path, file, catalogue)
        for _ in checked.rows(_keep_nothing):
            pass
        return Imported(checked.runs, checked.events, tuple(checked.keys))


def import_export(path: Path, log: EventLog) -> Imported:
    """Import an export into an empty log, checking it once more. Positions and hashes stay as they are.

    Nothing is imported where anything is wrong; check an export before, so that not even a payload of it is kept.

    Raises:
        UsageError: see `check_export`, and: there are events in the log.
        StoreDamagedError, StoreVersionError: see `check_export`.
        StoreError: the store cannot be used.
    """
    with _opened(path) as file:
        keys = list(_keys_in(path, file))  # kept before their runs; where nothing is imported then, they do no harm
        if keys and log.last_position() == 0:
            log.recorder.add_keys(keys)
        file.seek(0)
        reading = _Import(path, file, log.catalogue)
        log.recorder.fill(reading.rows(log.payloads.put_data))
        return Imported(reading.runs, reading.events, tuple(reading.keys))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file" if not path.exists() else f"{path}: it is no plain file")
        with path.open("rb") as file:
            yield file
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        reason = error.strerror if isinstance(error, OSError) else None
        raise UsageError(f"{path}: {reason or error}") from error


def _keep_nothing(_: bytes) -> None:
    """Keep no payload: the export is only looked at."""


def _keys_in(path: Path, file: BinaryIO) -> Iterator[WrappedKey]:
    """Yield the data keys in an export. Raises StoreDamagedError where one is none."""
    for number, line in enumerate(file, 1):
        if line.startswith(_KEY):
            try:
                yield _key_of(json.loads(line))
            except (_Refused, ValueError) as error:
                raise StoreDamagedError(f"{path}, line {number}: {error}") from error


class _Refused(Exception):  # noqa: N818 - it becomes one of ours at once
    """What is wrong with a line."""


class _Import:
    """One reading of an export."""

    def __init__(self, path: Path, file: BinaryIO, catalogue: Catalogue) -> None:
        self.runs = 0
        self.events = 0
        self._path = path
        self._file = file
        self._catalogue = catalogue
        self._line_number = 0
        self._digest = sha256()
        self._position = 0
        """The last one of the log that was exported."""
        self._positions_sum = 0
        self._run: _Run | None = None
        self._payload = _Payload()
        self.keys: list[WrappedKey] = []

    def rows(self, put: Callable[[bytes], object]) -> Iterator[Row]:
        """Yield the rows, each after it was checked, and put payloads where they belong before.

        Raises:
            StoreDamagedError, StoreVersionError, UsageError: see `import_export`.
        """
        try:
            yield from self._rows(put)
        except _Refused as why:
            raise StoreDamagedError(f"{self._path}, line {self._line_number}: {why}") from why
        except StoreVersionError as error:
            raise StoreVersionError(f"{self._path}, line {self._line_number}: {error}") from error

    def _rows(self, put: Callable[[bytes], object]) -> Iterator[Row]:
        self._header(self._next())
        while True:
            before = self._digest.copy()
            line = self._next()
            kind = line.get("kind")
            if kind == "event":
                yield self._event(line)
            elif kind == "payload":
                data = self._payload.take(line, is_text=not self._is_encrypted)
                if data is not None:
                    put(data)
            elif kind == "key":
                self._key(line)
            elif kind == "head":
                self._head(line)
            elif kind == "end":
                self._end(line, before.digest())
                return
            else:
                raise _Refused(f"lines of the kind {kind!r} are never written")

    def _next(self) -> dict[str, Any]:
        """Read a line."""
        self._line_number += 1
        raw = self._file.readline(_LINE_BYTES_MAX)
        if len(raw) == _LINE_BYTES_MAX:
            raise _Refused("the line is longer than any of an export")
        if not raw.endswith(b"\n"):
            raise _Refused("the export ends before its last line: it is incomplete")
        self._digest.update(raw)
        try:
            fields = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _Refused(f"it is no JSON ({error})") from None
        if not isinstance(fields, dict):
            raise _Refused("it is no JSON object")
        if _written(fields) != raw:
            raise _Refused("it is not written as exports are")
        return fields

    def _header(self, line: dict[str, Any]) -> None:
        if line.get("format") != export_lines.FORMAT or line.get("kind") != "header":
            raise _Refused("this is no export of `orchestrator audit export`")
        version, self._position = _whole(line, "version"), _whole(line, "position")
        if version > export_lines.VERSION:
            raise StoreVersionError(f"a newer release made the export (version {version}); use that release")
        if line.get("run") is None:
            if export_lines.header(_text(line, "release"), None, self._position) != _written(line):
                raise _Refused("it is not the first line of an export")
        else:
            raise UsageError(
                f"{self._path}: it holds run {line['run']!r} alone, and the positions of all other events would be"
                " missing; import an export of the whole store"
            )

    @property
    def _is_encrypted(self) -> bool:
        """Whether the run that is being read is encrypted."""
        return self._run is not None and self._run.key is not None

    def _key(self, line: dict[str, Any]) -> None:
        """Take the data key of the run that begins."""
        key = _key_of(line)
        if self._run is not None or export_lines.key(key) != _written(line):
            raise _Refused("it is no data key, or stands where none can stand")
        self._run = _Run(key.parent_id, self._catalogue, self._payload, key)
        self.keys.append(key)

    def _event(self, line: dict[str, Any]) -> Row:
        run_id = _text(line, "run")
        if self._run is None:
            self._run = _Run(run_id, self._catalogue, self._payload)
        row = self._run.take(line)
        if not 1 <= row.position <= self._position:
            raise _Refused(f"position {row.position} lies outside 1 to {self._position}")
        self.events += 1
        self._positions_sum += row.position
        return row

    def _head(self, line: dict[str, Any]) -> None:
        if self._run is None:
            raise _Refused("a run ends that did not begin")
        self._run.end(line)
        self._run, self.runs = None, self.runs + 1
        self._payload.said.forget()

    def _end(self, line: dict[str, Any], digest: bytes) -> None:
        if self._run is not None:
            raise _Refused(f"run {self._run.run_id!r} has no end")
        if _text(line, "sha256") != digest.hex():
            raise _Refused("the export was altered: its SHA-256 is another one")
        if export_lines.end(self.runs, self.events, digest) == _written(line) and self.events < self._position:
            raise _Refused("runs were archived and dropped from the store before: what is left cannot be imported")
        if export_lines.end(self.runs, self.events, digest) != _written(line) or self.events != self._position:
            raise _Refused("there are more or fewer runs and events than it says")
        if self._positions_sum != self._position * (self._position + 1) // 2:
            raise _Refused("two events have one position")
        if self._file.read(1):
            raise _Refused("something follows its last line")


class _Payload:
    """The payload that is being read, and those that were."""

    def __init__(self) -> None:
        self.said = export_lines.Said()
        self._ref: PayloadRef | None = None
        self._parts: list[bytes] = []

    @property
    def is_open(self) -> bool:
        """Whether there are parts to come."""
        return self._ref is not None

    def take(self, line: dict[str, Any], *, is_text: bool) -> bytes | None:
        """Add a part; return the payload once it is whole. That of an encrypted run is no text."""
        ref = _ref(line)
        if self._ref not in (None, ref) or _whole(line, "part") != len(self._parts):
            raise _Refused("the parts of a payload are not in order")
        self._ref = ref
        try:
            part = b64decode(_text(line, "base64"), validate=True)
        except ValueError:
            raise _Refused("a payload is no base64") from None
        if export_lines.payload(ref, len(self._parts), part) != _written(line):
            raise _Refused("it has other fields than a part of a payload")
        self._parts.append(part)
        size = sum(map(len, self._parts))
        if size < ref.bytes:
            return None
        data, self._parts, self._ref = b"".join(self._parts), [], None
        if not is_what(ref, data):
            raise _Refused("a payload was altered: its SHA-256 is another one")
        self.said.add(ref)
        try:
            if is_text:
                data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise _Refused("a payload is no text") from None
        return data


class _Run:
    """One run's events, checked as an audit does."""

    def __init__(self, run_id: str, catalogue: Catalogue, payload: _Payload, key: WrappedKey | None = None) -> None:
        self.run_id = run_id
        self.key = key
        self._catalogue = catalogue
        self._payload = payload
        self._check = HistoryCheck()
        self._hash = START
        self._version = 0
        self._position = 0
        try:
            self._chain = Chain(run_id)
        except UsageError as error:
            raise _Refused(str(error)) from None

    def take(self, line: dict[str, Any]) -> Row:
        """Check the next event."""
        position, version, name, data = self._fields(line)
        if version != self._version + 1 or position <= self._position:
            raise _Refused(f"version {version} at position {position} cannot follow on version {self._version}")
        self._hash = self._chain.link(self._hash, version, name, data)
        row = Row(position, self.run_id, version, name, data, self._hash)
        if self._hash.hex() != line.get("hash"):
            raise _Refused(f"run {self.run_id!r}, version {version}: the event was altered or moved")
        self._take_fact(row, line)
        self._version, self._position = version, position
        return row

    def _fields(self, line: dict[str, Any]) -> tuple[int, int, str, bytes]:
        if _text(line, "run") != self.run_id:
            raise _Refused(f"run {line['run']!r} begins before run {self.run_id!r} has its end")
        if self._payload.is_open:
            raise _Refused("a payload is incomplete")
        try:
            data = _text(line, "data").encode()
        except UnicodeEncodeError:
            raise _Refused("its data is no valid text") from None
        return _whole(line, "position"), _whole(line, "version"), _text(line, "type"), data

    def _take_fact(self, row: Row, line: dict[str, Any]) -> None:
        try:
            fact: Fact = self._catalogue.decode(row.type, row.data)
            if export_lines.event(row, fact.at) != _written(line):
                raise _Refused("its time is not that of its data, or it has other fields than an event")
            self._check.take(fact)
        except StoreVersionError:
            raise
        except (StoreError, InvariantBrokenError) as error:
            raise _Refused(f"run {self.run_id!r}: {error}") from None
        if row.version == 1 and row.data.startswith(ENCRYPTED) != (self.key is not None):
            raise _Refused(f"run {self.run_id!r}: there is a data key and it is not encrypted, or the other way round")
        for payload in referred(fact):
            if payload.ref not in self._payload.said and not (self.key is not None and self.key.destroyed):
                raise _Refused(f"run {self.run_id!r}, child {payload.child_id!r}: its {payload.what} is missing")

    def end(self, line: dict[str, Any]) -> None:
        """Check that the run ends here."""
        if (_text(line, "run"), _whole(line, "events")) != (self.run_id, self._version):
            raise _Refused(f"run {self.run_id!r} does not end where it says")
        if export_lines.head(self.run_id, Head(self._version, self._version, self._hash)) != _written(line):
            raise _Refused(f"run {self.run_id!r} does not end as it says")
        try:
            self._check.finish()
        except InvariantBrokenError as error:
            raise _Refused(f"run {self.run_id!r}: {error}") from None


def _key_of(line: dict[str, Any]) -> WrappedKey:
    told = line.get("wrapped")
    try:
        wrapped = DESTROYED if told is None else b64decode(_text(line, "wrapped"), validate=True)
    except ValueError:
        raise _Refused("a data key is no base64") from None
    if len(wrapped) != len(DESTROYED):
        raise _Refused("a data key has another length")
    return WrappedKey(_text(line, "run"), _text(line, "id"), wrapped)


def _written(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"


def _whole(line: dict[str, Any], name: str) -> int:
    value = line.get(name)
    if type(value) is not int or not 0 <= value < 2**63:
        raise _Refused(f"its {name} is no whole number")
    return value


def _text(line: dict[str, Any], name: str) -> str:
    value = line.get(name)
    if not isinstance(value, str):
        raise _Refused(f"its {name} is no text")
    return value


def _ref(line: dict[str, Any]) -> PayloadRef:
    digest, size = _text(line, "sha256"), _whole(line, "bytes")
    if len(digest) != _HASH_CHARS or not set(digest) <= set("0123456789abcdef") or not 1 <= size <= _PAYLOAD_BYTES_MAX:
        raise _Refused("it names no payload")
    return PayloadRef(sha256=digest, bytes=size)
