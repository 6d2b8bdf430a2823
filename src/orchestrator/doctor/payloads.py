"""What the doctor says of payload files: which of them no event refers to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from events.errors import StoreDamagedError, StoreVersionError
from events.log.reading import decoded
from events.log.recorder import LAST
from events.log.store import EventLog
from events.payload_files import referred
from orchestrator.doctor.remark import Remark, size
from orchestrator.shown_text import many

_YOUNG_SECONDS: Final = 3_600.0
"""A file is written before the event that refers to it: younger ones may yet be referred to."""
_NAME: Final = re.compile(r"[0-9a-f]{64}|\..*\.part")
_MARK: Final = b'_file":{"sha256":"'
_SHOWN: Final = 3


def payloads(log: EventLog) -> Iterator[Remark]:
    """Say which payload files are left over; they were kept for events that were never appended."""
    folder = log.recorder.payloads_folder
    if folder is None or not folder.is_dir():
        yield Remark("payloads", "ok", "no payload files")
        return
    found = dict(_files(folder))
    count = len(found)
    damaged = 0
    for run_id in log.recorder.ids():
        try:
            for row in log.recorder.holding(run_id, _MARK, LAST):
                for payload in referred(decoded(row, log.catalogue, log.location)):
                    found.pop(payload.ref.sha256, None)
        except (StoreDamagedError, StoreVersionError):
            damaged += 1
    if damaged:
        yield Remark("payloads", "warn", "not compared: some runs cannot be read", "orchestrator audit verify")
        return
    now = time.time()
    left = [path for path, changed, _ in found.values() if now - changed > _YOUNG_SECONDS]
    if not left:
        yield Remark("payloads", "ok", many(count, "payload file"))
        return
    held = size(sum(length for _, changed, length in found.values() if now - changed > _YOUNG_SECONDS))
    named = ", ".join(str(path.relative_to(folder)) for path in sorted(left)[:_SHOWN])
    text = f"{len(left):,} of {count:,} files in {folder.name} are referred to by no event, {held}: {named}"
    more = ", ..." if len(left) > _SHOWN else ""
    yield Remark("payloads", "warn", text + more, "they do no harm; remove them while no process uses the store")


def _files(folder: Path) -> Iterator[tuple[str, tuple[Path, float, int]]]:
    """Yield each file by its name, with when it was last changed and how long it is."""
    for inner in folder.iterdir():
        for path in inner.iterdir() if inner.is_dir() else ():
            if _NAME.fullmatch(path.name):
                try:
                    there = path.stat()
                except FileNotFoundError:
                    continue
                yield path.name, (path, there.st_mtime, there.st_size)
