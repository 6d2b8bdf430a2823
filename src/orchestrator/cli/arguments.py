"""What may be written on the command line: one parser a command, made only when that command is called."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from orchestrator.cli import (
    arguments_audit,
    arguments_control,
    arguments_keeping,
    arguments_operate,
    arguments_pages,
    arguments_past,
)
from orchestrator.cli.arguments_shared import (
    add_import,
    add_keep_order,
    add_manner,
    add_question,
    add_run_id,
    add_workers,
)
from orchestrator.cli.parser import Parser, at_least_some, duration, number_or_percent, whole_number

_OUTCOMES: Final = ("succeeded", "failed", "timed_out", "cancelled", "skipped")
_CHILD_STATUSES: Final = ("pending", "running", *_OUTCOMES)
_LATEST: Final = "only N: the latest, where neither --order nor --after\nis given"
_RUN_ORDERS: Final = ("created", "-created", "changed", "-changed")
_CHILD_ORDERS: Final = ("index", "-index", "finished", "-finished", "duration", "-duration")
_RUN_STATUSES: Final = ("pending", "running", "succeeded", "failed", "cancelled", "timed_out")

SUMMARIES: Final = {
    "map": "run a command once for each item, in parallel",
    "run": "run a plan file",
    "status": "show how a run stands, now or at an earlier point",
    "list": "list the runs of a store",
    "children": "list the children of a run",
    "events": "show the history of a run",
    "replay": "step through the history of a run",
    "diff": "show what changed in a run between two points",
    "explain": "say in one paragraph why a run stands as it does",
    "audit verify": "check that a store is what was written, and keeps every promise",
    "audit export": "write all events as lines that can be checked without us",
    "audit import": "make a store of an export",
    "audit seal": "seal a store with a key, so that forgers are found",
    "audit replay": "step through the history of a run, or print those of all",
    "watch": "follow a run until it is settled, whoever works on it",
    "cancel": "cancel a run or one child, whoever works on it",
    "pause": "let no more children of a run start for now",
    "resume": "go on with a run that was paused or interrupted",
    "update": "change workers, strategy or weight of a run that lives",
    "redrive": "run children again that ended without success",
    "redact": "destroy the texts of an encrypted run for good",
    "archive": "write old runs to a file, and take them out of the store",
    "doctor": "say what may be wrong with a machine and a store, and what to do",
    "backup": "copy a store to a file, also while others write to it",
    "restore": "make a store of a backup",
    "schema": "print the JSON Schema of plan files",
}
"""Every command and what it does."""


def parser_for(command: str) -> Parser:
    """Return the parser of a command."""
    return _PARSERS[command]()


def _map() -> Parser:
    parser = Parser(
        "map",
        "map [OPTIONS] 'COMMAND {}' ::: ITEM...",
        "Run COMMAND once for each item, several at a time, and keep a record of it.\n"
        "Items stand after ::: or come one per line on standard input. Options stand\n"
        "before COMMAND; several words are joined by spaces.\n\n"
        "In COMMAND, {} is the item, quoted for the shell; {/} its base name, {//} its\n"
        "directory, {.} without extension, {/.} base name without extension, {#} its\n"
        "index from 1. A command that names none gets the item appended.",
        "orchestrator map -j4 'gzip -k {}' ::: *.log\n"
        "find . -name '*.wav' | orchestrator map 'lame {} {.}.mp3'\n"
        "orchestrator map --threshold 80% --retries 2 'curl -fsSO {}' < urls.txt",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument(
        "-0", "--null", action="store_true", help="items on standard input end with NUL, as those\nof find -print0 do"
    )
    _add_rules(parser)
    add_manner(parser)
    return parser


def _run() -> Parser:
    parser = Parser(
        "run",
        "run PLAN.yaml [OPTIONS]",
        "Run a plan file. Options override what the plan says.",
        "orchestrator run nightly.yaml\n"
        "orchestrator run nightly.yaml --dry-run\n"
        "orchestrator run nightly.yaml --id nightly-2026-11-22 -j4",
    )
    parser.add_argument("plan", metavar="PLAN.yaml", help="the plan file")
    _add_rules(parser)
    add_import(parser)
    add_manner(parser)
    return parser


def _add_rules(parser: Parser) -> None:
    group = parser.add_argument_group("what counts")
    add = group.add_argument
    add("--id", metavar="ID", help="the run's id (a fresh one when left out); a run of\nthis id is gone on with")
    add_workers(group, "how many run at a time (default: one per core)")
    add_keep_order(group)
    add("--strategy", choices=("all", "any", "threshold"), help="how many must succeed (default: all)")
    add("--threshold", type=at_least_some, metavar="3|80%", help="so many must succeed")
    add("--max-failures", type=number_or_percent, metavar="2|5%", help="fail once more than that failed")
    add("--on-decided", choices=("cancel", "drain", "continue"), help="what becomes of the rest (default: cancel)")
    add("--retries", type=whole_number(0), metavar="N", help="further attempts after a failure")
    add("--timeout", type=duration, metavar="TIME", help="for one attempt: 90, 90s, 10m, 1h30m")
    add("--deadline", type=duration, metavar="TIME", help="for the whole run")


def _status() -> Parser:
    parser = Parser(
        "status",
        "status ID [OPTIONS]",
        "Show how a run stands, now or as it was at a position or a time.",
        "orchestrator status nightly\n"
        "orchestrator status nightly --json\n"
        "orchestrator status nightly --at 2026-11-22T03:00",
    )
    add_run_id(parser)
    arguments_past.add_at(parser)
    return add_question(parser, "print one JSON object")


def _list() -> Parser:
    parser = Parser(
        "list",
        "list [OPTIONS]",
        "List the runs of a store, the oldest first.",
        "orchestrator list\n"
        "orchestrator list --status running,pending\n"
        "orchestrator list --order -changed --limit 10\n"
        "orchestrator list --limit 10 --json",
    )
    arguments_pages.add_status(parser, _RUN_STATUSES, "--status")
    arguments_pages.add_page(parser, "run", _LATEST, _RUN_ORDERS)
    return add_question(parser, "print one JSON object a line")


def _children() -> Parser:
    parser = Parser(
        "children",
        "children ID [OPTIONS]",
        "List the children of a run, in their order, now or as they were at a position or\na time.",
        "orchestrator children nightly --status failed,timed_out\n"
        "orchestrator children nightly --order -duration --limit 10\n"
        "orchestrator children nightly --at 2026-11-22T03:00\n"
        "orchestrator children nightly --json | jq -r .output.stdout",
    )
    add_run_id(parser)
    arguments_pages.add_status(parser, _CHILD_STATUSES, "--status", "--outcome")
    parser.add_argument("--task", metavar="NAME", help="only those of this task; shell for commands")
    arguments_pages.add_page(parser, "child", "only the first N", _CHILD_ORDERS)
    arguments_past.add_at(parser)
    return add_question(parser, "print one JSON object a line")


def _events() -> Parser:
    parser = Parser(
        "events",
        "events ID [OPTIONS]",
        "Show every recorded event of a run, from the first to the latest.",
        "orchestrator events nightly\norchestrator events nightly --json | jq -r .type",
    )
    add_run_id(parser)
    return add_question(parser, "print one JSON object a line")


def _schema() -> Parser:
    parser = Parser(
        "schema",
        "schema [--store URL [--role NAME]]",
        "Print the JSON Schema of plan files, for editors and checks. With --store\n"
        "postgresql://..., print the SQL by which an administrator makes that store, and\n"
        "lets a role append to it that may change no event; nothing is connected to.",
        "orchestrator schema > plan.schema.json\n"
        "orchestrator schema --store postgresql://runner@db/runs | psql -d runs",
    )
    parser.add_argument("--store", metavar="URL", help="the store to be made")
    parser.add_argument("--role", metavar="NAME", help="who is to append to it; the user of the URL when left out")
    return parser


def _joined(words: tuple[str, ...]) -> str:
    return ", ".join(words)


_PARSERS: Final[dict[str, Callable[[], Parser]]] = {
    "map": _map,
    "run": _run,
    "status": _status,
    "list": _list,
    "children": _children,
    "events": _events,
    "replay": arguments_past.replay,
    "diff": arguments_past.diff,
    "explain": arguments_past.explain,
    "audit": arguments_audit.audit,
    "audit verify": arguments_audit.verify,
    "audit export": arguments_audit.export,
    "audit import": arguments_audit.import_,
    "audit seal": arguments_audit.seal,
    "audit replay": arguments_past.audit_replay,
    "watch": arguments_control.watch,
    "cancel": arguments_control.cancel,
    "pause": arguments_control.pause,
    "resume": arguments_control.resume,
    "update": arguments_control.update,
    "redrive": arguments_control.redrive,
    "redact": arguments_keeping.redact,
    "archive": arguments_keeping.archive,
    "doctor": arguments_operate.doctor,
    "backup": arguments_operate.backup,
    "restore": arguments_operate.restore,
    "schema": _schema,
}
