"""Names that nobody should ever give, and that somebody will."""

from __future__ import annotations

from typing import Final

NAMES: Final[dict[str, str]] = {
    "line break": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "NUL": "a\0b",
    "bell and delete": "a\x07\x7f\x08b",
    "lone surrogate": "a\ud800b",
    "byte that is no text": "a\udcffb",
    "colours": "\x1b[31mred\x1b[0m",
    "clear the screen": "\x1b[2J\x1b[H\x1bc",
    "window title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;b3duZWQ=\x07",
    "C1 as characters": "\x9b31m\x90q\x9d0;owned\x9c",
    "C1 as bytes": "\udc9b31m\udc9d0;owned\udc9c",
    "right to left override": "abc\u202etxt.exe",
    "isolates": "\u2066a\u2069\u2067b\u2068",
    "direction marks": "\u200ea\u200fb\u061cc",
    "zero width": "a\u200b\u200c\u200d\u2060\ufeffb",
    "heap of marks": "e" + "\u0301\u0336" * 60,
    "fillers": "\u3164\u115f\u2800\uffa0",
    "variation selectors": "a\U000e0101\U000e0102\ufe01",
    "tag characters": "\U000e0041\U000e007f",
    "line separators": "a\u2028b\u2029c\x85d",
    "Hebrew": "\u05e9\u05dc\u05d5\u05dd 123",
    "up and away": "../../../x",
    "absolute": "/etc/passwd",
    "home": "~/x",
    "option": "--help",
    "shell": "$(touch owned); `touch owned` && touch owned | touch owned # '\"",
    "SQL": "'; DROP TABLE events; --",
    "format": "{0} {x.__class__} %s %n %(a)s",
    "markup": "[red]x[/red] [link=http://evil.example]y[/link] :smile:",
    "placeholders": "{} {#} {.} {item}",
    "JSON": '{"type": "x"}\\u001b',
    "long": "x" * 100_000,
    "long heap": "e" + "\u0301" * 50_000,
}
"""By what is wrong with them."""

IN_ARGV: Final = {what: name for what, name in NAMES.items() if "\0" not in name and what != "lone surrogate"}
"""Those that a process can be given on its command line, or in a variable."""
