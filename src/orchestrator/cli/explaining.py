"""`explain` and `diff`: why a run stands as it does, and what changed between two points of its history."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from textwrap import wrap
from typing import Any, Final

from events.comparison import ChildChange, ChildThen, RunDiff
from events.views import moment, plain
from orchestrator import comparing, explaining
from orchestrator.cli.asking import here, line_columns, opened, worked_on
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.points import point, some_point
from orchestrator.cli.signals import Signals
from orchestrator.cli.summary import word
from orchestrator.cli.terminal import columns, shown, standard_output

_NAMED_MAX: Final = 20
"""How many children `diff` names."""


def explain(options: Namespace, _: Signals) -> int:
    """Say why a run stands as it does."""
    at = point(options.at, "--at")
    with opened(options) as log:
        told = explaining.explain(log, options.id, at, clock=None if options.json else _clock)
        owner = "" if options.json or at is not None or told.settled else worked_on(log, options)
    if options.json:
        standard_output().text(json.dumps(plain(told)) + "\n")
        return SUCCEEDED
    text = shown(told.text) + (f" Worked on {owner}." if owner else "")
    width = line_columns()
    standard_output().lines([text] if width is None or columns(text) != len(text) else wrap(text, max(20, width - 1)))
    return SUCCEEDED


def _clock(at: int) -> str:
    time: datetime = moment(at)
    return f"{here(time):%Y-%m-%d %H:%M:%S}"


def diff(options: Namespace, _: Signals) -> int:
    """Show what changed in a run between two points."""
    a, b = some_point(options.a, "A"), some_point(options.b, "B")
    with opened(options) as log:
        found = comparing.diff(log, options.id, a, b)
    standard_output().lines([json.dumps(plain(found))] if options.json else _lines(found))
    return SUCCEEDED


def _lines(found: RunDiff) -> Iterator[str]:
    a, b = found.a, found.b
    yield (
        f"run {shown(found.id)}, from position {a.position:,} (version {a.version:,})"
        f" to position {b.position:,} (version {b.version:,}): {_events(found.events)}"
    )
    width = max((len(change.field) for change in found.changes), default=0)
    for change in found.changes:
        yield f"  {change.field:<{width}}  {_value(change.before)} -> {_value(change.after)}"
    if not found.changes and not found.children:
        yield "  nothing changed"
        return
    if found.children:
        yield f"  {len(found.children):,} {'child' if len(found.children) == 1 else 'children'} changed"
    for move, count in Counter(map(_move, found.children)).items():
        yield f"    {count:,}: {move}"
    for child in found.children[:_NAMED_MAX]:
        yield f"    {shown(child.id)}: {_then(child.before)} -> {_then(child.after)}"
    more = len(found.children) - _NAMED_MAX
    if more > 0:
        yield f"    and {more:,} more; --json prints all of them"


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return shown(value if isinstance(value, str) else json.dumps(value))


def _move(child: ChildChange) -> str:
    before, after = _status(child.before), _status(child.after)
    return f"{before}, after another attempt" if before == after else f"{before} -> {after}"


def _status(then: ChildThen | None) -> str:
    return "not there" if then is None else word(then.status)


def _then(then: ChildThen | None) -> str:
    if then is None:
        return "not there"
    attempts = f" ({then.attempts:,} attempt{'' if then.attempts == 1 else 's'})" if then.attempts else ""
    return f"{word(then.status)}{attempts}"
