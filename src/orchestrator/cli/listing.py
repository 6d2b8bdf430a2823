"""`list` and `children`: pages of runs, and of the children of one."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator

from actors.owner import owner_alive
from events.errors import StoreError
from events.facts import OwnershipReleased
from events.log.store import EventLog
from events.payload import Json
from events.state import NESTED_TASK
from events.views import ChildView, plain
from orchestrator import queries
from orchestrator.cli.answering import answers_of
from orchestrator.cli.asking import TEXT_COLUMNS, line_columns, local, opened
from orchestrator.cli.exits import STORE, SUCCEEDED
from orchestrator.cli.points import point
from orchestrator.cli.signals import Signals
from orchestrator.cli.summary import named_input, said_words, status_word, word
from orchestrator.cli.terminal import complain, cut, say, shown, standard_output, table
from orchestrator.durations import format_duration
from orchestrator.folded_pages import ListedRun
from orchestrator.page_queries import PageQuery, child_query, run_query

_CHILD_KEYS = ("id", "index", "status", "attempts", "output", "error", "started_at", "finished_at")
_INPUT_COLUMNS = 40
_LOOKED_AT = 1_000
"""How many children are looked at at a time for those of one task."""


def list_runs(options: Namespace, _: Signals) -> int:
    """List runs: with nothing but a limit the latest ones, the oldest of them first."""
    damaged: list[str] = []

    def note(_: str, error: StoreError) -> None:
        damaged.append(str(error))

    query = run_query(options.status, options.order, options.limit, options.after)
    latest = options.limit is not None and options.order is None and options.after is None
    with opened(options) as log:
        runs = answers_of(log).runs(query._replace(descending=latest) if latest else query, note)
        runs = runs[::-1] if latest else runs
        rows = [] if options.json else [_run_row(log, run) for run in runs]
    if options.json:
        standard_output().lines(json.dumps(plain(run.view)) for run in runs)
    elif rows:
        standard_output().lines(_table(("ID", "STATUS", "SUCCEEDED", "OF", "CREATED"), rows))
    elif not damaged:
        say("no runs")
    for error in damaged:
        complain(error)
    return STORE if damaged else SUCCEEDED


def _run_row(log: EventLog, run: ListedRun) -> tuple[str, ...]:
    counts = run.view.counts
    status = status_word(run.view, paused=run.paused)
    return (
        run.view.id,
        f"{status} (interrupted)" if _is_interrupted(log, run) else status,
        f"{counts.succeeded:,}",
        f"{counts.total:,}",
        local(run.view.created_at) or "",
    )


def _is_interrupted(log: EventLog, run: ListedRun) -> bool:
    """Whether a run is not settled and nobody alive works on it. One that an engine drives itself has no owner."""
    if run.view.settled:
        return False
    if run.owner is not None:
        return not owner_alive(run.owner)
    return isinstance(queries.latest_fact(log, run.view.id, "OwnershipTaken", "OwnershipReleased"), OwnershipReleased)


def children(options: Namespace, _: Signals) -> int:
    """List the children of a run."""
    query = child_query(None, options.status, options.order, options.limit, options.after)
    with opened(options) as log:
        views = _children(log, options, query)
    if options.json:
        standard_output().lines(json.dumps({key: plain(getattr(view, key)) for key in _CHILD_KEYS}) for view in views)
    elif views:
        heading = ("ID", "STATUS", "ATTEMPTS", "TOOK", "INPUT", "RESULT")
        standard_output().lines(_table(heading, map(_child_row, views)))
    else:
        say("no children")
    return SUCCEEDED


def _children(log: EventLog, options: Namespace, query: PageQuery) -> list[ChildView]:
    """Return a page of children. Those of one task are looked for page by page, as many as it takes."""
    at, answers = point(options.at, "--at"), answers_of(log)
    if options.task is None:
        return answers.children(options.id, query, at)
    if at is not None or answers.run(options.id) is None:  # the events answer: a page takes as long as all
        return _of_task(answers.children(options.id, query._replace(limit=None), at), options)[: query.most]
    found: list[ChildView] = []
    page = query._replace(limit=_LOOKED_AT)
    while len(found) < query.most:
        views = answers.children(options.id, page)
        found += _of_task(views, options)
        if len(views) < _LOOKED_AT:
            break
        page = page._replace(after=views[-1].id)
    return found[: query.most]


def _of_task(views: Iterable[ChildView], options: Namespace) -> list[ChildView]:
    return [view for view in views if view.task == options.task]


def _child_row(view: ChildView) -> tuple[str, ...]:
    took = ""
    if view.started_at is not None and view.finished_at is not None:
        took = format_duration((view.finished_at - view.started_at).total_seconds())
    name = cut(shown("" if view.withheld else named_input(view.task, view.input)), _INPUT_COLUMNS)
    result = f"({view.withheld})" if view.withheld else cut(shown(_result(view)), TEXT_COLUMNS)
    return view.id, word(view.status), str(view.attempts), took, name, result


def _result(view: ChildView) -> str:
    """Return what became of a child, in a line."""
    if view.status == "running" and (view.progress is not None or view.message is not None):
        return said_words(view.progress, view.message)
    error: Json = view.error
    if view.status != "succeeded" and isinstance(error, dict):
        return str(error.get("message") or error.get("type") or "")
    output: Json = view.output
    if view.task == NESTED_TASK and isinstance(output, dict) and isinstance(output.get("counts"), dict):
        counts = output["counts"]
        return f"run {output.get('id')}: {counts.get('succeeded', 0):,} of {counts.get('total', 0):,} succeeded"
    if isinstance(output, dict) and isinstance(output.get("stdout"), str) and "exit_status" in output:
        first, _, rest = output["stdout"].partition("\n")
        return f"{first} …" if rest else first
    return "" if output is None else json.dumps(output, ensure_ascii=False)[: 2 * TEXT_COLUMNS]


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    return table(heading, rows, line_columns=line_columns())
