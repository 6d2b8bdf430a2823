"""What may be written on the command line of commands that say what a store keeps."""

from __future__ import annotations

from orchestrator.cli.arguments_shared import add_question, add_run_id
from orchestrator.cli.parser import Parser


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
