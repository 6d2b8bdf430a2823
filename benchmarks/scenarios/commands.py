"""Commands, in a terminal."""

from __future__ import annotations

from benchmarks.scenario import RATE, SECONDS, Case, Figure, Scenario, Target, entries, ratio

_CASE = "2,000 x true, 8 at a time"
_JOBS = Figure("jobs/s", "seconds", rate=True)


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 2_000, "workers": 8}
    players = entries("orchestrator-map", "gnu-parallel", "xargs")
    return (Case(_CASE, job, players, 5 if full else 2, figures=(_JOBS, SECONDS)),)


SCENARIO = Scenario(
    "commands",
    "Commands by `map`",
    "`orchestrator map -j8 true ::: 1 2 ...` beside `parallel -j8 --joblog` and `xargs -P8 -n1`: whole programs, "
    "started anew each time.",
    _cases,
    (
        Target(
            "`map` beside GNU parallel with its job log",
            ratio((_CASE, "orchestrator-map", RATE), (_CASE, "gnu-parallel", RATE)),
            3.0,
            "x the jobs a second",
            guard=2.0,
        ),
    ),
)
