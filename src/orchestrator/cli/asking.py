"""`status`, `list`, `children`, `events`: questions that the log alone answers. None of them makes a store."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice

from actors.owner import owner_alive, owner_words
from events.errors import RunNotFoundError, StoreDamagedError, StoreNotFoundError
from events.facts import ChildProgressed, OwnershipTaken
from events.log import open_log
from events.log.keyring import Keyring
from events.log.store import EventLog
from events.payload import decode_payload
from events.views import RunStatus, plain
from orchestrator import queries
from orchestrator.cli.answering import standing
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.keys import keyring_of
from orchestrator.cli.points import point
from orchestrator.cli.signals import Signals
from orchestrator.cli.summary import again, said_words, status_word, word
from orchestrator.cli.terminal import cut, shown, standard_output
from orchestrator.queries import HistoryEvent

_CHILD_KEYS = ("id", "index", "status", "attempts", "output", "error", "started_at", "finished_at")
_INPUT_COLUMNS = 40
_PAYLOADS = frozenset({"input", "output", "error", "metadata"})
_SAID_MAX = 5
"""Of how many running children `status` shows what they said."""
TEXT_COLUMNS = 200
"""The most that is shown of a text where nothing else limits it."""


def open_store(store: str, run_id: str | None = None, keyring: Keyring | None = None) -> EventLog:
    """Open a store that must exist. Raises StoreNotFoundError, or RunNotFoundError where a run of it was named."""
    try:
        return open_log(store, must_exist=True, keyring=keyring)
    except StoreNotFoundError as error:
        if run_id is None:
            raise
        raise RunNotFoundError(f"there is no run {run_id!r}: {error}") from None


def opened(options: Namespace) -> EventLog:
    """Open the store that the options name, which must exist. Raises what `open_store` does."""
    return open_store(options.store or default_store(), getattr(options, "id", None), keyring_of(options))


# status


def status(options: Namespace, _: Signals) -> int:
    """Show how a run stands."""
    at = point(options.at, "--at")
    with opened(options) as log:
        view, paused, owner_id, said = standing(log, options.id, at, with_said=not options.json)
        owner = "" if options.json or at is not None or view.settled else worked_on(log, options, owner_id)
    lines = [json.dumps(plain(view))] if options.json else status_lines(view, paused, owner, said)
    standard_output().lines(lines)
    return SUCCEEDED


def worked_on(log: EventLog, options: Namespace, owner: str | None = None) -> str:
    """Say who works on a run that is not settled; nothing where an engine drives it by itself.

    Who knows its `owner` hands it in: to look for it, much of the record may have to be read.
    """
    if owner is not None and owner_alive(owner):
        return f"by {shown(owner_words(owner))}"
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
        "created": local(view.created_at),
        "started": local(view.started_at),
        "decided": local(view.decided_at),
        "settled": local(view.settled_at),
        "position": f"{view.position:,} (version {view.version:,})",
    }
    for name, text in lines.items():
        if text is not None:
            yield f"{name:<10}  {text}"
    most = line_columns() or TEXT_COLUMNS
    for number, (child_id, fact) in enumerate(islice(said.items(), _SAID_MAX)):
        words = said_words(fact.progress, fact.message)
        yield cut(f"{'' if number else 'running':<10}  {shown(child_id)}: {words}", most)
    if len(said) > _SAID_MAX:
        yield f"{'':<10}  and {len(said) - _SAID_MAX:,} more"


def local(moment: datetime | None) -> str | None:
    """Return a time as people here read it; None stays None."""
    return None if moment is None else f"{here(moment):%Y-%m-%d %H:%M:%S}"


def here(moment: datetime) -> datetime:
    """Return a time in our zone; in UTC where our zone has no such time, on the first and the last of all days."""
    try:
        return moment.astimezone()
    except (OverflowError, ValueError):
        return moment


# events


def events(options: Namespace, _: Signals) -> int:
    """Show every event of a run, as they are read."""
    with opened(options) as log:
        history = queries.history_of(log, options.id)
        standard_output().lines(map(_event_json if options.json else event_line(), history))
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


def event_line() -> Callable[[HistoryEvent], str]:
    """Return what makes a line of an event, as wide as the terminal is now."""
    most = line_columns() or TEXT_COLUMNS

    def line(event: HistoryEvent) -> str:
        data = {name: legible(name, value) for name, value in event.data.items()}
        child = shown(str(data.pop("child_id", "")))
        rest = shown(json.dumps(data, ensure_ascii=False)) if data else ""
        at = f"{here(event.at):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        return cut(
            f"{event.position:>7}  {event.version:>6}  {at}  {event.type:<19}  {child:<8}  {rest}".rstrip(), most
        )

    return line


def legible(name: str, value: object) -> object:
    """Return a field of an event for people to read: payloads stand on record as JSON texts, full of backslashes."""
    if name in _PAYLOADS and isinstance(value, str):
        with suppress(StoreDamagedError):
            return decode_payload(value)
    return value


def line_columns() -> int | None:
    """Return how wide a line may get: as wide as the terminal, or as it likes where there is none."""
    try:
        return os.get_terminal_size(1).columns or None
    except OSError:
        return None
