"""An archive: parents' whole records as JSON Lines, checkable by whoever has the file alone.

    {"archive":1,"at":…}                                       when it was written, in microseconds since 1970
    {"run":"a","events":17,"version":17,"hash":"…","positions":[[1,17]],"key":{"id":"k","wrapped":"<base64>"}}
    {"position":1,"version":1,"type":"ParentCreated","data":"…","hash":"…"}        … its events, in order
    {"payload":"<sha256>","bytes":81920,"data":"<base64>"}     … the files that they refer to, each once a run
    {"end":true,"runs":1,"events":17}

`key` is there for an encrypted parent: its data key, wrapped with a master key, without which its texts stay unread.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from events.errors import StoreDamagedError, StoreFullError, StoreUnavailableError, UsageError
from events.log.chain import START, Chain
from events.log.dropped import Gone
from events.log.keyring import WrappedKey
from events.log.new_file import refuse_store
from events.log.reading import Reading
from events.log.record import Head
from events.log.store import EventLog
from events.payload_files import PayloadRef, is_what, referred

_FORMAT: Final = 1
_FULL: Final = (28, 122)
"""ENOSPC and EDQUOT."""


class Archived(NamedTuple):
    """What an archive holds."""

    path: Path
    sha256: bytes
    """Of the file."""
    events: int
    runs: tuple[Gone, ...]
    files: tuple[tuple[str, PayloadRef], ...]
    """The payload files of each parent."""
    damaged: tuple[str, ...]
    """What is wrong with those parents that are not in it, for their records are damaged."""


class Looked(NamedTuple):
    """A parent as it was found when its record was checked."""

    gone: Gone
    refs: tuple[PayloadRef, ...]
    last_position: int
    key: WrappedKey | None


def write_archive(log: EventLog, families: Iterable[Sequence[str]], path: Path, at: int) -> Archived:
    """Write parents' records to a new file, which is on disk under its name, and was read back, when this returns.

    Those that belong together are written all or none: none where one of them is damaged.

    Raises:
        UsageError: there is such a file, or it is the store itself.
        StoreUnavailableError, StoreFullError: the file cannot be written.
    """
    refuse_store(log.location, path)
    if path.exists():
        raise UsageError(f"{path} is there already: an archive is never written over; give another path")
    part = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            writing = _Writing(log, file)
            writing.line({"archive": _FORMAT, "at": at})
            for parent_ids in families:
                writing.family(parent_ids)
            writing.line({"end": True, "runs": len(writing.runs), "events": writing.events})
            file.flush()
            os.fsync(file.fileno())
        found = check_archive(part)
        if found != (writing.digest.digest(), len(writing.runs), writing.events):
            raise StoreUnavailableError(f"{part}: what was written is not what is read back")
        os.link(part, path)  # which never replaces a file
        part.unlink()
        _sync_folder(path.parent)
    except FileExistsError:
        raise UsageError(f"{path} is there already: an archive is never written over; give another path") from None
    except OSError as error:
        kind = StoreFullError if error.errno in _FULL else StoreUnavailableError
        raise kind(f"{path}: {error.strerror or error}") from error
    return Archived(path, found[0], writing.events, tuple(writing.runs), tuple(writing.files), tuple(writing.damaged))


class _Writing:
    """An archive that is being written."""

    def __init__(self, log: EventLog, file: IO[bytes]) -> None:
        self._log = log
        self._file = file
        self.digest = sha256()
        self.events = 0
        self.runs: list[Gone] = []
        self.files: list[tuple[str, PayloadRef]] = []
        self.damaged: list[str] = []

    def line(self, value: dict[str, Any]) -> None:
        data = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        self.digest.update(data)
        self._file.write(data)

    def family(self, parent_ids: Sequence[str]) -> None:
        """Write parents that belong together, unless one of them is damaged."""
        try:
            looked = [_look(self._log, parent_id) for parent_id in parent_ids]
        except StoreDamagedError as error:
            self.damaged.append(str(error))
            return
        for each in looked:
            self._parent(each)

    def _parent(self, looked: Looked) -> None:
        log, gone = self._log, looked.gone
        told: dict[str, Any] = {"run": gone.parent_id, "events": gone.head.count, "version": gone.head.version}
        told |= {"hash": gone.head.hash.hex(), "positions": json.loads(gone.positions)}
        if looked.key is not None:
            told["key"] = {"id": looked.key.key_id, "wrapped": b64encode(looked.key.wrapped).decode()}
        self.line(told)
        for row in log.recorder.rows(gone.parent_id, upto_position=looked.last_position):
            event = {"position": row.position, "version": row.version, "type": row.type, "data": row.data.decode()}
            self.line({**event, "hash": row.hash.hex()})
        for ref in looked.refs:
            data = b64encode(log.payloads.get_data(ref)).decode()
            self.line({"payload": ref.sha256, "bytes": ref.bytes, "data": data})
        self.events += gone.head.count
        self.runs.append(gone)
        self.files.extend((gone.parent_id, ref) for ref in looked.refs)


def _look(log: EventLog, parent_id: str) -> Looked:
    """Check a parent's record and its payload files. Raises StoreDamagedError where one is not what was written."""
    key = log.recorder.key_of(parent_id)
    refs: dict[PayloadRef, None] = {}
    ranges: list[list[int]] = []
    head, position = Head(0, 0, START), 0
    for record in Reading(log.recorder, log.catalogue, parent_id).facts():
        position = record.position
        if ranges and position == ranges[-1][1] + 1:
            ranges[-1][1] = position
        else:
            ranges.append([position, position])
        for payload in referred(record.fact):
            if key is None or not key.destroyed:
                log.check_payload(parent_id, payload.child_id, payload.what, payload.ref)
                refs[payload.ref] = None
        head = Head(record.version, record.version, record.hash)
    gone = Gone(parent_id, head, json.dumps(ranges, separators=(",", ":")))
    return Looked(gone, tuple(refs), position, None if key is None or key.destroyed else key)


def check_archive(path: Path) -> tuple[bytes, int, int]:
    """Check an archive by itself: every hash, every head, every payload. Return its SHA-256, its runs and its events.

    Raises:
        StoreDamagedError: it is not what was written; the message names the line.
        OSError: it cannot be read.
    """
    digest, runs, events = sha256(), 0, 0
    with path.open("rb") as file:
        check = _Checking()
        for number, line in enumerate(file, 1):
            digest.update(line)
            try:
                check.take(json.loads(line))
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                raise StoreDamagedError(f"{path}, line {number}: {error}") from error
        runs, events = check.runs, check.events
        if not check.ended:
            raise StoreDamagedError(f"{path}: it is cut off")
    return digest.digest(), runs, events


class _Checking:
    """An archive that is being checked, line by line."""

    def __init__(self) -> None:
        self.runs = 0
        self.events = 0
        self.ended = False
        self._begun = False
        self._run: dict[str, Any] | None = None
        self._left: Iterator[int] = iter(())
        self._chain = Chain("")
        self._at = Head(0, 0, START)

    def take(self, line: dict[str, Any]) -> None:
        """Take the next line. Raises ValueError and its like where it is wrong."""
        if self.ended or ("archive" in line) == self._begun:
            raise ValueError("it stands where it cannot stand")
        if "archive" in line:
            if line["archive"] != _FORMAT:
                raise ValueError(f"format {line['archive']!r} is not known to this release")
            self._begun = True
        elif "run" in line:
            self._close()
            self._run, self._chain, self._at = line, Chain(line["run"]), Head(0, 0, START)
            self._left = (each for first, last in line["positions"] for each in range(first, last + 1))
            self.runs += 1
        elif "payload" in line:
            data = b64decode(line["data"], validate=True)
            if not is_what(PayloadRef(sha256=line["payload"], bytes=line["bytes"]), data):
                raise ValueError("the payload is not what its hash says")
        elif "end" in line:
            self._close()
            if (line["runs"], line["events"]) != (self.runs, self.events):
                raise ValueError("it holds other numbers of runs and events")
            self.ended = True
        else:
            self._event(line)

    def _event(self, line: dict[str, Any]) -> None:
        version = self._at.version + 1
        digest = self._chain.link(self._at.hash, version, line["type"], line["data"].encode())
        if (line["version"], line["position"], line["hash"]) != (version, next(self._left, None), digest.hex()):
            raise ValueError("the event is not what was written")
        self._at = Head(version, version, digest)
        self.events += 1

    def _close(self) -> None:
        run = self._run
        if run is not None and (run["events"], run["version"], run["hash"]) != (
            *(self._at.count, self._at.version),
            self._at.hash.hex(),
        ):
            raise ValueError(f"run {run['run']!r} does not end where it should")
        self._run = None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
