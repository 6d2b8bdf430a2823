"""What the doctor says of one thing."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["ok", "warn", "fail"]


class Remark(NamedTuple):
    """One line of the doctor's."""

    about: str
    """What was looked at, in a word."""
    verdict: Verdict
    text: str
    """What was found."""
    advice: str = ""
    """What to do; nothing where all is well."""


def size(number: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"
