"""What may be written on the command line of commands that look after a store."""

from __future__ import annotations

from orchestrator.cli.arguments_shared import add_key, add_question, add_store
from orchestrator.cli.parser import Parser


def doctor() -> Parser:
    """Return the parser of `doctor`."""
    parser = Parser(
        "doctor",
        "doctor [OPTIONS]",
        "Look at this machine and a store, and say what may be wrong and what to do about\n"
        "it: versions, settings in force, who may read the files, space on the disk, how\n"
        "far views are behind, runs that nobody works on, files left over. It changes\n"
        "nothing. Exit status 0, or 3 where something fails.",
        "orchestrator doctor\norchestrator doctor --json | jq -r 'select(.verdict != \"ok\")'",
    )
    add_key(parser)
    return add_question(parser, "print one JSON object a line")


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
        "Make a store of a backup. The backup is audited and stays as it is; there must\n"
        "be no store of that name. Runs go on with `orchestrator resume`, and positions\n"
        "go on where they were.",
        "orchestrator restore /backups/runs-2026-11-22.db\norchestrator restore copy.db --store runs.db",
    )
    parser.add_argument("file", metavar="FILE", help="what `backup` made")
    add_key(parser)
    add_store(parser)
    return parser
