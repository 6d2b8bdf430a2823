"""Coroutines that wait: how many fit on one event loop."""

from __future__ import annotations

from benchmarks.scenario import RATE, SECONDS, Case, Scenario, at_most, entries, ratio

_CASE = "5,000 coroutines of 100 ms, 1,000 at a time"


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 5_000, "workers": 1_000, "doze": 0.1}
    return (Case(_CASE, job, entries("orchestrator-async", "asyncio"), 5 if full else 1, figures=(RATE, SECONDS)),)


SCENARIO = Scenario(
    "coroutines",
    "Coroutines",
    "5,000 coroutines that wait for 100 ms, 1,000 at a time, on one event loop. Ideal is what the waits take in a "
    "row: 0.5 s.",
    _cases,
    (
        at_most(
            "5,000 coroutines of 100 ms, beside bare asyncio",
            ratio((_CASE, "orchestrator-async", SECONDS), (_CASE, "asyncio", SECONDS)),
            2.0,
            "x its time",
            guard=12.0,
        ),
    ),
)
