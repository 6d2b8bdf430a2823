"""Command templates: `gzip {}` and its kin, filled so that an item is data to the shell and never code."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BufferedIOBase
from types import MappingProxyType
from typing import Final

from events.errors import LimitExceededError, UsageError
from events.limits import DEFAULT_LIMITS
from orchestrator.shell_text import INDEX, PLACEHOLDERS, Place, Slot, scan

COMMAND_CHARS_MAX: Final = 131_072
"""Longest command that is looked at for placeholders; Linux takes no longer one."""
_NO_PARTS: Final[Mapping[str, str]] = MappingProxyType({})
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+:,./-]+")
_RESERVED: Final = frozenset(
    {
        "case",
        "coproc",
        "do",
        "done",
        "elif",
        "else",
        "esac",
        "fi",
        "for",
        "function",
        "if",
        "in",
        "select",
        "then",
        "time",
        "until",
        "while",
    }
)
_SPECIAL: Final = re.compile(r'([$`"\\])')


def _base(item: str) -> str:
    """Return what basename(1) prints: the last part of the path, without slashes at its end."""
    return posixpath.basename(item.rstrip("/")) or item[:1]


def _directory(item: str) -> str:
    """Return what dirname(1) prints: the path without its last part, "." where that is all there is."""
    if not item.strip("/"):
        return item[:1] or "."
    head, slash, _ = item.rstrip("/").rpartition("/")
    return (head.rstrip("/") or slash) if slash else "."


def _without_extension(item: str) -> str:
    """Return the item without its last ".xyz". A name such as ".profile" is all name and stays."""
    return posixpath.splitext(item)[0]


_READ_BYTES: Final = 65_536
_VALUES: Final[dict[str, Callable[[str, int], str]]] = {
    "{}": lambda item, _index: item,
    "{/}": lambda item, _index: _base(item),
    "{//}": lambda item, _index: _directory(item),
    "{.}": lambda item, _index: _without_extension(item),
    "{/.}": lambda item, _index: _without_extension(_base(item)),
    "{#}": lambda _item, index: str(index + 1),
}


def _in_single_quotes(value: str) -> str:
    return value.replace("'", "'\"'\"'")


def _word(value: str) -> str:
    """Quote as `shlex.quote` does, and also what a shell reads specially when it stands alone (`if`, `A=b`)."""
    return value if _PLAIN.fullmatch(value) and value not in _RESERVED else f"'{_in_single_quotes(value)}'"


_QUOTED: Final[dict[Place, Callable[[str], str]]] = {
    "word": _word,
    # Always in quotes: a bare 2 before > would name a file descriptor, a bare a,b inside {...} would be split.
    "joined": lambda value: f"'{_in_single_quotes(value)}'",
    "single": _in_single_quotes,
    "double": lambda value: _SPECIAL.sub(r"\\\1", value),
    "glued": lambda value: f"\"'{_in_single_quotes(value)}'\"",
    "arithmetic": lambda value: value,
}


class Template:
    """A shell command with placeholders for an item.

    `{}` is the item, `{/}` its base name, `{//}` its directory ("." where there is none), `{.}` the item without
    extension, `{/.}` its base name without extension, `{#}` its index from 1. A command that names none of them
    gets ` {}` appended. `also` names further placeholders for the item (`{url}`). All else is left as it is: a
    backslash before a placeholder, `${x}`, `{a,b}` and comments mean to the shell what they always do.

    Placeholders are filled by where they stand: alone, within a word, inside '...' or "...", inside $(...). In all
    of these the command receives the very characters of the item. What the command then makes of them is its own
    affair: an item may look like an option, and `awk` or `ssh host` run their arguments as programs.

    Raises:
        LimitExceededError: the command is longer than `COMMAND_CHARS_MAX`.
        UsageError: the command is empty, has a quote that is never closed, or a placeholder stands where no quoting
            keeps an item plain data: backticks, $'...', ${...}, here-documents, the program of `sh -c`.
    """

    def __init__(self, text: str, *, also: Iterable[str] = ()) -> None:
        self.text: Final = text
        self._own = tuple(f"{{{name}}}" for name in also)
        self._pieces = self._parse((*PLACEHOLDERS, *self._own))

    def _parse(self, names: tuple[str, ...]) -> tuple[str | Slot, ...]:
        if not self.text.strip():
            raise UsageError("the command is empty")
        if len(self.text) > COMMAND_CHARS_MAX:
            raise LimitExceededError(
                f"the command has {len(self.text):,} characters, more than the {COMMAND_CHARS_MAX:,} that systems take"
            )
        scanned = scan(self.text, names)
        if any(isinstance(piece, Slot) for piece in scanned.pieces):
            return scanned.pieces
        if not scanned.complete:
            raise UsageError("the command has no place for an item at its end: say with {} where it goes")
        return scan(f"{self.text[: scanned.end]} {{}}{self.text[scanned.end :]}", names).pieces

    def command(self, item: str | Sequence[str], index: int, parts: Mapping[str, str] = _NO_PARTS) -> str:
        """Return the command for an item, the `index`-th (from 0), or for a list of items, side by side.

        `parts` says what placeholders named with `also` stand for, where that is not the item itself.

        Raises:
            UsageError: the item contains a NUL character.
            LimitExceededError: the command would be too long.
        """
        items = [item] if isinstance(item, str) else item
        if any("\0" in text for text in (*items, *parts.values())):
            raise UsageError(f"item {index + 1} contains a NUL character, which no command can be given")
        pieces, chars, most = [], 0, DEFAULT_LIMITS.item_bytes_max
        for piece in self._pieces:
            pieces.append(piece if isinstance(piece, str) else self._filled(piece, items, index, parts))
            chars += len(pieces[-1])
            if chars > most:
                text = f"the limit item_bytes_max of {most:,} bytes"
                raise LimitExceededError(f"item {index + 1} makes the command longer than {text}")
        return "".join(pieces)

    def _filled(self, slot: Slot, items: Sequence[str], index: int, parts: Mapping[str, str]) -> str:
        quote = _QUOTED[slot.place]
        if slot.name in parts:
            return quote(parts[slot.name])
        if slot.name == INDEX:
            return quote(str(index + 1))
        values = items if slot.name in self._own else [_VALUES[slot.name](item, index) for item in items]
        return " ".join([quote(value) for value in values])

    def require_words(self, own: str) -> None:
        """Refuse a command that cannot take several items for one: each is to be a word of its own. Raises UsageError.

        `own` is the placeholder for the item itself; other ones named with `also` stand for one thing each.
        """
        for piece in self._pieces:
            many = isinstance(piece, Slot) and (piece.name == own or piece.name in _VALUES) and piece.name != INDEX
            if many and isinstance(piece, Slot) and piece.place != "word":
                raise UsageError(f"{piece.name} stands for several items in a batch, so it has to stand by itself")


def split_items(
    stream: BufferedIOBase, *, null: bool = False, line_bytes_max: int = DEFAULT_LIMITS.item_bytes_max
) -> Iterator[str]:
    r"""Yield the lines of a stream, without their newline, as they come; or, with `null`, what NUL characters end.

    An empty line is an empty item, a last line needs no newline, and a carriage return is a part of its line. Bytes
    that are no text are kept as Python keeps undecodable file names, and reach the command as the same bytes.

    Raises:
        UsageError: a line contains a NUL character.
        LimitExceededError: a line is longer than `line_bytes_max` bytes.
    """
    lines = _ended_by_null(stream, line_bytes_max) if null else _lines(stream, line_bytes_max)
    for number, line in enumerate(lines, 1):
        what = f"item {number}" if null else f"line {number} of the items"
        if len(line) > line_bytes_max:
            raise LimitExceededError(f"{what} is longer than the limit item_bytes_max of {line_bytes_max:,} bytes")
        if b"\0" in line:
            raise UsageError(f"{what} contains a NUL character: give one item a line, or end each with NUL (-0)")
        yield os.fsdecode(line)


def _lines(stream: BufferedIOBase, most: int) -> Iterator[bytes]:
    """Yield lines; of one that is too long the beginning, which says so."""
    while line := stream.readline(most + 2):
        yield line.removesuffix(b"\n")


def _ended_by_null(stream: BufferedIOBase, most: int) -> Iterator[bytes]:
    """Yield what NUL characters end; of what is too long the beginning, which says so."""
    rest = b""
    while some := stream.read1(_READ_BYTES):
        *whole, rest = (rest + some).split(b"\0")
        yield from whole
        if len(rest) > most:
            break
    if rest:
        yield rest
