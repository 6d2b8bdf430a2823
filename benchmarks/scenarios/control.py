"""Control of a run from another process."""

from __future__ import annotations

from benchmarks.scenario import Case, Figure, Scenario, entries

_FIGURES = (
    Figure("the first request, ms", "first_median_ms", digits=1),
    *(
        Figure(f"{name}, {part}, ms", f"{name}_{part}_ms", digits=1)
        for name in ("update", "pause", "resume")
        for part in ("median", "p99")
    ),
    Figure("cancel, ms", "cancel_median_ms", digits=1),
)


def _cases(full: bool) -> tuple[Case, ...]:
    if not full:
        return ()
    job = {"children": 50_000, "workers": 16, "repeats": 20}
    return (Case("50,000 children, 16 workers", job, entries("control"), 5, figures=_FIGURES),)


SCENARIO = Scenario(
    "control",
    "Control from another process",
    "Requests to a process that runs no-op children at full speed, from another one: from the call until it is on "
    "record. The first one reads the run, the others only what is new.",
    _cases,
)
