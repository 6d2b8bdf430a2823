"""What several commands take on the command line."""

from __future__ import annotations

import argparse
import os

from orchestrator.cli.parser import Parser, whole_number


def default_store() -> str:
    """Return the store that is used when none is named."""
    return os.environ.get("ORCHESTRATOR_STORE") or "orchestrator.db"


def add_workers(group: argparse._ActionsContainer, text: str) -> None:
    """Add -j/--max-workers."""
    group.add_argument("-j", "--max-workers", type=whole_number(1), metavar="N", help=text)


def add_keep_order(group: argparse._ActionsContainer) -> None:
    """Add -k/--keep-order."""
    group.add_argument(
        "-k", "--keep-order", action="store_true", help="print what children print in the order of the items"
    )


def add_import(group: argparse._ActionsContainer) -> None:
    """Add --import."""
    group.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="import a module that defines tasks (may be repeated)",
    )


def add_manner(parser: Parser, *, dry_run: bool = True) -> None:
    """Add what says in which manner runs are followed."""
    group = parser.add_argument_group("in which manner")
    add_store(group)
    add_key(group)
    group.add_argument("--json", action="store_true", help="print the final status alone, as JSON")
    group.add_argument("--quiet", action="store_true", help="no progress, no summary")
    group.add_argument("--compress", action="store_true", help="compress long texts on record")
    if dry_run:
        group.add_argument("--dry-run", action="store_true", help="print what would be run, and do nothing")
    group.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="a progress bar (default: if standard error is a terminal)",
    )


def add_store(group: argparse._ActionsContainer) -> None:
    """Add --store and --encryption-key-file, which go together."""
    group.add_argument(
        "--store",
        metavar="PATH",
        help="a path, or postgresql://user@host/database;\ndefault: $ORCHESTRATOR_STORE, else orchestrator.db",
    )
    group.add_argument(
        "--encryption-key-file",
        metavar="FILE",
        help="keys of encrypted runs (default:\n$ORCHESTRATOR_ENCRYPTION_KEY_FILE, else none)",
    )


def add_key(group: argparse._ActionsContainer) -> None:
    """Add --key-file."""
    group.add_argument(
        "--key-file",
        metavar="FILE",
        help="the key that seals the store (default:\n$ORCHESTRATOR_AUDIT_KEY_FILE, else none)",
    )


def add_question(parser: Parser, help_json: str) -> Parser:
    """Add what every question takes, and return the parser."""
    add_store(parser)
    parser.add_argument("--json", action="store_true", help=help_json)
    return parser


def add_run_id(parser: Parser) -> None:
    """Add the run's id."""
    parser.add_argument("id", metavar="ID", help="the run's id")
