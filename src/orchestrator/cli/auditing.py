"""`audit verify` and `audit seal`: whether a store is what was written and keeps every promise; and keeping it so."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from events.errors import UsageError
from events.log import open_log
from events.log.audit import Audit, Finding
from events.log.receipts import Receipt, compared, receipt_for
from events.log.store import EventLog
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.asking import open_store
from orchestrator.cli.exits import STORE, SUCCEEDED
from orchestrator.cli.keys import audit_key, keyring_of
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import say, shown, standard_output
from orchestrator.shown_text import many


def verify(options: Namespace, _: Signals) -> int:
    """Audit a store, or one run of it; say what is found as it is found."""
    receipts = [Receipt.parsed(text) for text in options.against]
    with open_store(options.store or default_store(), options.id, keyring_of(options)) as log:
        report = _Report(log, Audit(log, key=audit_key(options)), receipts)
        lines = report.json_lines if options.json else report.lines
        for line in lines(options.id, with_receipt=options.receipt):
            standard_output().text(f"{line}\n")
    return SUCCEEDED if report.is_sound else STORE


def seal(options: Namespace, _: Signals) -> int:
    """Audit a store, and seal it as it is."""
    key = audit_key(options)
    if key is None:
        raise UsageError("to seal a store takes a key: --key-file FILE, or $ORCHESTRATOR_AUDIT_KEY_FILE")
    store = options.store or default_store()
    with open_store(store) as log:
        if log.recorder.seal_totals() is not None and not options.replace:
            raise UsageError(f"{log.location}: it is sealed already; to seal it anew as it is, say --replace")
        report = _Report(log, Audit(log), ())
        for line in report.lines(None):
            standard_output().text(f"{line}\n")
    if not report.is_sound:
        say("nothing was sealed")
        return STORE
    open_log(store, must_exist=True, audit_key=key, seal_anew=True).close()
    standard_output().text(f"sealed with the key of the fingerprint {key.fingerprint.hex()}\n")
    return SUCCEEDED


class _Report:
    """What an audit finds, in lines."""

    def __init__(self, log: EventLog, audit: Audit, receipts: Sequence[Receipt]) -> None:
        self._ids: set[str] = set()
        self.flaws = 0
        """Findings of the store as a whole."""
        self._log = log
        self._audit = audit
        self._receipts = receipts

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found, so far."""
        return not (self.damaged or self.flaws)

    @property
    def damaged(self) -> int:
        """How many runs are, so far."""
        return len(self._ids)

    def lines(self, run_id: str | None, *, with_receipt: bool = False) -> Iterator[str]:
        for finding in self._findings(run_id):
            yield shown(f"damaged: {_told(finding)}")
        yield f"{many(self._audit.parents, 'run')}, {many(self._audit.events, 'event')} checked: {self._verdict()}"
        if with_receipt and self.is_sound:
            yield f"receipt: {shown(str(receipt_for(self._log, run_id)))}"

    def json_lines(self, run_id: str | None, *, with_receipt: bool = False) -> Iterator[str]:
        for finding in self._findings(run_id):
            yield json.dumps(finding._asdict())
        counts = {"runs": self._audit.parents, "events": self._audit.events}
        summary: dict[str, Any] = {"sound": self.is_sound, **counts, "damaged": self.damaged, "flaws": self.flaws}
        if with_receipt:
            summary["receipt"] = str(receipt_for(self._log, run_id)) if self.is_sound else None
        yield json.dumps(summary)

    def _findings(self, run_id: str | None) -> Iterator[Finding]:
        found = chain(self._audit.verify(run_id), *(compared(self._log, receipt) for receipt in self._receipts))
        for finding in found:
            if finding.id is None:
                self.flaws += 1
            else:
                self._ids.add(finding.id)
            yield finding

    def _verdict(self) -> str:
        parts = [f"{many(self.damaged, 'run')} damaged"] if self.damaged else []
        parts += [f"{many(self.flaws, 'flaw')} of the store itself"] if self.flaws else []
        return ", ".join(parts) or "sound"


def _told(finding: Finding) -> str:
    """Return `run nightly, version 37, position 120: the row was altered or moved`."""
    places = [
        "the store" if finding.id is None else f"run {finding.id}",
        "" if finding.version is None else f"version {finding.version}",
        "" if finding.position is None else f"position {finding.position}",
    ]
    invariant = "" if finding.invariant is None else f" ({finding.invariant})"
    return f"{', '.join(place for place in places if place)}: {finding.problem}{invariant}"
