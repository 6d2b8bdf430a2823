"""What was promised before a power cut, and whether the store that is left keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from events.errors import InvariantBrokenError, StoreError
from events.facts import ChildFinished, ChildStarted, Fact
from events.invariants import check_history
from events.log import Batch, Conflict, EventLog, Recorded, SQLiteRecorder
from events.log.chain import START, Chain
from orchestrator import Orchestrator
from tests.power.disk import Folder
from tests.power.tasks import registry, runs
from tests.power.trace import Frame, Kind
from tests.power.workload import STORE

Event = tuple[str, int]
"""A parent and a version."""


@dataclass
class Transaction:
    """One append that was asked for: its batches, and what became of them once that was acknowledged."""

    batches: list[tuple[str, int, list[tuple[str, bytes]]]]
    written: list[bool] | None = None

    def events(self) -> Iterable[Event]:
        """Yield the events of those of its batches that were written."""
        for (parent, version, rows), kept in zip(self.batches, self.written or (), strict=True):
            if kept:
                yield from ((parent, version + number) for number in range(1, len(rows) + 1))


@dataclass
class Findings:
    """What was found in one survivor. What speaks of damage should stay empty."""

    acknowledged: int = 0
    events: int = 0
    lost: list[Event] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    unopened: str = ""
    wrong: list[str] = field(default_factory=list)
    moments: list[str] = field(default_factory=list)
    """What was under way when the power went."""

    @property
    def sound(self) -> bool:
        return not (self.lost or self.torn or self.unopened or self.wrong)


class Promises:
    """All that a workload was told, by its whole trace; and of that, what it had been told at some point."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.marks: list[tuple[int, dict[str, Any]]] = [
            (order, frame.mark) for order, frame in enumerate(frames) if frame.kind is Kind.MARK
        ]
        self.transactions: dict[int, Transaction] = {}
        self.there: dict[Event, bytes] = {}
        """The events with which the work began, for they had survived an earlier cut."""
        self.start = 0
        """How many frames only tell how the work began."""
        for order, mark in self.marks:
            if mark["what"] == "there":
                self.there = {(parent, version): bytes.fromhex(digest) for parent, version, digest in mark["events"]}
                self.start = order + 1
            elif mark["what"] == "asked":
                self.transactions[mark["number"]] = Transaction(
                    [
                        (parent, version, [(name, data.encode()) for name, data in rows])
                        for parent, version, rows in mark["batches"]
                    ]
                )
            elif mark["what"] == "acknowledged":
                self.transactions[mark["number"]].written = mark["written"]
        assert all(one.written is not None for one in self.transactions.values()), "an append was never answered"
        self.hashes = {**self.there, **dict(self._hashes())}

    def _hashes(self) -> Iterable[tuple[Event, bytes]]:
        """Yield the hash of every event that was written, computed from what was asked for."""
        batches = [
            batch
            for transaction in self.transactions.values()
            for batch, written in zip(transaction.batches, transaction.written or (), strict=True)
            if written
        ]
        last = {parent: (version, digest) for (parent, version), digest in sorted(self.there.items())}
        for parent, version, rows in sorted(batches, key=lambda batch: batch[:2]):
            before, digest = last.get(parent, (0, START))
            assert before == version, f"{parent}: version {before + 1} was never written"
            for number, _, _, linked in Chain(parent).extend(digest, version, rows):
                yield (parent, number), linked
                last[parent] = number, linked

    def told(self, cut: int, what: str) -> list[dict[str, Any]]:
        """Return the marks of a kind before a point of the trace."""
        return [mark for order, mark in self.marks if order < cut and mark["what"] == what]

    def acknowledged(self, cut: int) -> list[Event]:
        """Return the events that were acknowledged before a point of the trace."""
        numbers = [mark["number"] for mark in self.told(cut, "acknowledged")]
        return [*self.there, *(event for number in numbers for event in self.transactions[number].events())]

    def asked(self, cut: int) -> list[int]:
        """Return the transactions that had been asked for."""
        return [mark["number"] for mark in self.told(cut, "asked")]


class Survivor:
    """The files that are left, in a folder of their own, to be opened by the real recorder."""

    def __init__(self, left: Folder, folder: Path) -> None:
        self.store: Final = folder / STORE
        for name, content in left.items():
            (folder / name).write_bytes(content)

    def hashes(self) -> dict[Event, bytes]:
        """Open it and return the hash of every event."""
        with EventLog(SQLiteRecorder(self.store)) as log:
            return {(parent, one.version): one.hash for parent, _ in log.parents() for one in log.read(parent)}

    def check(self, promises: Promises, cut: int, *, go_on: bool) -> Findings:
        """Open it, read all of it, compare it with the promises of that moment, append to it, and let it go on."""
        findings = Findings(acknowledged=len(promises.acknowledged(cut)))
        try:
            with EventLog(SQLiteRecorder(self.store)) as log:
                records = {parent: self._read(log, parent, findings) for parent, _ in log.parents()}
                self._compare(records, promises, cut, findings)
                self._append_more(log, findings)
            if go_on and findings.sound:
                self._go_on(records, findings)
        except StoreError as error:
            findings.unopened = f"{type(error).__name__}: {error}"
        return findings

    def _read(self, log: EventLog, parent: str, findings: Findings) -> list[Recorded]:
        """Return a parent's events; the log checks the chain and the head, and we what must hold of any history."""
        records: list[Recorded] = []
        try:
            records.extend(log.read(parent))
        except StoreError as error:
            findings.wrong.append(str(error))
        if problem := broken_promise([record.fact for record in records]):
            findings.wrong.append(f"{parent}: {problem}")
        return records

    def _compare(self, records: dict[str, list[Recorded]], promises: Promises, cut: int, findings: Findings) -> None:
        there = {(parent, one.version): one.hash for parent, events in records.items() for one in events}
        findings.events = len(there)
        findings.wrong += integrity(self.store)
        findings.lost = [one for one in promises.acknowledged(cut) if there.get(one) != promises.hashes[one]]
        explained = set(promises.there)
        for number in promises.asked(cut):
            events = set(promises.transactions[number].events())
            found = {one for one in events if one in there and there[one] == promises.hashes.get(one)}
            explained |= found
            if found and found != events:
                findings.torn.append(number)
        unasked = sorted(set(there) - explained)
        if unasked:
            findings.wrong.append(f"there, but nobody asked for them: {unasked[:5]}")
        self._compare_told(records, promises, cut, findings)

    def _compare_told(
        self, records: dict[str, list[Recorded]], promises: Promises, cut: int, findings: Findings
    ) -> None:
        """Check that nobody outside heard of anything, and no work began, that is not on record."""
        facts = {(parent, one.fact) for parent, events in records.items() for one in events}
        ended = {(parent, fact.child_id, fact.outcome) for parent, fact in facts if isinstance(fact, ChildFinished)}
        started = {(parent, fact.child_id, fact.attempt) for parent, fact in facts if isinstance(fact, ChildStarted)}
        told = {(one["parent"], one["child"], one["outcome"]) for one in promises.told(cut, "told")}
        begun = {(one["parent"], one["child"], one["attempt"]) for one in promises.told(cut, "begun")}
        known = {one["parent"] for one in promises.told(cut, "started")}
        findings.wrong += [f"told, but not on record: {one}" for one in sorted(told - ended)]
        findings.wrong += [f"begun, but not on record: {one}" for one in sorted(begun - started)]
        findings.wrong += [f"start returned, but there is no run: {one}" for one in sorted(known - set(records))]

    def _append_more(self, log: EventLog, findings: Findings) -> None:
        """Append another row to a stream of its own, and take note if that does not work."""
        row = ("Probe", b"{}")
        (verdict,) = log.recorder.append([Batch("after the cut", 0, [row])])
        if isinstance(verdict, Conflict) or len(list(log.rows("after the cut"))) != 1:
            findings.wrong.append("a further append did not work")

    def _go_on(self, before: dict[str, list[Recorded]], findings: Findings) -> None:
        """Let a whole orchestrator resume every run there is, or start it, and work until all are settled."""
        recorded = {name: definition for name, definition in runs().items() if name in before or not before}
        with Orchestrator(self.store, max_workers=4, tasks=registry(lambda *_: None)) as orchestrator:
            handles = [orchestrator.start(definition, id=name) for name, definition in recorded.items()]
            handles += [orchestrator.resume(name) for name in before if name not in recorded]
            for handle in handles:
                handle.settle(timeout=60)
        with EventLog(SQLiteRecorder(self.store)) as log:
            for handle in handles:
                facts = [record.fact for record in log.read(handle.id)]
                kept = [record.fact for record in before.get(handle.id, [])]
                if facts[: len(kept)] != kept:
                    findings.wrong.append(f"{handle.id}: going on changed what was on record")
                if problem := broken_promise(facts):
                    findings.wrong.append(f"{handle.id}, having gone on: {problem}")


def integrity(store: Path) -> list[str]:
    """Return what SQLite's own check finds wrong with a file."""
    try:
        with closing(sqlite3.connect(store)) as raw:
            return [text for (text,) in raw.execute("PRAGMA integrity_check") if text != "ok"]
    except sqlite3.DatabaseError as error:
        return [str(error)]


def broken_promise(facts: Sequence[Fact]) -> str:
    """Return what is wrong with a parent's whole record by the invariants; nothing where it is sound."""
    try:
        check_history(facts)
    except InvariantBrokenError as error:
        return str(error)
    return ""
