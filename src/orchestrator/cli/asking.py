"""`status`, `list`, `children`, `events`: questions that the log alone answers. None of them makes a store."""

from __future__ import annotations

import json
import os
import re
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice

from actors.owner import owner_alive, owner_words
from events.errors import RunNotFoundError, StoreDamagedError, StoreNotFoundError, UsageError
from events.facts import ChildProgressed, OwnershipTaken
from events.log import open_log
from events.log.keyring import Keyring
from events.log.store import EventLog
from events.payload import Json, decode_payload
from events.state import NESTED_TASK
from events.views import ChildView, RunStatus, plain
from orchestrator import queries
from orchestrator.cli.arguments_shared import default_store, keyring_of
from orchestrator.cli.exits import STORE, SUCCEEDED
from orchestrator.cli.signals import Signals
from orchestrator.cli.summary import again, named_input, said_words, status_word, word
from orchestrator.cli.terminal import complain, cut, say, shown, standard_output, table
from orchestrator.durations import format_duration
from orchestrator.progress import Progress
from orchestrator.queries import HistoryEvent

_CHILD_KEYS = ("id", "index", "status", "attempts", "output", "error", "started_at", "finished_at")
_INPUT_COLUMNS = 40
_PAYLOADS = frozenset({"input", "output", "error", "metadata"})
_SAID_MAX = 5
"""Of how many running children `status` shows what they said."""
_TEXT_COLUMNS = 200
"""The most that is shown of a text where nothing else limits it."""


def open_store(store: str, run_id: str | None = None, keyring: Keyring | None = None) -> EventLog:
    """Open a store that must exist. Raises StoreNotFoundError, or RunNotFoundError where a run of it was named."""
    try:
        return open_log(store, must_exist=True, keyring=keyring)
    except StoreNotFoundError as error:
        if run_id is None:
            raise
        raise RunNotFoundError(f"there is no run {run_id!r}: {error}") from None


def _opened(options: Namespace) -> EventLog:
    return open_store(options.store or default_store(), getattr(options, "id", None), keyring_of(options))


# status


def status(options: Namespace, _: Signals) -> int:
    """Show how a run stands."""
    at = None if options.at is None else _point(options.at)
    with _opened(options) as log:
        view, paused = queries.status_and_pause(log, options.id, at)
        owner = "" if at is not None or view.settled else _worked_on(log, options)
        said = {} if options.json or not view.counts.running else Progress(log, options.id).look(view.position)
    lines = [json.dumps(plain(view))] if options.json else status_lines(view, paused, owner, said)
    standard_output().lines(lines)
    return SUCCEEDED


def _point(text: str) -> int | datetime:
    """Return a position in the log or a time; one without a zone is local."""
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(
            f"--at takes a position such as 120 or a time such as 2026-11-22T03:00, not {text!r}"
        ) from None


def _worked_on(log: EventLog, options: Namespace) -> str:
    """Say who works on a run that is not settled; nothing where an engine drives it by itself."""
    fact = queries.latest_fact(log, options.id, "OwnershipTaken", "OwnershipReleased")
    if isinstance(fact, OwnershipTaken) and owner_alive(fact.owner):
        return f"by {shown(owner_words(fact.owner))}"
    return (
        "" if fact is None else f"by nobody; go on with: {again('resume', queries.outermost(log, options.id), options)}"
    )


def status_lines(view: RunStatus, paused: bool, owner: str, said: Mapping[str, ChildProgressed]) -> Iterator[str]:
    """Yield the lines that say how a run stands, who works on it, and what running children said of themselves."""
    counts = view.counts
    settled = "" if view.settled or view.decided_at is None else ", some children are still open"
    ended = [f"{counts.succeeded:,} of {counts.total:,} succeeded"]
    for name in ("failed", "timed_out", "cancelled", "skipped", "running", "pending"):
        number = getattr(counts, name)
        if number:
            ended.append(f"{number:,} {word(name)}")
    lines = {
        "run": shown(view.id),
        "status": status_word(view, paused=paused) + settled,
        "children": ", ".join(ended),
        "strategy": f"{view.strategy.kind}: {view.strategy.required:,} must succeed",
        "worked on": owner or None,
        "decided by": None if view.decided_by is None else f"child {shown(view.decided_by)}",
        "created": _local(view.created_at),
        "started": _local(view.started_at),
        "decided": _local(view.decided_at),
        "settled": _local(view.settled_at),
        "position": f"{view.position:,} (version {view.version:,})",
    }
    for name, text in lines.items():
        if text is not None:
            yield f"{name:<10}  {text}"
    most = _line_columns() or _TEXT_COLUMNS
    for number, (child_id, fact) in enumerate(islice(said.items(), _SAID_MAX)):
        words = said_words(fact.progress, fact.message)
        yield cut(f"{'' if number else 'running':<10}  {shown(child_id)}: {words}", most)
    if len(said) > _SAID_MAX:
        yield f"{'':<10}  and {len(said) - _SAID_MAX:,} more"


def _local(moment: datetime | None) -> str | None:
    return None if moment is None else f"{_here(moment):%Y-%m-%d %H:%M:%S}"


def _here(moment: datetime) -> datetime:
    """Return a time in our zone; in UTC where our zone has no such time, on the first and the last of all days."""
    try:
        return moment.astimezone()
    except (OverflowError, ValueError):
        return moment


# list


def list_runs(options: Namespace, _: Signals) -> int:
    """List the runs of a store: with a limit the latest ones, in any case the oldest of them first."""
    damaged: list[str] = []

    def note(_: str, error: StoreDamagedError) -> None:
        damaged.append(str(error))

    with _opened(options) as log:
        after = _before_latest(log, options)
        views = queries.list_runs(log, status=options.status, after=after, damaged=note)
        if options.limit is not None:
            views = views[max(0, len(views) - options.limit) :]
        paused = {view.id for view in views if not (options.json or view.settled) and queries.is_paused(log, view.id)}
    if options.json:
        standard_output().lines(json.dumps(plain(view)) for view in views)
    elif views:
        standard_output().lines(
            _table(
                ("ID", "STATUS", "SUCCEEDED", "OF", "CREATED"),
                (_run_row(view, paused=view.id in paused) for view in views),
            )
        )
    elif not damaged:
        say("no runs")
    for error in damaged:
        complain(error)
    return STORE if damaged else SUCCEEDED


def _before_latest(log: EventLog, options: Namespace) -> str | None:
    """Return the run after which the latest ones begin, where nothing but their number matters."""
    ids = [run_id for run_id, _ in log.parents()] if options.limit and options.status is None else []
    return ids[-options.limit - 1] if len(ids) > (options.limit or 0) else None


def _run_row(view: RunStatus, *, paused: bool) -> tuple[str, ...]:
    counts = view.counts
    return (
        view.id,
        status_word(view, paused=paused),
        f"{counts.succeeded:,}",
        f"{counts.total:,}",
        _local(view.created_at) or "",
    )


# children


def children(options: Namespace, _: Signals) -> int:
    """List the children of a run."""
    with _opened(options) as log:
        views = queries.children_of(log, options.id)
    if options.status is not None:
        views = [view for view in views if view.status == options.status]
    views = views[: options.limit]
    if options.json:
        standard_output().lines(json.dumps({key: plain(getattr(view, key)) for key in _CHILD_KEYS}) for view in views)
    elif views:
        heading = ("ID", "STATUS", "ATTEMPTS", "TOOK", "INPUT", "RESULT")
        standard_output().lines(_table(heading, map(_child_row, views)))
    else:
        say("no children")
    return SUCCEEDED


def _child_row(view: ChildView) -> tuple[str, ...]:
    took = ""
    if view.started_at is not None and view.finished_at is not None:
        took = format_duration((view.finished_at - view.started_at).total_seconds())
    name = cut(shown("" if view.withheld else named_input(view.task, view.input)), _INPUT_COLUMNS)
    result = f"({view.withheld})" if view.withheld else cut(shown(_result(view)), _TEXT_COLUMNS)
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
    return "" if output is None else json.dumps(output, ensure_ascii=False)[: 2 * _TEXT_COLUMNS]


# events


def events(options: Namespace, _: Signals) -> int:
    """Show every event of a run, as they are read."""
    with _opened(options) as log:
        history = queries.history_of(log, options.id)
        standard_output().lines(map(_event_json if options.json else _event_line(), history))
    return SUCCEEDED


def _event_json(event: HistoryEvent) -> str:
    return json.dumps(
        {
            "position": event.position,
            "version": event.version,
            "type": event.type,
            "at": plain(event.at),
            "data": event.data,
            "hash": event.hash,
        }
    )


def _event_line() -> Callable[[HistoryEvent], str]:
    most = _line_columns() or _TEXT_COLUMNS

    def line(event: HistoryEvent) -> str:
        data = {name: _legible(name, value) for name, value in event.data.items()}
        child = shown(str(data.pop("child_id", "")))
        rest = shown(json.dumps(data, ensure_ascii=False)) if data else ""
        at = f"{_here(event.at):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        return cut(
            f"{event.position:>7}  {event.version:>6}  {at}  {event.type:<19}  {child:<8}  {rest}".rstrip(), most
        )

    return line


def _legible(name: str, value: object) -> object:
    """Return a field of an event for people to read: payloads stand on record as JSON texts, full of backslashes."""
    if name in _PAYLOADS and isinstance(value, str):
        with suppress(StoreDamagedError):
            return decode_payload(value)
    return value


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    return table(heading, rows, line_columns=_line_columns())


def _line_columns() -> int | None:
    """Return how wide a line may get: as wide as the terminal, or as it likes where there is none."""
    try:
        return os.get_terminal_size(1).columns or None
    except OSError:
        return None
