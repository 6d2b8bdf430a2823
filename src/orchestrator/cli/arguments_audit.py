"""What may be written on the command line of `audit`, in each of its forms."""

from __future__ import annotations

import argparse
from typing import Final

from orchestrator.cli.arguments_shared import add_key, add_question, add_store
from orchestrator.cli.parser import Parser

FORMS: Final = ("verify", "export", "import", "seal", "replay")


def audit() -> Parser:
    """Return the parser of `audit` without a form, which says which ones there are."""
    parser = Parser(
        "audit",
        "audit verify|export|import|seal|replay [OPTIONS]",
        "Check what a store holds, take it elsewhere, bring it back.\n\n"
        "  verify   check that a store is what was written, and keeps every promise\n"
        "  export   write all events as lines that can be checked without us\n"
        "  import   make a store of an export\n"
        "  seal     seal a store with a key, so that forgers are found\n"
        "  replay   step through the history of a run, or print those of all\n\n"
        "orchestrator audit verify --help, and so on, says more.",
        "orchestrator audit verify\norchestrator audit export > log.jsonl",
    )
    parser.add_argument("what", type=_form, metavar="|".join(FORMS), help="what to do")
    return parser


def _form(text: str) -> str:
    raise argparse.ArgumentTypeError(f"there is no audit {text!r} in this release, only {', '.join(FORMS)}")


def verify() -> Parser:
    """Return the parser of `audit verify`."""
    parser = Parser(
        "audit verify",
        "audit verify [ID] [OPTIONS]",
        "Check a store, or one run of it: that every event is what was written (versions,\n"
        "hash chain, heads, positions, the file itself), and that no event breaks a rule.\n"
        "Each damaged run is named with its first bad event; the others are checked all\n"
        "the same. With the key that seals the store, forgers without it are found; with\n"
        "a receipt that was kept elsewhere, whatever was rewritten since.\n"
        "Exit status 0: sound, 3: damaged, 4: no such run.",
        "orchestrator audit verify\n"
        "orchestrator audit verify nightly --key-file audit.key\n"
        "orchestrator audit verify --receipt >> receipts.txt\n"
        "orchestrator audit verify --json | jq -r 'select(.problem)'",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the run's id; all runs and the file when left out")
    add_key(parser)
    parser.add_argument("--receipt", action="store_true", help="print, where all is sound, a receipt to keep elsewhere")
    parser.add_argument(
        "--against", action="append", default=[], metavar="RECEIPT", help="compare with it (may be repeated)"
    )
    return add_question(parser, "print one JSON object a line, the last one being the\nsummary")


def seal() -> Parser:
    """Return the parser of `audit seal`."""
    parser = Parser(
        "audit seal",
        "audit seal --key-file FILE [OPTIONS]",
        "Check a store and seal what it holds with a key: from then on nothing can be\n"
        "written to it without the key, and `audit verify` with the key finds what was.\n"
        "A store that is made with a key is sealed from its beginning. Seal a store while\n"
        "no other process uses it. To make a key:\n"
        "  head -c 32 /dev/urandom | base64 > audit.key",
        "orchestrator audit seal --key-file audit.key\norchestrator audit seal --replace --key-file new.key",
    )
    add_key(parser)
    parser.add_argument("--replace", action="store_true", help="although it is sealed: with another key from now on")
    add_store(parser)
    return parser


def export() -> Parser:
    """Return the parser of `audit export`."""
    parser = Parser(
        "audit export",
        "audit export [ID] [OPTIONS]",
        "Write all events of a store, or of one run, as lines of JSON, payloads included:\n"
        "to be kept, to be checked without this program, or to be imported. Whoever\n"
        "appends meanwhile is in nobody's way. Every event is checked on the way;\n"
        "damage ends the export, which then lacks its last line.",
        "orchestrator audit export > log.jsonl\n"
        "orchestrator audit export --output log.jsonl\n"
        "orchestrator audit export nightly --format cloudevents | jq .type",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the run's id; all runs when left out")
    parser.add_argument(
        "--format",
        choices=("jsonl", "cloudevents"),
        default="jsonl",
        help="jsonl (default), or CloudEvents 1.0 in JSON, one a line, without\npayloads that lie in files",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write it there, as a whole or not at all; never over\na file"
    )
    add_store(parser)
    return parser


def import_() -> Parser:
    """Return the parser of `audit import`."""
    parser = Parser(
        "audit import",
        "audit import FILE [OPTIONS]",
        "Make a store of an export, with the same positions and the same hashes: all of\n"
        "it or nothing. The store must be new, or have no events. An export that was\n"
        "altered or cut is refused, with the line.",
        "orchestrator audit import log.jsonl --store copy.db",
    )
    parser.add_argument("file", metavar="FILE", help="what `audit export` wrote")
    add_key(parser)
    add_store(parser)
    return parser
