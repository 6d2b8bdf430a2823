"""What was measured, as JSON files, one a scenario: written after each case, so that a run can be taken up again."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.scenario import Figure


@dataclass
class Row:
    """What a player came to in a case."""

    player: str
    children: int
    workers: int
    parents: int = 1
    measures: dict[str, list[float]] = field(default_factory=dict)
    """By name, a value for each round."""
    versions: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None
    """Why it did not play, or stopped."""

    @property
    def count(self) -> int:
        """How many children in all."""
        return self.children * self.parents

    def shown(self, figure: Figure) -> list[float]:
        """Return what to show, a value for each round."""
        return [figure.shown(value, self.count) for value in self.measures.get(figure.measure, [])]

    def median(self, figure: Figure) -> float | None:
        """Return the median over the rounds; None where it was not measured."""
        values = self.shown(figure)
        return statistics.median(values) if values else None


@dataclass
class CaseResult:
    """What everybody came to in a case."""

    rows: list[Row]
    at: str
    rounds: int
    load: float
    """How many programs wanted a core in the minute before."""
    asked: str = ""
    """What was asked for: who plays, with which job, how often."""


@dataclass
class ScenarioResult:
    """What there is of a scenario."""

    scenario: str
    subject: str
    """The fingerprint of what was measured."""
    full: bool
    machine: Machine
    cases: dict[str, CaseResult] = field(default_factory=dict)
    targets: list[dict[str, Any]] = field(default_factory=list)
    """What must hold, what was found, and the verdict."""

    def median(self, case: str, player: str, figure: Figure) -> float | None:
        """Return the median that a player came to in a case; None where that was not measured."""
        if case not in self.cases:
            return None
        return next((row.median(figure) for row in self.cases[case].rows if row.player == player), None)


def path_of(folder: Path, scenario: str) -> Path:
    """Return where the results of a scenario are."""
    return folder / f"{scenario}.json"


def save(folder: Path, result: ScenarioResult) -> None:
    """Write them, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{result.scenario}.new"
    new.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    new.replace(path_of(folder, result.scenario))


def load(folder: Path, scenario: str) -> ScenarioResult | None:
    """Return what there is; None where there is nothing."""
    path = path_of(folder, scenario)
    if not path.exists():
        return None
    fields = json.loads(path.read_text(encoding="utf-8"))
    cases = {
        name: CaseResult(**{**case, "rows": [Row(**row) for row in case["rows"]]})
        for name, case in fields["cases"].items()
    }
    return ScenarioResult(**{**fields, "cases": cases})
