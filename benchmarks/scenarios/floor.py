"""The floor: what SQLite itself does on this disk."""

from __future__ import annotations

from benchmarks.scenario import Case, Entry, Figure, Scenario

_ROWS = Figure("rows/s", "seconds", rate=True)


def _cases(full: bool) -> tuple[Case, ...]:
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
    "for the disk. With one row a commit the figure is that of commits a second.",
    _cases,
)
