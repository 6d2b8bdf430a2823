"""Which tests are to kill the mutants of which module, and in which order they are tried."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Final

from tests.mutation.mutants import Mutant
from tests.mutation.source import ROOT, SRC
from tests.mutation.watching import LineMap

RECOVERY: Final = (
    *("parent", "turns", "claiming", "effects", "retries", "slots", "patience"),
    *("journal", "loader", "supervisor", "owner", "clock", "directory", "answers", "expiries"),
)
"""The modules of `actors` through which a run goes on after a crash."""

TESTS: Final = {
    "events/log/": ("tests/log",),
    "events/": ("tests/events",),
    "actors/": ("tests/actors",),
}
"""Tests that take one thing at a time. Runs in threads, in other processes and under a seed would find more mutants,
but a test that names what went wrong is worth more; and where nothing waits, nothing fails by chance."""

NOT_KILLERS: Final = ("tests/log/test_log_processes.py", "tests/events/test_status_paths.py")
"""Tests that run in processes of their own do not see a mutant; and every order of arrival takes longest of all."""

SHAPES: Final = frozenset({"tests/events/test_shapes.py"})
"""Where that is tested which is only declared: no test runs a line of it, whatever else its module has."""


def modules(wanted: Iterable[str] = ()) -> list[str]:
    """Return the modules to mutate, by their paths below src; all of them, or those whose path begins as wanted."""
    every = [str(path.relative_to(SRC)) for path in sorted((SRC / "events").glob("*.py"))]
    for package in ("invariants", "log"):
        every += [str(path.relative_to(SRC)) for path in sorted((SRC / "events" / package).glob("*.py"))]
    every += [f"actors/{name}.py" for name in RECOVERY]
    starts = tuple(name.removeprefix("src/") for name in wanted)
    return [name for name in every if not starts or _begins(name, starts)]


def _begins(name: str, starts: tuple[str, ...]) -> bool:
    for start in starts:
        if start == "core":
            if name.startswith("events/") and name.count("/") == 1:
                return True
        elif name.startswith(start):
            return True
    return False


def test_folders(names: Iterable[str]) -> list[str]:
    """Return where the tests are that kill mutants of these modules."""
    homes = [next(home for home in TESTS if name.startswith(home)) for name in names]
    return list(dict.fromkeys(folder for home in homes for folder in TESTS[home] if (ROOT / folder).exists()))


def digest(paths: Iterable[Path]) -> str:
    """Return what changes whenever one of these files does."""
    total = sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def helpers(folders: Collection[str]) -> list[Path]:
    """Return what all tests in these folders depend on: our source, and the files beside them that are no tests."""
    found = [*(SRC / "events").rglob("*.py"), *(ROOT / "tests" / "support").rglob("*.py")]
    if "tests/actors" in folders:
        found += (SRC / "actors").rglob("*.py")
    found += [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.name[:5] != "test_"]
    return sorted(found)


def tests(folders: Iterable[str]) -> list[Path]:
    """Return the files with tests in these folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("test_*.py"))


class Order:
    """Tries the tests that run a mutant's lines, the quickest and the most successful ones first.

    It stops trying once the tests have taken as long as the budget allows, as measured without a mutant.
    """

    def __init__(self, lines: LineMap, budget_seconds: float) -> None:
        tests = lines.tests
        self._budget_seconds = budget_seconds
        self._seconds = {name: test["seconds"] for name, test in tests.items()}
        self._at_import = {module: frozenset(numbers) for module, numbers in lines.at_import.items()}
        self._by_line: dict[tuple[str, int], set[str]] = {}
        self._by_module: dict[str, set[str]] = {}
        self._kills: Counter[str] = Counter()
        for name, test in tests.items():
            for module, numbers in test["lines"].items():
                self._by_module.setdefault(module, set()).add(name)
                for line in numbers:
                    self._by_line.setdefault((module, line), set()).add(name)

    def seconds(self, test: str) -> float:
        return float(self._seconds.get(test, 1.0))

    def killed_by(self, test: str) -> None:
        self._kills[test] += 1

    def runs_at_import(self, mutant: Mutant) -> bool:
        """Whether the mutated lines have had their effect already when the tests begin."""
        first, last = mutant.lines
        return not self._at_import.get(mutant.module, frozenset()).isdisjoint(range(first, last + 1))

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests to try; none where no test runs the mutated lines."""
        first, last = mutant.lines
        lines = range(first, last + 1)
        found = {name for line in lines for name in self._by_line.get((mutant.module, line), ())}
        if not mutant.scope or self.runs_at_import(mutant):
            files = {name.partition("::")[0] for name in self._by_module.get(mutant.module, ())} | SHAPES
            found = {name for name in self._seconds if name.partition("::")[0] in files}
        order = sorted(found, key=lambda name: (self.seconds(name) + 0.01) / (1 + self._kills[name]))
        spent = list(accumulate(self.seconds(name) for name in order))
        return order[: max(1, bisect_right(spent, self._budget_seconds))]


class Named:
    """Tries one test on each mutant, the one that is named for it."""

    def __init__(self, tests: Mapping[str, str]) -> None:
        self._tests = tests

    def seconds(self, test: str) -> float:
        return 1.0

    def killed_by(self, test: str) -> None:
        pass

    def runs_at_import(self, mutant: Mutant) -> bool:
        return False

    def of(self, mutant: Mutant) -> list[str]:
        return [self._tests[mutant.id]]
