"""What became of a damaged store: refused, found, harmless or - only ever the tail of its write-ahead log - lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from events.errors import RunNotFoundError, StoreDamagedError, StoreError, StoreVersionError
from events.facts import Fact
from events.log import EventLog, Recorded, open_log
from events.log.audit import Audit, Finding
from orchestrator.folded_pages import folded_runs
from orchestrator.page_queries import run_query
from tests.cli.driver import CommandLine
from tests.damage.stores import Facts

Outcome = Literal["refused", "found", "harmless", "tail lost"]


def judge(path: Path, facts: Facts, *, may_end_at: int | None = None) -> tuple[Outcome, list[str]]:
    """Open a damaged store, audit it, read everything. Return what became of it, and the parents that read as whole.

    `may_end_at` is the position after which everything may be gone in silence. Raises AssertionError where something
    reads as sound that was not written, or is gone and the audit says nothing; and lets everything through that is not
    an error of our own tree.
    """
    try:
        log = open_log(path, must_exist=True)
    except StoreError:
        return "refused", []
    with log:
        try:
            findings = list(Audit(log).verify())
        except StoreError as error:
            findings = [Finding(None, None, None, str(error))]
        _check_list(log)
        whole, changed = _compare(log, facts)
        if findings:
            return "found", whole
        if not changed:
            return "harmless", whole
        assert may_end_at is not None, f"the audit is silent: {changed[:5]}"
        _check_tail(log, facts, may_end_at)
        return "tail lost", whole


def _check_list(log: EventLog) -> None:
    with suppress(StoreDamagedError, StoreVersionError, RunNotFoundError):
        folded_runs(log, run_query(), lambda *_: None)


def _compare(log: EventLog, facts: Facts) -> tuple[list[str], list[str]]:
    """Return the parents that read as whole, and what is missing of the others. Nothing may read as something else."""
    whole, changed = [], []
    for parent_id, written in facts.items():
        got: list[Recorded] = []
        try:
            for record in log.read(parent_id):
                got.append(record)
            if got == written:
                whole.append(parent_id)
                continue
        except (StoreError, RunNotFoundError):
            pass
        assert _facts(got) == _facts(written[: len(got)]), f"{parent_id}: other facts than were written"
        changed.append(f"{parent_id}: {len(got)} of {len(written)}")
    return whole, changed


def _facts(records: Sequence[Recorded]) -> list[tuple[int, Fact, bytes]]:
    """Return what the hashes cover; the position is not among it, and only the audit looks whether one is missing."""
    return [(record.version, record.fact, record.hash) for record in records]


def _check_tail(log: EventLog, facts: Facts, may_end_at: int) -> None:
    """Check that what is gone is what came last: all positions up to some one are there, and none after it."""
    last = log.last_position()
    assert last >= may_end_at, f"the log ends at {last} in silence"
    for parent_id, written in facts.items():
        assert list(log.read(parent_id)) == [record for record in written if record.position <= last]


def ask_all(cli: CommandLine, path: Path, parent_id: str, before: dict[str, object]) -> None:
    """Ask every question on the command line: each ends with right data, or with a clear error and its exit status."""
    store = ("--store", str(path))
    sound = cli.ask("audit", "verify", *store).status
    assert sound in (0, 3)
    questions: Sequence[Sequence[str]] = (
        ("status", parent_id, "--json", *store),
        ("children", parent_id, "--json", *store),
        ("events", parent_id, "--json", *store),
        ("list", "--json", *store),
        ("resume", parent_id, "--quiet", *store),
    )
    for words in questions:
        done = cli.ask(*words)
        assert done.status in ((0,) if sound == 0 else (0, 3, 4)), (words, done)
        assert "Traceback" not in done.errors, done.errors
        if words[0] in before and done.status == 0:
            assert json.loads(done.lines[-1]) == before[words[0]]
        elif done.status:
            assert done.errors.startswith("orchestrator: "), done.errors
