"""Children that block a thread for 20 ms."""

from __future__ import annotations

from benchmarks.players import OURS, POOL
from benchmarks.scenario import RATE, SECONDS, Case, Found, Scenario, Target, at_most, entries, ratio

_CASE = "200 children of 20 ms, 8 workers"
_PEERS = ("dbos-children", "prefect", "langgraph", "huey", "celery", "dramatiq", "dask", "ray")
_IDEAL_SECONDS = 200 * 0.02 / 8


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 200, "workers": 8, "doze": 0.02}
    return (
        Case(
            _CASE, job, entries(OURS, POOL, *(_PEERS if full else ())), rounds=5 if full else 3, figures=(RATE, SECONDS)
        ),
    )


def _part(found: Found) -> float | None:
    """Return which part of the ideal rate is reached, in percent."""
    seconds = found.median(_CASE, OURS, SECONDS)
    return None if not seconds else 100 * _IDEAL_SECONDS / seconds


SCENARIO = Scenario(
    "waits",
    "Children of 20 ms",
    "200 children that block their thread for 20 ms. Ideal is what the waits take in a row: 0.5 s, 400 children/s. "
    "The next child starts only when the end of the one before is on record. Steps of DBOS run one after the other "
    "and are left out.",
    _cases,
    (
        Target("200 children of 20 ms, 8 workers", _part, 97.0, "% of ideal"),
        at_most(
            "the same, beside a bare ThreadPoolExecutor(8)",
            ratio((_CASE, OURS, SECONDS), (_CASE, POOL, SECONDS)),
            1.05,
            "x its time",
            guard=2.5,
        ),
    ),
)
