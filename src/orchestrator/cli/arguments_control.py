"""What may be written on the command line of commands that control a run that is there."""

from __future__ import annotations

import argparse
from typing import Final

from orchestrator.cli.arguments_shared import (
    add_import,
    add_keep_order,
    add_key,
    add_manner,
    add_question,
    add_run_id,
    add_workers,
)
from orchestrator.cli.parser import Parser, at_least_some, number_or_percent, whole_number

_AGAIN: Final = ("failed", "timed_out", "cancelled", "skipped")
"""Outcomes after which a child may run again."""


def watch() -> Parser:
    """Return the parser of `watch`."""
    parser = Parser(
        "watch",
        "watch ID [OPTIONS]",
        "Show how a run stands whenever that changes, until it is settled, whichever\n"
        "process works on it. Exit status: that of the run. Ctrl-C ends the watching\n"
        "alone.",
        "orchestrator watch nightly\norchestrator watch nightly --json | jq .counts.succeeded",
    )
    add_run_id(parser)
    return add_question(parser, "print one JSON object a line, for each change")


def cancel() -> Parser:
    """Return the parser of `cancel`."""
    parser = Parser(
        "cancel",
        "cancel ID [OPTIONS]",
        "Cancel a run, whichever process works on it, or none. Children that run are\n"
        "stopped. A run that is decided already keeps its status; that is no error.",
        "orchestrator cancel nightly\n"
        "orchestrator cancel nightly --reason 'wrong folder'\n"
        "orchestrator cancel nightly --child 17",
    )
    add_run_id(parser)
    parser.add_argument("--child", metavar="ID", help="only this child of it")
    _add_reason(parser)
    add_key(parser)
    return add_question(parser, "print the status as one JSON object")


def pause() -> Parser:
    """Return the parser of `pause`."""
    parser = Parser(
        "pause",
        "pause ID [OPTIONS]",
        "Let no more children of a run start, whichever process works on it, or none.\n"
        "Those that run go on to their end. `orchestrator resume ID` lets it go on.",
        "orchestrator pause nightly\norchestrator pause nightly --reason 'the disk is filling up'",
    )
    add_run_id(parser)
    _add_reason(parser)
    add_key(parser)
    return add_question(parser, "print the status as one JSON object")


def resume() -> Parser:
    """Return the parser of `resume`."""
    parser = Parser(
        "resume",
        "resume [ID] [OPTIONS]",
        "Go on with a run that was interrupted, and end as it would have ended: exit\n"
        "status included. Interrupted children run again, finished ones never do.\n"
        "A run that was paused is paused no more; where another process works on it,\n"
        "that is all there is to do. Without ID: every run that is not finished, not\n"
        "paused, and that nobody works on.",
        "orchestrator resume nightly\norchestrator resume",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the run's id")
    add_workers(parser, "how many run at a time, at most")
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="although its owner seems to live (on another machine, say)",
    )
    add_keep_order(parser)
    add_import(parser)
    add_manner(parser, dry_run=False)
    return parser


def update() -> Parser:
    """Return the parser of `update`."""
    parser = Parser(
        "update",
        "update ID [OPTIONS]",
        "Change what a run may do while it lives, whichever process works on it, or none.\n"
        "It takes effect at once, and stands in the history. What runs goes on.",
        "orchestrator update nightly -j 2\n"
        "orchestrator update nightly --threshold 80%\n"
        "orchestrator update nightly --priority 10",
    )
    add_run_id(parser)
    group = parser.add_argument_group("what to change")
    add_workers(group, "how many run at a time, from now on (its process may have a cap of its own)")
    group.add_argument("--strategy", choices=("all", "any", "threshold"), help="how many must succeed")
    group.add_argument("--threshold", type=at_least_some, metavar="3|80%", help="so many must succeed")
    group.add_argument("--max-failures", type=number_or_percent, metavar="2|5%", help="fail once more than that failed")
    group.add_argument(
        "--weight", type=whole_number(1), metavar="N", help="its part of the workers, next to other runs"
    )
    group.add_argument("--priority", type=_number, metavar="N", help="runs of a higher priority go first")
    add_key(parser)
    return add_question(parser, "print the status as one JSON object")


def redrive() -> Parser:
    """Return the parser of `redrive`."""
    parser = Parser(
        "redrive",
        "redrive ID [OPTIONS]",
        "Run those children of a run again that ended without success, under the same\n"
        "ids, and end as the run then ends: exit status included. Children that have\n"
        "succeeded never run again. The run must be over; one that is decided is waited\n"
        "for.",
        "orchestrator redrive nightly\n"
        "orchestrator redrive nightly --outcome failed,timed_out\n"
        "orchestrator redrive nightly --child 17 --child 18\n"
        "orchestrator redrive nightly --error-type ConnectionError",
    )
    add_run_id(parser)
    group = parser.add_argument_group("which children (default: all that did not succeed)")
    group.add_argument(
        "--outcome", type=_outcomes, metavar="OUTCOME,...", help=f"those that ended so: {', '.join(_AGAIN)}"
    )
    group.add_argument("--child", action="append", metavar="ID", help="this one (may be repeated)")
    group.add_argument(
        "--error-type", action="append", metavar="NAME", help="those with an error of this type (may be repeated)"
    )
    _add_reason(parser)
    add_workers(parser, "how many run at a time, at most")
    add_import(parser)
    add_manner(parser, dry_run=False)
    return parser


def _add_reason(parser: Parser) -> None:
    parser.add_argument("--reason", metavar="TEXT", help="put on record")


def _outcomes(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    found = tuple(text.split(","))
    for outcome in found:
        if outcome not in _AGAIN:
            raise argparse.ArgumentTypeError(f"expected one or more of {', '.join(_AGAIN)}, not {outcome!r}")
    return found


def _number(text: str) -> int:
    """Return a whole number, which may be below 0."""
    return -whole_number(0)(text[1:]) if text.startswith("-") else whole_number(0)(text)
