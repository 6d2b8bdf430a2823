"""How things are spelled in a plan: regular expressions that the loader and the JSON Schema share."""

from __future__ import annotations

from typing import Final

COUNT: Final = "0|[1-9][0-9]{0,17}"
PERCENT: Final = r"(?:100(?:\.0{1,9})?|[0-9]{1,2}(?:\.[0-9]{1,9})?)%"
NAME: Final = "[A-Za-z_][A-Za-z0-9_]*"
USE: Final = rf"{NAME}(?:\.{NAME})*:{NAME}"
SECRET: Final = rf"(?:env:{NAME}|file:/[^\x00]+)"
BYTES: Final = "([1-9][0-9]{0,11})([kMG]?)"
WHOLE_MAX: Final = 10**18 - 1
"""Largest whole number; every store can hold it."""
