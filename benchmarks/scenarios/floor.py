"""The floor: what SQLite itself does on this disk."""

from __future__ import annotations

from benchmarks.scenario import MEDIAN_MS, P99_MS, Case, Entry, Figure, Scenario

_ROWS = Figure("rows/s", "seconds", rate=True)


def _cases(full: bool) -> tuple[Case, ...]:
    return (*_without_pause(full), *(_after_a_pause(milliseconds, 5 if full else 2) for milliseconds in (5, 20)))


def _after_a_pause(milliseconds: int, rounds: int) -> Case:
    """Return a case of commits as children that take a while make them: one now and then."""
    job = {"children": 16 * 200, "workers": 16, "doze": milliseconds / 1000}
    name = f"16 rows a commit, {milliseconds} ms after the one before"
    return Case(name, job, (Entry("raw-sqlite"),), rounds, figures=(MEDIAN_MS, P99_MS))


def _without_pause(full: bool) -> tuple[Case, ...]:
    return tuple(
        Case(
            f"{a_commit:,} {'row' if a_commit == 1 else 'rows'} a commit",
            {"children": rows, "workers": a_commit},
            (Entry("raw-sqlite"),),
            5 if full else 2,
            figures=(_ROWS,),
        )
        for rows, a_commit in ((2_000, 1), (16_000, 16), (64_000, 64), (200_000, 200_000))
    )


SCENARIO = Scenario(
    "floor",
    "The floor: SQLite itself",
    "Rows of 130 bytes, as large as an event, into a bare table: WAL with synchronous=FULL, so each commit waits "
    "for the disk. With one row a commit the figure is that of commits a second. After a pause the disk, and a core "
    "that slept, take longer: the start and end of a child which takes a while have to wait for that.",
    _cases,
)
