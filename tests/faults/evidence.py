"""What the processes of the storage scenarios were told, to be held against the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from events.errors import StoreNotFoundError
from events.evolve import INITIAL, fold
from events.facts import OwnershipTaken
from events.log import open_log
from tests.faults.table import Tally
from tests.faults.verdict import judge


@dataclass
class Ledger:
    """Everything that the processes of one store were told is on record, and what they were refused."""

    store: Path
    recorded: set[str] = field(default_factory=set)
    ended: dict[tuple[str, str], str] = field(default_factory=dict)
    decided: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def take(self, output: bytes) -> bool:
        """Take note of what a process said; a torn last line was not told. Return whether it said `done`."""
        done = False
        for line in output.decode().split("\n")[:-1]:
            word, *rest = line.split(" ", 3)
            if word == "recorded":
                self.recorded.add(rest[0])
            elif word == "ended":
                known = self.ended.setdefault((rest[0], rest[1]), rest[2])
                assert known == rest[2], f"{rest[0]}/{rest[1]} was told to have ended as {known} and as {rest[2]}"
            elif word == "decided":
                known = self.decided.setdefault(rest[0], rest[1])
                assert known == rest[1], f"{rest[0]} was told to be {known} and {rest[1]}"
            elif word == "refused":
                self.refused.append((rest[0], " ".join(rest[1:])))
            done = done or word == "done"
        return done

    @property
    def acknowledged(self) -> int:
        """How many facts were told."""
        return len(self.recorded) + len(self.ended) + len(self.decided)

    def check(self, *, max_workers: int | None = None) -> None:
        """Raise AssertionError where the record breaks a promise or lacks what was told."""
        try:
            log = open_log(self.store, must_exist=True)
        except StoreNotFoundError:  # it was never made, or not to the end
            assert not self.acknowledged, f"{self.acknowledged} facts were told, and there is no store"
            return
        with log:
            verdict = judge(log, max_workers=max_workers, told=self.ended)
        lost = self.recorded - verdict.states.keys()
        assert not lost, f"told to be on record, but are not: {lost}"
        for parent_id, told in self.decided.items():
            decision = verdict.states.get(parent_id, INITIAL).decision
            assert decision is not None, f"{parent_id}: told {told}, it is undecided"
            assert decision.status == told, f"{parent_id}: told {told}, it is {decision.status}"

    def check_over(self, expected: dict[str, set[str]], *, max_workers: int | None = None) -> None:
        """Check as ever, and that every parent is settled with one of the statuses expected of it."""
        self.check(max_workers=max_workers)
        with open_log(self.store, must_exist=True) as log:
            states = {name: fold(record.fact for record in log.read(name)) for name in expected}
        open_still = [name for name, state in states.items() if not state.settled]
        assert not open_still, f"not settled: {open_still}"
        wrong = {name: state.status for name, state in states.items() if state.status not in expected[name]}
        assert not wrong, f"ended as {wrong}"

    def knows(self, parent_id: str) -> bool:
        """Return whether a parent is on record."""
        try:
            with open_log(self.store, must_exist=True) as log:
                return log.head(parent_id) is not None
        except StoreNotFoundError:
            return False

    def owners(self, parent_id: str) -> list[str]:
        """Return who owned a parent, in order."""
        with open_log(self.store, must_exist=True) as log:
            facts = [record.fact for record in log.read(parent_id)]
        return [fact.owner for fact in facts if isinstance(fact, OwnershipTaken)]

    def report(self, tally: Tally, scenario: str, *, rounds: int = 1, faults: int = 1, completed: int) -> None:
        """Add to the table. Whatever was lost, doubled or too much has raised before."""
        tally(
            scenario,
            rounds=rounds,
            faults=faults,
            acknowledged=self.acknowledged,
            lost=0,
            double=0,
            above_max=0,
            refused=len(self.refused),
            completed=completed,
        )
