"""What is known of each mutant: one line a result in a file, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.mutation.mutants import Mutant
from tests.mutation.running import Result
from tests.mutation.source import ROOT, Source

PAGE: Final = ROOT / "docs" / "reliability" / "mutants.md"
CAUGHT: Final = ("killed", "timed out")


class Book:
    """Results by mutant. One that survived is run again once the tests have changed, unless no test can tell it."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._digest = digest
        self._justified = justified()
        self.known: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self.known[entry["id"]] = entry

    def add(self, result: Result) -> None:
        """Write down what became of a mutant."""
        entry = {
            "id": result.mutant.id,
            "module": result.mutant.module,
            "fate": result.fate,
            "test": result.test,
            "seconds": round(result.seconds, 2),
            "digest": self._digest,
        }
        self.known[result.mutant.id] = entry
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def todo(self, mutants: list[Mutant], *, anew: bool) -> list[Mutant]:
        """Return the mutants of which nothing is known, or nothing that still holds."""
        return [mutant for mutant in mutants if anew or not self._still_holds(mutant.id)]

    def _still_holds(self, mutant: str) -> bool:
        entry = self.known.get(mutant)
        if entry is None:
            return False
        return entry["fate"] in CAUGHT or entry["digest"] == self._digest or mutant in self._justified

    def report(self, mutants: list[Mutant]) -> int:
        """Print the survivors and a table by module; 0 where each survivor is justified in the documentation."""
        survivors = [mutant for mutant in mutants if self.fate(mutant) in ("survived", "uncovered")]
        fresh = [mutant for mutant in survivors if mutant.id not in self._justified]
        for mutant in fresh:
            print(f"\n{mutant.diff(Source.read(mutant.module))}  # {self.fate(mutant)}")
        print()
        print("\n".join(self.table(mutants)))
        print(
            f"\n{len(survivors)} survived, {len(survivors) - len(fresh)} of them justified in {PAGE.relative_to(ROOT)}"
        )
        return 1 if fresh else 0

    def fate(self, mutant: Mutant) -> str:
        entry = self.known.get(mutant.id)
        return "not run" if entry is None else str(entry["fate"])

    def table(self, mutants: list[Mutant]) -> list[str]:
        """Return a Markdown table: fates by module, then by package, then all."""
        lines = ["| module | mutants | run | killed | timed out | survived | caught |", "|---|--:|--:|--:|--:|--:|--:|"]
        groups: dict[str, list[Mutant]] = {}
        for mutant in mutants:
            groups.setdefault(f"`{mutant.module}`", []).append(mutant)
        for name in ("events/log", "events/invariants", "events", "actors"):
            members = [m for m in mutants if m.module.startswith(f"{name}/")]
            if members:
                groups[f"**all of `{name}`**"] = members
        for name, members in groups.items():
            fates = Counter(self.fate(mutant) for mutant in members)
            run = len(members) - fates["not run"]
            caught = sum(fates[fate] for fate in CAUGHT)
            share = f"{100 * caught / run:.1f} %" if run else "-"
            survived = fates["survived"] + fates["uncovered"]
            cells = (name, len(members), run, fates["killed"], fates["timed out"], survived, share)
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
        return lines


def justified() -> set[str]:
    """Return the ids of the survivors that the documentation gives a reason for."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return set(re.findall(r"`([0-9a-f]{10})`", text))
