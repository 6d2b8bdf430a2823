"""What must hold whatever was handed in: a success or one clear line, the right exit status, a quiet terminal."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

from tests.cli.driver import Done

STATUSES: Final = {0, 1, 2, 3, 4, 130}
REFUSED: Final = {2, 3, 4}
LINE_CHARS_MAX: Final = 13_000
UNSEEN: Final = re.compile("[\u034f\u115f\u1160\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0000-\U000e0fff]")


def calm(text: str) -> None:
    """Nothing in a text does anything to a terminal but show."""
    noisy = {each for each in text if not each.isprintable() and each not in "\n\t"}
    assert not noisy, ascii(sorted(noisy))
    assert UNSEEN.search(text) is None
    marks = 0
    for each in text:
        marks = marks + 1 if unicodedata.category(each) in ("Mn", "Me") else 0
        assert marks <= 4, "a heap of marks"


def decent(done: Done) -> None:
    """A command ended as it may, and what it said is fit to be read."""
    assert done.status in STATUSES, done
    assert "Traceback" not in done.errors
    calm(done.errors)
    calm(done.text)
    assert max((len(line) for line in done.errors.splitlines()), default=0) <= LINE_CHARS_MAX
    if done.status in REFUSED:
        refused(done)


def refused(done: Done) -> None:
    """A command said no, in one line."""
    assert done.errors.startswith("orchestrator: error: "), done
    assert done.errors.count("\n") == 1, done


def one_object_a_line(done: Done) -> None:
    """Standard output is JSON, an object a line, in plain ASCII."""
    assert done.output.isascii()
    for line in done.output.splitlines():
        assert isinstance(json.loads(line), dict)
