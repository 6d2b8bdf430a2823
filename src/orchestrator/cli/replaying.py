"""`replay` and `audit replay`: step through histories, with keys on a terminal, as lines elsewhere."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from events.errors import StoreError
from events.log.store import EventLog
from orchestrator import replaying
from orchestrator.cli.asking import opened
from orchestrator.cli.exits import STORE, SUCCEEDED
from orchestrator.cli.points import point
from orchestrator.cli.progress import draws
from orchestrator.cli.signals import Signals
from orchestrator.cli.step_lines import blocks, step_json
from orchestrator.cli.terminal import complain, say, shown, standard_output
from orchestrator.replaying import ReplayStep

_LINES_AT_ONCE: Final = 500
_Span = tuple[int | datetime | None, int | datetime | None]


def replay(options: Namespace, _: Signals) -> int:
    """Step through the history of a run."""
    span = _span(options)
    with opened(options) as log:
        if not options.json and os.isatty(0) and draws(standard_output()):
            from orchestrator.cli.stepping import step_through

            found = step_through(log, options.id, span)
        else:
            found = _print(log, options.id, span, as_json=options.json)
    if not found:
        say("no events there")
    return SUCCEEDED


def audit_replay(options: Namespace, signals: Signals) -> int:
    """Step through the history of a run, or print those of all runs."""
    if options.id is not None:
        return replay(options, signals)
    span, status = _span(options), SUCCEEDED
    with opened(options) as log:
        for run_id in log.recorder.ids():
            try:
                if not options.json:
                    standard_output().text(f"run {shown(run_id)}\n")
                _print(log, run_id, span, as_json=options.json)
            except StoreError as error:
                complain(str(error))
                status = STORE
    return status


def _span(options: Namespace) -> _Span:
    return point(options.first, "--from"), point(options.last, "--to")


def _print(log: EventLog, run_id: str, span: _Span, *, as_json: bool) -> bool:
    """Print the steps of a run as they are read; whether there were any."""
    block = _json_block if as_json else blocks()
    lines: list[str] = []
    found = False
    try:
        for step in replaying.replay(log, run_id, *span):
            found = True
            lines += block(step)
            if len(lines) >= _LINES_AT_ONCE:
                standard_output().lines(lines)
                lines = []
    finally:  # what came before any damage is printed in any case
        standard_output().lines(lines)
    return found


def _json_block(step: ReplayStep) -> Iterator[str]:
    yield step_json(step)
