"""The text of a plan file, and how places in it are named."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from events.errors import InvalidPlanError
from events.limits import Limits
from orchestrator.shown_text import shown

_SIMPLE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN_CHARS_MAX: Final = 60


def quoted(text: str) -> str:
    """Return a text in double quotes, on one line and not too long."""
    beginning = shortened(text)
    return f'"{beginning}"' if shown(beginning) == beginning else ascii(beginning)


def shortened(text: str) -> str:
    """Return a text, or the beginning of a long one."""
    return text if len(text) <= _SHOWN_CHARS_MAX else text[: _SHOWN_CHARS_MAX - 3] + "..."


def close_match(text: str, known: Iterable[str]) -> str | None:
    """Return the word that may have been meant, if there is one; a very long text meant none."""
    near = get_close_matches(text, known, n=1) if len(text) <= _SHOWN_CHARS_MAX else ()
    return near[0] if near else None


def join(path: str, key: str) -> str:
    """Return where a key stands: `tasks[3].id`."""
    if not _SIMPLE_KEY.fullmatch(key) or len(key) > _SHOWN_CHARS_MAX:
        return f"{path}[{quoted(key)}]"
    return f"{path}.{key}" if path else key


def label(path: str | os.PathLike[str]) -> str:
    """Return how a plan file is called in messages: its path as it was given."""
    text = os.fspath(path)
    return text if text and text.isprintable() else ascii(text)


def refusal(file: str, line: int | None, key: str, why: str) -> InvalidPlanError:
    """Return the error for one place of a plan: file, line, key and reason in one line."""
    place = file if line is None else f"{file}:{line}"
    return InvalidPlanError(f"{place}: {key}: {why}" if key else f"{place}: {why}")


def read_text(path: str | os.PathLike[str], limits: Limits) -> str:
    """Return the text of a plan file. Raises InvalidPlanError where it is no readable, regular UTF-8 file."""
    file = label(path)
    try:
        data = _read_bytes(file, Path(path), limits.plan_bytes_max)
    except OSError as error:
        raise refusal(file, None, "", f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refusal(file, line, "", f"is not UTF-8 text (byte {error.start:,})") from None


def _read_bytes(file: str, path: Path, bytes_max: int) -> bytes:
    if "\0" in str(path):
        raise refusal(file, None, "", "no path contains a NUL character")
    check_regular(file, path.stat(), bytes_max)
    # Without O_NONBLOCK, a pipe that took the file's place just now would keep us for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        check_regular(file, os.fstat(stream.fileno()), bytes_max)
        data = stream.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise refusal(file, None, "", f"is larger than the limit plan_bytes_max of {bytes_max:,} bytes")
    return data


def check_regular(file: str, found: os.stat_result, bytes_max: int | None, what: str = "a plan file") -> None:
    """Refuse what is no regular file, or larger than it may be. Raises InvalidPlanError."""
    if stat.S_ISDIR(found.st_mode):
        raise refusal(file, None, "", f"is a folder, not {what}")
    if not stat.S_ISREG(found.st_mode):
        raise refusal(file, None, "", f"is a pipe, a device or a socket, not {what}")
    if bytes_max is not None and found.st_size > bytes_max:
        most = f"the limit plan_bytes_max of {bytes_max:,}"
        raise refusal(file, None, "", f"has {found.st_size:,} bytes, more than {most}")
