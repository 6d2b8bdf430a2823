"""The kind of parser that every command has, and the kinds of values that options take."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

from events.errors import UsageError
from orchestrator.cli.exits import USAGE
from orchestrator.cli.terminal import brief, standard_error, standard_output
from orchestrator.durations import parse_duration

_HELP_COLUMNS: Final = 79


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and writes as the rest of us do."""

    def __init__(self, command: str, usage: str, description: str, examples: str = "") -> None:
        super().__init__(
            prog=f"orchestrator {command}".strip(),
            usage=f"orchestrator {usage}",
            description=description,
            epilog=examples and "examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()),
            formatter_class=_formatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.signed: set[str] = set()
        """Options whose values may begin with a minus sign."""
        self.add_argument("-h", "--help", action="help", help="show this help and exit")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Refuse `--option=--`: argparse takes the value for the end of all options, and gives an empty list."""
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:
            raise argparse.ArgumentError(action, "expected a value, not --")
        return super()._get_values(action, arg_strings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and let `--order -created` be what `--order=-created` is: argparse takes `-created` for options."""
        words = list(sys.argv[1:] if args is None else args)
        for place in [place for place, word in enumerate(words[:-1]) if word in self.signed][::-1]:
            words[place : place + 2] = [f"{words[place]}={words[place + 1]}"]
        return super().parse_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        self.exit(USAGE, f"orchestrator: error: {brief(message)} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        stream = standard_error() if file is sys.stderr else standard_output()
        stream.text(message)


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=_HELP_COLUMNS)


def whole_number(least: int) -> Callable[[str], int]:
    """Return what reads a whole number from `least`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least}, not {text!r}")
        return int(text)

    return read


def number_or_percent(text: str) -> int | float | str:
    """Return 3 for "3" and "80%" for "80%"."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?%", text):
        if float(text[:-1]) > 100:
            raise argparse.ArgumentTypeError(f"a percentage is at most 100%, not {text!r}")
        return text
    raise argparse.ArgumentTypeError(f"expected a number such as 3 or a percentage such as 80%, not {text!r}")


def at_least_some(text: str) -> int | float | str:
    """Return what `number_or_percent` does, for what cannot be nothing."""
    found = number_or_percent(text)
    if not float(str(found).rstrip("%")):
        raise argparse.ArgumentTypeError(f"at least 1 child must succeed, or more than 0% of them, not {text!r}")
    return found


def duration(text: str) -> float:
    """Return seconds."""
    try:
        return parse_duration(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
