"""The page with the results, from the JSON files: what holds, and a table and a chart for each case."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import results
from benchmarks.charts import bars_name, curves_name, draw, specifications
from benchmarks.players import OURS, PLAYERS
from benchmarks.results import CaseResult, Row, ScenarioResult
from benchmarks.scenario import Case, Figure, Scenario
from benchmarks.scenarios import SCENARIOS


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
    charts = draw(folder, environments, list(specifications(there)), install=install)
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
        yield from _chart(curves_name(scenario), scenario.title, charts)
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
    yield from _chart(bars_name(scenario, case), f"{scenario.title}: {case.name}", charts)
    if len(result.rows) == 1:
        yield from _measures(result.rows[0], figures)
    else:
        yield from _players(result.rows, figures)
    troubles = [f"- {PLAYERS[row.player].name}: {row.trouble}" for row in result.rows if row.trouble]
    yield from (*troubles, "") if troubles else ()


def _chart(name: str, title: str, charts: frozenset[str]) -> Iterator[str]:
    if name in charts:
        yield f"![{title}]({name})"
        yield ""


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
