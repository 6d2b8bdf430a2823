"""The page with the results, from the JSON files: what holds, and a table and a chart for each case."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import results
from benchmarks.environments import CannotInstallError, python_of
from benchmarks.players import OURS, PLAYERS
from benchmarks.results import CaseResult, Row, ScenarioResult
from benchmarks.scenario import Case, Figure, Scenario
from benchmarks.scenarios import SCENARIOS

_CHARTS: Final = ("charts", ("matplotlib",))
"""The environment that draws, and what is installed there."""
_BARS_MIN: Final = 3
"""A chart says more than a table only of so many players."""


def verdict_line(target: dict[str, Any]) -> str:
    """Return a target and its verdict for people who watch."""
    return f"  {target['text']}: {_found(target)} (required: {_required(target)}) - {target['verdict']}"


def _found(target: dict[str, Any]) -> str:
    value = target["found"]
    return "-" if value is None else f"{number(value)} {target['unit']}"


def _required(target: dict[str, Any]) -> str:
    return f"{'at least' if target['at_least'] else 'at most'} {number(target['required'])} {target['unit']}"


def number(value: float) -> str:
    """Return a number with as many digits as say something."""
    return (
        f"{value:,.0f}"
        if abs(value) >= 100 or value == int(value)
        else f"{value:,.1f}"
        if value >= 10
        else f"{value:.2f}"
    )


def write_report(folder: Path, environments: Path, *, install: bool) -> None:
    """Write the page and its charts from all the results in a folder."""
    found = [(scenario, results.load(folder, name)) for name, scenario in SCENARIOS.items()]
    there = [(scenario, result) for scenario, result in found if result is not None]
    charts = draw(folder, environments, list(chart_specifications(there)), install=install)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text("\n".join(page(there, charts)) + "\n", encoding="utf-8")


def page(found: Sequence[tuple[Scenario, ScenarioResult]], charts: frozenset[str]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# Results of the benchmarks"
    yield ""
    yield "Written by `make bench-full`; [what is compared, and how](index.md)."
    yield ""
    if not found:
        yield "Nothing has been measured of this version yet."
        return
    yield from _machines([result for _, result in found])
    yield from _what_must_hold([result for _, result in found])
    for scenario, result in found:
        yield f"## {scenario.title}"
        yield ""
        yield scenario.what
        yield ""
        for case in scenario.cases(result.full):
            if case.name in result.cases:
                yield from _case(scenario, case, result.cases[case.name], charts)


def _machines(found: Sequence[ScenarioResult]) -> Iterator[str]:
    versions = sorted({result.subject for result in found})
    if len(versions) > 1:
        yield f"**These results are of {len(versions)} versions of the program.** `make bench-full` gives those of one."
        yield ""
    machines = {json.dumps(result.machine, sort_keys=True): result.machine for result in found}
    for each in machines.values():
        yield "| machine | |"
        yield "|---|---|"
        yield from (f"| {name.replace('_gib', ', GiB')} | {value} |" for name, value in each.items())
        yield ""


def _what_must_hold(found: Sequence[ScenarioResult]) -> Iterator[str]:
    yield "## What must hold"
    yield ""
    yield "| what | required | found | |"
    yield "|---|---:|---:|---|"
    for result in found:
        for target in result.targets:
            verdict = target["verdict"] if target["verdict"] == "holds" else f"**{target['verdict']}**"
            yield f"| {target['text']} | {_required(target)} | {_found(target)} | {verdict} |"
    yield ""


def _case(scenario: Scenario, case: Case, result: CaseResult, charts: frozenset[str]) -> Iterator[str]:
    measured = {name for row in result.rows for name in row.measures}
    figures = [figure for figure in case.figures if figure.measure in measured] or list(case.figures[:1])
    yield f"### {scenario.title}: {case.name}"
    yield ""
    rounds = _plural(_rounds(result), "round")
    yield f"{result.at[:10]}, {rounds}; {result.load:g} programs wanted a core in the minute before."
    yield ""
    chart = chart_name(scenario, case)
    if chart in charts:
        yield f"![{scenario.title}: {case.name}]({chart})"
        yield ""
    if len(result.rows) == 1:
        yield from _measures(result.rows[0], figures)
    else:
        yield from _players(result.rows, figures)
    troubles = [f"- {PLAYERS[row.player].name}: {row.trouble}" for row in result.rows if row.trouble]
    yield from (*troubles, "") if troubles else ()


def _rounds(result: CaseResult) -> int:
    return max((len(values) for row in result.rows for values in row.measures.values()), default=0)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _measures(row: Row, figures: Sequence[Figure]) -> Iterator[str]:
    yield "| what | median | least - most |"
    yield "|---|---:|---:|"
    for figure in figures:
        values = row.shown(figure)
        if values:
            ends = values_text(min(values), figure), values_text(max(values), figure)
            spread = f"{ends[0]} - {ends[1]}" if len(values) > 1 else "-"
            yield f"| {figure.heading} | {values_text(median(values), figure)} | {spread} |"
    yield ""


def _players(rows: Sequence[Row], figures: Sequence[Figure]) -> Iterator[str]:
    """Yield a table: the median, and the least and the most in parentheses; the last column beside the first player."""
    first = figures[0] if figures else None
    headings = [figure.heading for figure in figures]
    beside = f"{PLAYERS[rows[0].player].name} is" if first else ""
    yield f"| who | children | {' | '.join([*headings, beside])} |"
    yield f"|---|---:|{'---:|' * (len(headings) + 1)}"
    ours = rows[0].median(first) if first else None
    for row in rows:
        cells = [_cell(row, figure) for figure in figures]
        yield f"| {_who(row)} | {row.count:,} | {' | '.join([*cells, _beside(ours, row, first)])} |"
    yield ""


def _who(row: Row) -> str:
    name = PLAYERS[row.player].name
    versions = ", ".join(row.versions.values() if len(row.versions) == 1 else map(" ".join, row.versions.items()))
    return f"{name} ({versions})" if versions else name


def _cell(row: Row, figure: Figure) -> str:
    values = row.shown(figure)
    if not values:
        return "did not play" if row.trouble and not row.measures else "-"
    text = values_text(median(values), figure)
    if len(values) == 1:
        return text
    return f"{text} ({values_text(min(values), figure)} - {values_text(max(values), figure)})"


def values_text(value: float, figure: Figure) -> str:
    """Return a value as its figure is shown."""
    return f"{value:,.{figure.digits}f}"


def _beside(ours: float | None, row: Row, figure: Figure | None) -> str:
    theirs = row.median(figure) if figure else None
    if ours is None or not theirs or figure is None:
        return "-"
    ratio = ours / theirs
    if row.player.startswith(OURS) and ratio == 1:
        return ""
    return f"{number(ratio)} x as {'fast' if figure.more_is_better else 'much'}"


# Charts


def chart_name(scenario: Scenario, case: Case) -> str:
    """Return the name of a case's chart."""
    words = "".join(each if each.isalnum() else "-" for each in case.name.replace(",", "").lower())
    return f"{scenario.name}-{'-'.join(filter(None, words.split('-')))}.svg"


def chart_specifications(found: Sequence[tuple[Scenario, ScenarioResult]]) -> Iterator[dict[str, Any]]:
    """Yield what is to be drawn: for each case with enough players, bars of its first figure."""
    for scenario, result in found:
        for case in scenario.cases(result.full):
            there = result.cases.get(case.name)
            rows = [row for row in there.rows if row.shown(case.figures[0])] if there else []
            if len(rows) >= _BARS_MIN:
                yield _bars(scenario, case, rows)


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
        "file": chart_name(scenario, case),
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
        python = python_of(environments, *_CHARTS, make=install)
    except CannotInstallError as error:
        print(f"no charts: matplotlib: {error}", file=sys.stderr)
        return frozenset(name for name in names if (folder / name).exists())
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(charts, file)
        file.flush()
        subprocess.run([str(python), str(Path(__file__).with_name("drawing.py")), file.name, str(folder)], check=True)
    return names
