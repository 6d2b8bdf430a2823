"""How long it takes to start."""

from __future__ import annotations

from benchmarks.scenario import Case, Figure, Found, Scenario, at_most, entries, median

_CASE = "start of a program"
_BARE = Figure("a bare Python, ms", "bare_ms")
_NEEDED = Figure("import of what it needs of pydantic, eventsourcing and pykka, ms", "needed_ms")
_IMPORT = Figure("import orchestrator, ms", "import_ms")
_USE = Figure("from orchestrator import Orchestrator, Parallel, task, ms", "use_ms")
_HELP = Figure("orchestrator --help, ms", "help_ms")
_RUN = Figure("a program with a run of one child, ms", "run_ms")


def _cases(full: bool) -> tuple[Case, ...]:
    job = {"children": 1, "workers": 1, "repeats": 5}
    figures = (_BARE, _NEEDED, _IMPORT, _USE, _HELP, _RUN)
    return (Case(_CASE, job, entries("imports"), 5 if full else 1, figures=figures),)


def _beside_needed(found: Found) -> float | None:
    needed, ours = found.median(_CASE, "imports", _NEEDED), found.median(_CASE, "imports", _USE)
    return None if not needed or ours is None else ours / needed


SCENARIO = Scenario(
    "imports",
    "Import time",
    "Whole programs, from before they are started until they have ended, five times a round, in turn. What a bare "
    "Python takes is in every figure. Modules are compiled, as in a package that pip installed.",
    _cases,
    (
        at_most("import of `orchestrator`", median(_CASE, "imports", _IMPORT), 250, "ms"),
        at_most("import of what a program needs of it", median(_CASE, "imports", _USE), 250, "ms"),
        at_most(
            "the same, beside the import of what it needs of pydantic, eventsourcing and pykka",
            _beside_needed,
            2.0,
            "x its time",
            guard=3.0,
        ),
        at_most("`orchestrator --help`", median(_CASE, "imports", _HELP), 400, "ms"),
    ),
)
