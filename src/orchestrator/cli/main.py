"""The entry point of the command line: finds the command, and turns what goes wrong into a line and an exit status."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Final

from events.errors import OrchestratorError
from orchestrator.cli.arguments import SUMMARIES, parser_for
from orchestrator.cli.exits import SUCCEEDED, USAGE, exit_status
from orchestrator.cli.items import split_words
from orchestrator.cli.parser import Parser
from orchestrator.cli.signals import Interrupted, Signals
from orchestrator.cli.terminal import OutputError, complain, fill_standard_streams, say, standard_output

_PLACES: Final = {
    "map": ("starting", "map_items"),
    "run": ("starting", "run_plan"),
    "status": ("asking", "status"),
    "list": ("listing", "list_runs"),
    "children": ("listing", "children"),
    "events": ("asking", "events"),
    "replay": ("replaying", "replay"),
    "diff": ("explaining", "diff"),
    "explain": ("explaining", "explain"),
    "audit verify": ("auditing", "verify"),
    "audit export": ("exporting", "export_log"),
    "audit import": ("exporting", "import_log"),
    "audit seal": ("auditing", "seal"),
    "audit replay": ("replaying", "audit_replay"),
    "watch": ("watching", "watch"),
    "cancel": ("controlling", "cancel"),
    "pause": ("controlling", "pause"),
    "resume": ("resuming", "resume"),
    "update": ("controlling", "update"),
    "redrive": ("resuming", "redrive"),
    "redact": ("keeping", "redact"),
    "archive": ("keeping", "archive"),
    "doctor": ("doctoring", "doctor"),
    "backup": ("backing_up", "backup"),
    "restore": ("backing_up", "restore"),
    "schema": ("managing", "schema"),
}
"""Where each command is; it is imported only when it is called."""
_NAME_CHARS_MAX: Final = 20
"""So much of a name that no command has is compared with those that there are."""


def console() -> int:
    """Run the command line of this process and return its exit status."""
    fill_standard_streams()
    with Signals() as signals:
        try:
            return _run(sys.argv[1:], signals)
        except SystemExit as end:  # argparse, after --help or a refusal
            return end.code if isinstance(end.code, int) else USAGE
        except OrchestratorError as error:
            complain(str(error))
            return exit_status(error)
        except OutputError as error:
            if not error.closed:
                complain(str(error))
            return error.exit_status
        except Interrupted as error:
            say("interrupted")
            return error.exit_status


def _run(words: Sequence[str], signals: Signals) -> int:
    if not words or words[0].startswith("-"):
        return _without_command(words)
    name, rest = _command(words)
    if name not in _PLACES:
        near = get_close_matches(name[:_NAME_CHARS_MAX], [each.partition(" ")[0] for each in _PLACES], n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        _top().error(f"there is no command {name!r} in this release{hint}")
    items = None
    if name == "map":
        rest, items = split_words(rest)
    options = parser_for(name).parse_args(rest)
    options.items = items
    module, function = _PLACES[name]
    with signals.held_back():
        command: Callable[..., int] = getattr(importlib.import_module(f"orchestrator.cli.{module}"), function)
    return command(options, signals)


def _command(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of a command, which may have two words, and what follows it."""
    first, *rest = words
    if first != "audit":
        return (first if " " not in first else repr(first)), rest
    if rest and f"{first} {rest[0]}" in _PLACES:
        return f"{first} {rest[0]}", rest[1:]
    parser_for(first).parse_args(rest)  # which shows its help, or refuses
    return first, rest


def _without_command(words: Sequence[str]) -> int:
    parser = _top()
    if not words:
        parser.error("no command")
    options, others = parser.parse_known_args(words)
    if options.version:
        from orchestrator import __version__

        standard_output().text(f"orchestrator {__version__}\n")
        return SUCCEEDED
    parser.error(f"{others[0] if others else words[0]}: options come after the command")
    return USAGE


def _top() -> Parser:
    commands = "\n".join(f"  {name:<12} {summary}" for name, summary in SUMMARIES.items())
    parser = Parser(
        "",
        "COMMAND [OPTIONS]",
        f"Parallel tasks with a memory.\n\ncommands:\n{commands}\n\n"
        "orchestrator COMMAND --help says more. Runs are kept in a store: --store PATH,\n"
        "else $ORCHESTRATOR_STORE, else orchestrator.db in the current folder.\n\n"
        "exit status: 0 succeeded, 1 failed, cancelled or timed out, 2 wrong usage,\n"
        "  3 the store cannot be used, 4 no such run, 130 interrupted",
        "orchestrator map -j4 'gzip -k {}' ::: *.log\norchestrator list\norchestrator resume",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    return parser
