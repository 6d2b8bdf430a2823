"""The folder in which commands and worker processes run."""

from __future__ import annotations

from pathlib import Path


def current_folder() -> str | None:
    """Return the current folder; None where it was removed: processes then run in it, whatever that is worth."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return None
