"""What may be written on the command line of commands that look after a store."""

from __future__ import annotations

from orchestrator.cli.arguments_shared import add_key, add_store
from orchestrator.cli.parser import Parser


def backup() -> Parser:
    """Return the parser of `backup`."""
    parser = Parser(
        "backup",
        "backup FILE [OPTIONS]",
        "Copy a store to FILE, and its payload files to FILE.payloads, as they are at one\n"
        "instant. Whoever writes to the store meanwhile is in nobody's way. The copy is\n"
        "audited before it gets its name; nothing is ever written over.",
        "orchestrator backup /backups/runs-$(date +%F).db\norchestrator backup copy.db --store runs.db",
    )
    parser.add_argument("file", metavar="FILE", help="the copy; there must be nothing of that name")
    add_key(parser)
    add_store(parser)
    return parser


def restore() -> Parser:
    """Return the parser of `restore`."""
    parser = Parser(
        "restore",
        "restore FILE [OPTIONS]",
        "Make a store of a backup. The backup is audited and stays as it is; there must be\n"
        "no store of that name. Runs go on with `orchestrator resume`, and positions go\n"
        "on where they were.",
        "orchestrator restore /backups/runs-2026-11-22.db\norchestrator restore copy.db --store runs.db",
    )
    parser.add_argument("file", metavar="FILE", help="what `backup` made")
    add_key(parser)
    add_store(parser)
    return parser
