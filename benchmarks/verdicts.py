"""What must hold, and whether it does."""

from __future__ import annotations

from typing import Any

from benchmarks.results import ScenarioResult
from benchmarks.scenario import Scenario, Target


def _verdict(target: Target, value: float | None) -> str:
    if value is None:
        return "not measured"
    if target.holds(value):
        return "holds"
    if target.at_least:
        return f"falls short: {100 * value / target.required:.0f} % of it"
    return f"falls short: {100 * value / target.required:,.0f} % of what it may be"


def verdicts(scenario: Scenario, found: ScenarioResult) -> list[dict[str, Any]]:
    """Return each target with what was found, and the verdict."""
    rows = []
    for target in scenario.targets:
        value = target.found(found)
        rows.append(
            {
                "text": target.text,
                "required": target.required,
                "at_least": target.at_least,
                "unit": target.unit,
                "found": value,
                "verdict": _verdict(target, value),
            }
        )
    return rows


def broken(scenario: Scenario, found: ScenarioResult) -> list[str]:
    """Return the ratios that are so bad that something is wrong."""
    values = [(target, target.found(found)) for target in scenario.targets]
    return [
        f"{target.text}: {value:,.2f} {target.unit}, guarded at {target.guard:g}"
        for target, value in values
        if value is not None and target.guard is not None and target.broken(value)
    ]
