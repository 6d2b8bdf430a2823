"""The part of an audit that checks seals (see `events.log.seals`): did somebody with the key write what is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from events.errors import AuditKeyError
from events.log.audit_key import AuditKey
from events.log.findings import Finding
from events.log.record import Head
from events.log.recorder import Recorder
from events.log.seals import Places, SealTotals, is_store_name

_NOT_SEALED: Final = (
    "it has no seals: it was never sealed, or somebody removed them; seal it with `orchestrator audit seal`, once you"
    " know that it is what it should be"
)
_WITHOUT_KEY: Final = "somebody without the audit key wrote to it"


class SealCheck:
    """Checks the seals of one store with a key.

    Raises:
        AuditKeyError: the store is sealed with another key, so that nothing can be said of its seals.
    """

    def __init__(self, recorder: Recorder, key: AuditKey) -> None:
        self._recorder = recorder
        self._key = key
        self._totals = recorder.seal_totals()
        self._store = b"" if self._totals is None else self._totals.whole.store
        known = key.fingerprint if self._totals is None else self._totals.whole.fingerprint
        if isinstance(known, bytes) and known != key.fingerprint:
            raise AuditKeyError(
                f"{recorder.location}: it is sealed with another audit key (fingerprint {known.hex()}) than the one"
                f" given ({key.fingerprint.hex()}), or somebody altered that; give the key that it was sealed with"
            )

    def whole(self) -> Iterator[Finding]:
        """Yield what is wrong with the seal of the store."""
        totals = self._totals
        if totals is None:
            yield Finding(None, None, None, _NOT_SEALED)
            return
        if totals.gone:
            many = (
                "1 run that was sealed is gone"
                if totals.gone == 1
                else f"{totals.gone:,} runs that were sealed are gone"
            )
            yield Finding(None, None, None, f"{many}: {_WITHOUT_KEY}")
        if not totals.whole.fits(self._key):
            yield Finding(None, None, None, f"the seal of the store does not fit: {_WITHOUT_KEY}")
        elif not _add_up(totals):
            sealed, position = f"{totals.whole.runs:,} runs with {totals.whole.events:,} events", totals.whole.position
            there = f"{totals.runs!r} runs with {totals.events!r} events up to position {totals.position!r}"
            text = f"it was sealed with {sealed} up to position {position:,}, there are seals of {there}"
            yield Finding(None, None, None, f"{text}: runs or events were removed or put back, {_WITHOUT_KEY}")

    def run(self, parent_id: str, head: Head, places: Places) -> tuple[Finding | None, bool]:
        """Compare a run, as it was read to its end, with its seal. True: there is more to read by now."""
        if not is_store_name(self._store):  # which was told of the store as a whole
            return None, False
        seal = self._recorder.seal_of(parent_id)
        if seal is None:
            return Finding(parent_id, 1, None, f"it has no seal: {_WITHOUT_KEY}"), False
        if seal.is_sound and seal.events > head.count:
            now = self._recorder.head(parent_id)
            if now is not None and now.count >= seal.events:
                return None, True
            problem = f"it was sealed with {seal.events:,} events: the last ones were cut off"
            return Finding(parent_id, head.version + 1, None, problem), False
        if seal.is_sound and seal.events < head.count:
            problem = f"it was sealed up to version {seal.events}, nothing from here on is: {_WITHOUT_KEY}"
            return Finding(parent_id, seal.events + 1, None, problem), False
        if not seal.fits(self._key, self._store, parent_id, head):
            problem = f"its seal does not fit, somewhere up to this version: {_WITHOUT_KEY}"
            return Finding(parent_id, head.version, places.last, problem), False
        if seal.places != places:
            problem = "its events were moved to other positions, or others were"
            return Finding(parent_id, head.version, places.last, f"{problem}: {_WITHOUT_KEY}"), False
        return None, False


def _add_up(totals: SealTotals) -> bool:
    whole = totals.whole
    return (totals.runs, totals.events, totals.position) == (whole.runs, whole.events, whole.position)
