"""What may be written on the command line of commands that look back."""

from __future__ import annotations

from orchestrator.cli.arguments_shared import add_question, add_run_id
from orchestrator.cli.parser import Parser

_POINT_WORDS = "a position in the log, or a time as in ISO 8601 (local\nwithout a zone)"


def add_at(parser: Parser) -> None:
    """Add --at."""
    parser.add_argument("--at", metavar="POSITION|TIME", help=_POINT_WORDS)


def add_span(parser: Parser) -> None:
    """Add --from and --to."""
    parser.add_argument("--from", dest="first", metavar="POSITION|TIME", help="the first event is at or after it")
    parser.add_argument("--to", dest="last", metavar="POSITION|TIME", help="the last event is at or before it")


_REPLAY = (
    "On a terminal, keys move through the history: space or the right arrow goes on,\n"
    "the left arrow goes back, g goes to a position or a time, q quits. Elsewhere,\n"
    "and with --json, every event is printed, one after the other."
)


def replay() -> Parser:
    """Return the parser of `replay`."""
    parser = Parser(
        "replay",
        "replay ID [OPTIONS]",
        "Step through the history of a run: each event, and the status, the counts and\n"
        f"the open children right after it.\n\n{_REPLAY}",
        "orchestrator replay nightly\n"
        "orchestrator replay nightly --from 120 --to 160 | less\n"
        "orchestrator replay nightly --json | jq -c '[.event.type, .open_count]'",
    )
    add_run_id(parser)
    add_span(parser)
    return add_question(parser, "print one JSON object an event: event, status, open")


def audit_replay() -> Parser:
    """Return the parser of `audit replay`."""
    parser = Parser(
        "audit replay",
        "audit replay [ID] [OPTIONS]",
        "Step through the history of a run, as `orchestrator replay ID` does. Without an\n"
        "ID, print the histories of all runs of the store, one after the other; a\n"
        f"damaged one is named, and the others are printed all the same.\n\n{_REPLAY}",
        "orchestrator audit replay nightly\norchestrator audit replay --json | jq -c .event.type",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the run's id; all runs when left out")
    add_span(parser)
    return add_question(parser, "print one JSON object an event: event, status, open")


def diff() -> Parser:
    """Return the parser of `diff`."""
    parser = Parser(
        "diff",
        "diff ID A B [OPTIONS]",
        "Show what is different in a run at point B from what was at point A: its\n"
        "status, counts, limits and owner, and which children. Each is a position in the\n"
        "log, or a time as in ISO 8601 (local without a zone); either may be the earlier.",
        "orchestrator diff nightly 120 160\n"
        "orchestrator diff nightly 2026-11-22T03:00 2026-11-22T03:05\n"
        "orchestrator diff nightly 120 160 --json | jq '.children[].id'",
    )
    add_run_id(parser)
    parser.add_argument("a", metavar="A", help="the point that is looked from")
    parser.add_argument("b", metavar="B", help="the point that is compared with it")
    return add_question(parser, "print one JSON object")


def explain() -> Parser:
    """Return the parser of `explain`."""
    parser = Parser(
        "explain",
        "explain ID [OPTIONS]",
        "Say in one paragraph why a run stands as it does: what decided it, under which\n"
        "rule, by which children and their errors; or, of a run that is not decided, what\n"
        "it waits for, and what can still decide it.",
        "orchestrator explain nightly\n"
        "orchestrator explain nightly --at 120\n"
        "orchestrator explain nightly --json | jq .failures_left",
    )
    add_run_id(parser)
    add_at(parser)
    return add_question(parser, "print one JSON object")
