"""A step of a replay for people to read: the event, how the run stood after it, its open children."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice

from events.open_children import OpenChild
from events.views import plain
from orchestrator.cli.asking import event_line, here, line_columns
from orchestrator.cli.summary import standing, word
from orchestrator.cli.terminal import cut, shown
from orchestrator.replaying import ReplayStep

_INDENT = " " * 9
_OPEN_SHOWN_MAX = 8
_TEXT_COLUMNS = 200


def step_json(step: ReplayStep) -> str:
    """Return a step as one line of JSON."""
    event = step.event
    return json.dumps(
        {
            "event": {
                "position": event.position,
                "version": event.version,
                "type": event.type,
                "at": plain(event.at),
                "data": event.data,
                "hash": event.hash,
            },
            "status": plain(step.status),
            "paused": step.paused,
            "owner": step.owner,
            "open": plain(step.open),
            "open_count": step.open_count,
        }
    )


def blocks() -> Callable[[ReplayStep], Iterator[str]]:
    """Return what yields the lines of a step: three at most."""
    line, most = event_line(), line_columns() or _TEXT_COLUMNS

    def block(step: ReplayStep) -> Iterator[str]:
        yield line(step.event)
        yield cut(f"{_INDENT}{standing(step.status, paused=step.paused)}", most)
        if step.open:
            yield cut(f"{_INDENT}open: {_open(step)}", most)

    return block


def _open(step: ReplayStep) -> str:
    """Return the open children of a step in a line: the first of them, and how many there are beyond."""
    named = [f"{shown(child.id)} ({open_words(child)})" for child in islice(step.open, _OPEN_SHOWN_MAX)]
    more = step.open_count - len(named)
    return ", ".join(named) + (f", {more:,} more" if more else "")


def open_words(child: OpenChild) -> str:
    """Return how an open child stands: `running, attempt 2`, `again not before 03:00:05`, `not started`."""
    if child.status == "running":
        return f"{word(child.status)}, attempt {child.attempts}"
    if child.not_before is not None:
        return f"again not before {here(child.not_before):%H:%M:%S.%f}"[:-3]
    return "to run again" if child.attempts else "not started"
