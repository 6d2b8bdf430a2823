"""Virtual environments of the peers, one each, made when they are first needed; nothing of this project is in them."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / ".peers"
_SECONDS_MAX: Final = 900


class CannotInstallError(Exception):
    """A peer cannot be installed here; the text says why, and names no host and no path."""


def python_of(folder: Path, name: str, packages: Sequence[str], *, make: bool = True) -> Path:
    """Return the interpreter of an environment with these packages; make it where there is none.

    Raises:
        CannotInstallError: pip cannot install them; or there is no such environment, and none is to be made.

    """
    home = folder / name
    python, ready = home / "bin" / "python", home / ".ready"
    wanted = "\n".join(packages)
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return python
    if not make:
        raise CannotInstallError("not installed (make bench-full installs it)")
    print(f"  making the environment of {name} ...", file=sys.stderr, flush=True)
    try:
        venv.create(home, clear=True, symlinks=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotInstallError(f"no virtual environment can be made: {plain(str(error))}") from None
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise CannotInstallError(f"pip took longer than {_SECONDS_MAX} s to install {', '.join(packages)}") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise CannotInstallError(f"pip cannot install it: {plain((errors or ['no reason given'])[-1])}")
    ready.write_text(wanted, encoding="utf-8")
    return python


def plain(text: str, most: int = 200) -> str:
    """Return a text without addresses and paths, in one line: what is published names no machine."""
    text = re.sub(r"\w+://\S+", "...", " ".join(text.split()))
    text = re.sub(r"(?<![\w.])/[\w.~/+-]*/", ".../", text)
    return text[:most].replace("|", "/")
