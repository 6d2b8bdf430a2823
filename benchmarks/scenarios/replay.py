"""Replay of a long record."""

from __future__ import annotations

from benchmarks.scenario import PEAK, Case, Figure, Scenario, Target, entries, median

_EVENTS = Figure("events/s", "events_per_second", more=True)
_CASE = "4,000,000 events"


def _cases(full: bool) -> tuple[Case, ...]:
    children, name, repeats = (1_000_000, _CASE, 5) if full else (50_000, "200,000 events", 3)
    job = {"children": children, "workers": 1, "repeats": repeats}
    return (Case(name, job, entries("replay"), 1, 1_800, (_EVENTS, PEAK)),)


SCENARIO = Scenario(
    "replay",
    "Replay",
    "A run's whole record is read from SQLite; each row is decoded, its hash checked, judged by the rules, and "
    "folded into the state. No snapshot is used.",
    _cases,
    (Target("replay of 4,000,000 events", median(_CASE, "replay", _EVENTS), 200_000, "events/s"),),
)
