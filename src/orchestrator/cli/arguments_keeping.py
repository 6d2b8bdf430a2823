"""What may be written on the command line of commands that say what a store keeps."""

from __future__ import annotations

from orchestrator.cli.arguments_shared import add_question, add_run_id
from orchestrator.cli.parser import Parser, duration


def redact() -> Parser:
    """Return the parser of `redact`."""
    parser = Parser(
        "redact",
        "redact ID [OPTIONS]",
        "Destroy the texts of an encrypted run for good, by destroying its data key: what\n"
        "its children were given, returned, failed with and said. What happened and when\n"
        "stays on record, and so does the reason, in clear. It needs no key file. The run\n"
        "must be settled; runs inside it go along. Backups are not reached.",
        "orchestrator redact nightly --reason 'erasure request 4711'",
    )
    add_run_id(parser)
    parser.add_argument("--reason", metavar="TEXT", help="put on record, in clear")
    return add_question(parser, "print the status as one JSON object")


def archive() -> Parser:
    """Return the parser of `archive`."""
    parser = Parser(
        "archive",
        "archive --older-than TIME [OPTIONS]",
        "Write settled runs, with the runs inside them, to a file: those to which nothing\n"
        "happened for so long. With --drop they are taken out of the store once the file\n"
        "is on disk and was read back. The proof of each stays in the store, so that\n"
        "`audit verify` can account for it; its id stays used. Needs no key file.",
        "orchestrator archive --older-than 90d --to 2026.jsonl\norchestrator archive --older-than 90d --drop",
    )
    parser.add_argument("--older-than", type=duration, required=True, metavar="TIME", help="90d, 12h, or seconds")
    parser.add_argument("--to", metavar="FILE", help="a new file (default: one beside the store)")
    parser.add_argument("--drop", action="store_true", help="take them out of the store then")
    return add_question(parser, "print what was done as one JSON object")
