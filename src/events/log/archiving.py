"""Retention: old settled parents go to an archive, and then from the store, with the proof of them kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from events.errors import StoreBusyError, StoreDamagedError
from events.facts import ParentCreated, ParentSettled
from events.log.archive_file import Archived, write_archive
from events.log.dropped import Gone
from events.log.reading import decoded
from events.log.recorder import LAST
from events.log.store import EventLog
from events.payload_files import PayloadRef

_QUIET_SECONDS: Final = 3_600.0
"""A payload file is removed only where nobody put it for so long: who puts one may not have appended yet."""
_REF: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')


class Family(NamedTuple):
    """An outermost parent that is old enough, and all inside it."""

    parent_id: str
    members: tuple[str, ...]
    """It and they."""


def old_families(log: EventLog, before: int) -> list[Family]:
    """Return outermost parents in order of creation that were settled before a time (microseconds), all inside too."""
    inside: dict[str, list[str]] = {}
    outermost: list[str] = []
    for parent_id in log.recorder.ids():
        rows = log.recorder.stream(parent_id, limit=1)
        try:
            created = decoded(rows[0], log.catalogue, log.location) if rows else None
        except StoreDamagedError:
            continue
        if isinstance(created, ParentCreated) and created.within is not None:
            inside.setdefault(created.within.parent_id, []).append(parent_id)
        else:
            outermost.append(parent_id)
    families = (Family(parent_id, tuple(_members(parent_id, inside))) for parent_id in outermost)
    return [each for each in families if _is_old_family(log, each, before)]


def _is_old_family(log: EventLog, family: Family, before: int) -> bool:
    with suppress(StoreDamagedError):  # then it stays, and an audit tells of it
        return all(_is_old(log, member, before) for member in family.members)
    return False


def _members(parent_id: str, inside: dict[str, list[str]]) -> Iterator[str]:
    yield parent_id
    for inner in inside.get(parent_id, ()):
        yield from _members(inner, inside)


def _is_old(log: EventLog, parent_id: str, before: int) -> bool:
    """Whether a parent is settled, and nothing happened to it since a time. Does not read all of it."""
    types = ("ParentSettled", "Redriven")
    settled = log.recorder.stream(parent_id, types=types, descending=True, limit=1)
    if not settled or not isinstance(decoded(settled[0], log.catalogue, log.location), ParentSettled):
        return False
    last = log.recorder.stream(parent_id, descending=True, limit=1)
    return decoded(last[0], log.catalogue, log.location).at < before


def archive(log: EventLog, families: list[Family], path: Path, at: int) -> Archived:
    """Write families to a new archive. See `write_archive`."""
    return write_archive(log, [family.members for family in families], path, at)


def drop(log: EventLog, families: list[Family], archived: Archived, at: int) -> list[str]:
    """Drop families that were archived, each in one transaction, and what of payload files nothing refers to then.

    One that changed since it was archived stays. Return the ids of those outermost parents that were dropped.

    Raises:
        StoreError: it could not be done. What was dropped before is dropped; doing it again is safe.
    """
    gone = {each.parent_id: each for each in archived.runs}
    encrypted = {member for family in families for member in family.members if log.vault.is_encrypted(member)}
    dropped: list[str] = []
    members: set[str] = set()
    for family in families:
        if family.parent_id in gone and log.recorder.drop(_in_order(family, gone), at, archived.sha256):
            dropped.append(family.parent_id)
            members.update(family.members)
            for member in family.members:
                log.vault.forget(member)
    files = [(parent_id, ref) for parent_id, ref in archived.files if parent_id in members]
    for parent_id, ref in files:
        if parent_id in encrypted:
            log.payloads.remove(ref)
    _remove_orphans(log, {ref for parent_id, ref in files if parent_id not in encrypted})
    if dropped:
        with suppress(StoreBusyError):  # while somebody reads the store, old bytes stay in its write-ahead log
            log.recorder.scrub()
    return dropped


def _in_order(family: Family, gone: dict[str, Gone]) -> list[Gone]:
    return [gone[member] for member in family.members]


def _remove_orphans(log: EventLog, refs: set[PayloadRef]) -> None:
    """Remove those payload files to which no event refers any more. Others may share them, so all events are read."""
    wanted = {ref.sha256: ref for ref in refs}
    position = 0
    while wanted and (rows := log.recorder.page(position, upto_position=LAST)):
        position = rows[-1].position
        for row in rows:
            for found in _REF.findall(row.data):
                wanted.pop(found.decode(), None)
    for ref in wanted.values():
        log.payloads.remove_quiet(ref, _QUIET_SECONDS)
