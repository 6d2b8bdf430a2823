"""`audit verify`: whether a store's record is what was written, and whether it keeps every promise."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator

from events.log.audit import Audit, Finding
from orchestrator.cli.arguments_shared import default_store, keyring_of
from orchestrator.cli.asking import open_store
from orchestrator.cli.exits import STORE, SUCCEEDED
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import shown, standard_output


def audit(options: Namespace, _: Signals) -> int:
    """Audit a store, or one run of it; say what is found as it is found."""
    with open_store(options.store or default_store(), options.id, keyring_of(options)) as log:
        report = _Report(Audit(log))
        lines = report.json_lines if options.json else report.lines
        for line in lines(options.id):
            standard_output().text(f"{line}\n")
    return STORE if report.damaged or report.flaws else SUCCEEDED


class _Report:
    """What an audit finds, in lines."""

    def __init__(self, audit: Audit) -> None:
        self.damaged = 0
        """Runs."""
        self.flaws = 0
        """Findings of the store as a whole."""
        self._audit = audit

    def lines(self, run_id: str | None) -> Iterator[str]:
        for finding in self._findings(run_id):
            yield shown(f"damaged: {_told(finding)}")
        yield f"{_many(self._audit.parents, 'run')}, {_many(self._audit.events, 'event')} checked: {self._verdict()}"

    def json_lines(self, run_id: str | None) -> Iterator[str]:
        for finding in self._findings(run_id):
            yield json.dumps(finding._asdict())
        sound = not (self.damaged or self.flaws)
        counts = {"runs": self._audit.parents, "events": self._audit.events}
        yield json.dumps({"sound": sound, **counts, "damaged": self.damaged, "flaws": self.flaws})

    def _findings(self, run_id: str | None) -> Iterator[Finding]:
        for finding in self._audit.verify(run_id):
            if finding.id is None:
                self.flaws += 1
            else:
                self.damaged += 1
            yield finding

    def _verdict(self) -> str:
        parts = [f"{_many(self.damaged, 'run')} damaged"] if self.damaged else []
        parts += [f"{_many(self.flaws, 'flaw')} of the store itself"] if self.flaws else []
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


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
