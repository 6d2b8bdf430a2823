"""What charts of the results there are, and having them drawn by a library that lives in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.environments import CannotInstallError, python_of
from benchmarks.players import OURS, PLAYERS
from benchmarks.results import Row, ScenarioResult
from benchmarks.scenario import RATE, Case, Scenario

_LIBRARY: Final = ("charts", ("matplotlib",))
"""The environment that draws, and what is installed there."""
_BARS_MIN: Final = 3
"""A chart says more than a table only of so many players."""
_SIZES_MIN: Final = 3
"""A curve goes through so many points."""


def bars_name(scenario: Scenario, case: Case) -> str:
    """Return the name of a case's chart."""
    words = "".join(each if each.isalnum() else "-" for each in case.name.replace(",", "").lower())
    return f"{scenario.name}-{'-'.join(filter(None, words.split('-')))}.svg"


def curves_name(scenario: Scenario) -> str:
    """Return the name of the chart over all cases of a scenario."""
    return f"{scenario.name}-by-size.svg"


def specifications(found: Sequence[tuple[Scenario, ScenarioResult]]) -> Iterator[dict[str, Any]]:
    """Yield what is to be drawn: bars for each case with enough players, and curves over enough sizes."""
    for scenario, result in found:
        curves = _curves(scenario, result)
        if curves:
            yield curves
        for case in scenario.cases(result.full):
            there = result.cases.get(case.name)
            rows = [row for row in there.rows if row.shown(case.figures[0])] if there else []
            if len(rows) >= _BARS_MIN:
                yield _bars(scenario, case, rows)


def _curves(scenario: Scenario, result: ScenarioResult) -> dict[str, Any] | None:
    """Return the rates of whoever played with enough different numbers of children; None where nobody did."""
    points: dict[tuple[str, int], dict[int, float]] = {}
    for case in result.cases.values():
        for row in case.rows:
            rate = row.median(RATE)
            if rate is not None:
                points.setdefault((row.player, row.workers), {})[row.count] = rate
    lines = [
        {
            "name": f"{PLAYERS[player].name}, {workers} workers",
            "ours": player.startswith(OURS),
            "points": sorted(each.items()),
        }
        for (player, workers), each in points.items()
        if len(each) >= _SIZES_MIN
    ]
    if not lines:
        return None
    return {
        "file": curves_name(scenario),
        "title": f"{scenario.title}: the more there are",
        "across": "children of one parent",
        "axis": "children/s, median",
        "lines": lines,
    }


def _bars(scenario: Scenario, case: Case, rows: Sequence[Row]) -> dict[str, Any]:
    figure = case.figures[0]
    bars: list[dict[str, Any]] = [
        {
            "name": PLAYERS[row.player].name,
            "median": median(row.shown(figure)),
            "least": min(row.shown(figure)),
            "most": max(row.shown(figure)),
            "ours": row.player.startswith(OURS),
        }
        for row in rows
    ]
    bars.sort(key=lambda bar: bar["median"], reverse=figure.more_is_better)
    return {
        "file": bars_name(scenario, case),
        "title": f"{scenario.title}: {case.name}",
        "axis": f"{figure.heading} (logarithmic; median, least and most)",
        "bars": bars,
    }


def draw(folder: Path, environments: Path, charts: list[dict[str, Any]], *, install: bool) -> frozenset[str]:
    """Draw charts in the environment that can; return the names of those that are there."""
    names = frozenset(chart["file"] for chart in charts)
    for old in folder.glob("*.svg"):
        if old.name not in names:
            old.unlink()
    if not charts:
        return frozenset()
    try:
        python = python_of(environments, *_LIBRARY, make=install)
    except CannotInstallError as error:
        print(f"no charts: matplotlib: {error}", file=sys.stderr)
        return frozenset(name for name in names if (folder / name).exists())
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(charts, file)
        file.flush()
        subprocess.run([str(python), str(Path(__file__).with_name("drawing.py")), file.name, str(folder)], check=True)
    return names
