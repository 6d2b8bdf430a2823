"""Destroying the texts of a settled parent, and of all parents inside it, by destroying their data keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from events.commands import Redact
from events.decide import decide
from events.errors import RunNotFoundError, StepOrderError, UsageError
from events.evolve import INITIAL
from events.facts import ChildPrepared
from events.log.errors import VersionConflictError
from events.log.record import Batch
from events.log.replay import Replay
from events.log.store import EventLog
from events.nested import nested_id
from events.payload_files import PayloadRef, referred
from events.state import NESTED_TASK, ParentState
from events.text_forms import ENCRYPTED

_TRIES: Final = 20


class _Found(NamedTuple):
    """One parent as it is on record."""

    parent_id: str
    state: ParentState
    inner: list[str]
    """Its children that are parents themselves."""
    files: list[PayloadRef]


def redact(log: EventLog, parent_id: str, reason: str, at: int, id_chars_max: int) -> list[str]:
    """Destroy the data keys of a parent and of those inside it, and put that on record, in one transaction.

    Then their payload files are removed. What was destroyed before stays so, and what a crash left undone of that is
    done. `at` is now, in microseconds since 1970; `id_chars_max` says how ids of nested parents were made. Return the
    ids of all of them.

    Raises:
        RunNotFoundError: there is no such parent.
        StepOrderError: it, or one inside it, is not settled.
        UsageError: it was written without encryption, or is inside another one.
        StoreError: it could not be done; doing it again is safe.
    """
    for _ in range(_TRIES):
        found = list(_family(log, parent_id, id_chars_max))
        if not found:
            raise RunNotFoundError(f"there is no run {parent_id!r} in {log.location}")
        _require_encrypted(log, found)
        batches = [batch for each in found if (batch := _batch(log, each, reason, at)) is not None]
        ids = [each.parent_id for each in found]
        try:
            log.recorder.redact(batches, ids)
        except VersionConflictError:  # an ending came late, say: look again
            continue
        for each in found:
            log.vault.forget(each.parent_id)
            log.recorder.drop_snapshots(each.parent_id)
            for ref in each.files:
                log.payloads.remove(ref)
        return ids
    raise StepOrderError(f"run {parent_id!r} goes on changing: redact it once nobody works on it")


def _family(log: EventLog, parent_id: str, id_chars_max: int) -> Iterator[_Found]:
    """Yield a parent and all inside it, outermost first."""
    found = _read(log, parent_id)
    if not found.state.exists:
        return
    yield found
    for child_id in found.inner:
        yield from _family(log, nested_id(parent_id, child_id, id_chars_max), id_chars_max)


def _read(log: EventLog, parent_id: str) -> _Found:
    found = _Found(parent_id, INITIAL, [], [])
    replay = Replay(log.location)
    for record in log.read(parent_id):
        replay.take(record)
        found.files.extend(payload.ref for payload in referred(record.fact))
        if isinstance(record.fact, ChildPrepared) and record.fact.task == NESTED_TASK:
            found.inner.append(record.fact.child_id)
    return found._replace(state=replay.state)


def _require_encrypted(log: EventLog, found: list[_Found]) -> None:
    outer = found[0].state.within
    if outer is not None:
        raise UsageError(
            f"run {found[0].parent_id!r} is inside run {outer.parent_id!r}, whose record holds its inputs: redact that"
        )
    for each in found:
        if not log.recorder.stream(each.parent_id, limit=1)[0].data.startswith(ENCRYPTED):
            raise UsageError(
                f"run {each.parent_id!r} was written without encryption, so there is no key to destroy: to be rid of"
                " its texts, archive and drop it (orchestrator archive --drop), and destroy the archive"
            )


def _batch(log: EventLog, found: _Found, reason: str, at: int) -> Batch | None:
    """Return what is to be put on record of one parent; None where it was redacted before."""
    try:
        facts = decide(found.state, Redact(at=at, reason=reason))
    except StepOrderError as error:
        raise StepOrderError(f"run {found.parent_id!r}: {error}") from None
    rows = [log.catalogue.encode(fact) for fact in facts]
    return Batch(found.parent_id, found.state.version, rows) if rows else None
