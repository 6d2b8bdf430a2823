"""What may be written on the command line of commands that show a page of something."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from orchestrator.cli.parser import Parser, whole_number


def add_status(parser: Parser, words: Sequence[str], *names: str) -> None:
    """Add what names one status or several, with commas between."""
    joined = ", ".join(words)
    parser.add_argument(*names, type=_some_of(words), metavar="STATUS,...", help=f"only those: {joined}")


def add_page(parser: Parser, noun: str, limit_help: str, orders: Sequence[str]) -> None:
    """Add --order, --limit and --after."""
    forwards = ", ".join(order for order in orders if order[0] != "-")
    parser.add_argument(
        "--order",
        type=_one_of(orders),
        metavar="ORDER",
        help=f"{forwards}; with - before it the other\nway round: -{orders[0]}",
    )
    parser.signed.add("--order")
    parser.add_argument("--limit", type=whole_number(0), metavar="N", help=limit_help)
    parser.add_argument("--after", metavar="ID", help=f"only what follows on the {noun} of this id, in that order")


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(words)}, not {text!r}")
        return text

    return read


def _some_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        asked = text.split(",")
        for each in asked:
            if each not in words:
                raise argparse.ArgumentTypeError(f"expected one or some of {', '.join(words)}, not {each!r}")
        return asked

    return read
