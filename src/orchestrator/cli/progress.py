"""The progress bar: done, failed, running, rate, time left; drawn by the main thread alone, in place."""

from __future__ import annotations

import os
import time
from collections import deque
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from events.errors import MissingExtraError
from orchestrator.cli.terminal import Output
from orchestrator.durations import format_duration

if TYPE_CHECKING:
    from rich.console import Console

    from events.views import Counts

_DRAW_SECONDS: Final = 0.1
_LINE_SECONDS: Final = 5.0
"""How often a line is written where nothing can be drawn in place."""
_FIRST_SECONDS: Final = 0.3
"""When it is drawn first: what is over sooner needs no bar."""
_WINDOW_SECONDS: Final = 10.0
"""Over what time the rate is taken."""
_BAR_COLUMNS: Final = (10, 40)
_ERASE: Final = "\r\x1b[2K"


def make_bar(wanted: bool | None, error: Output) -> Bar | None:
    """Return a bar if one is wanted (True), or where nobody said (None) if it would be seen.

    Raises:
        MissingExtraError: it is wanted and there is nothing to draw it with.
    """
    in_place = draws(error)
    if wanted is False or (wanted is None and not in_place):
        return None
    if find_spec("rich") is None:
        if wanted:
            raise MissingExtraError("--progress needs rich: pip install 'parallel-orchestrator[cli]'")
        return None
    return Bar(error, in_place=in_place)


def draws(output: Output) -> bool:
    """Whether an output is a terminal on which lines can be drawn anew."""
    return output.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


class Bar:
    """One line at the bottom of the terminal. Erase it before anything else is written, and draw it again then."""

    def __init__(self, error: Output, *, in_place: bool) -> None:
        self._error = error
        self._in_place = in_place
        self._console: Console | None = None
        self._ended: deque[tuple[float, int]] = deque()
        self._due = 0.0
        self._drawn = False

    def begin(self, counts: Counts) -> None:
        """Take note of where a run begins, or goes on from."""
        now = time.monotonic()
        self._ended.append((now, _ended(counts)))
        self._due = now + (_FIRST_SECONDS if self._in_place else _LINE_SECONDS)

    def due_seconds(self) -> float:
        """Return how long it may stay as it is."""
        return max(0.0, self._due - time.monotonic())

    def draw(self, counts: Counts, *, paused: bool = False, more: bool = False, part: float = 0.0) -> None:
        """Draw it anew, on the line where it is, or on a fresh one.

        `more` says that more children may come; `part` how many children's worth those have done that still run.
        """
        words = _words(counts, self._per_second(counts), paused=paused, more=more)
        if part and not more:
            words[0] += f" ({percent_done(counts, part)})"
        self._due = time.monotonic() + (_DRAW_SECONDS if self._in_place else _LINE_SECONDS)
        if not self._in_place:
            self._error.text("  ".join(words) + "\n")
            return
        before = _ERASE if self._drawn else "\n" if self._error.cursor.amid_line else ""
        self._drawn = False  # or it would be erased before it is written
        self._error.text(before + self._line(words, counts, more=more, part=part))
        self._drawn = True

    def erase(self) -> None:
        """Take it away: what is written next begins on a clean line."""
        if self._drawn:
            self._drawn = False
            self._error.text(_ERASE)
            self._error.cursor.amid_line = False

    def _per_second(self, counts: Counts) -> float | None:
        """Return how many children ended a second, over the last moments; None where that is not known yet."""
        now = time.monotonic()
        self._ended.append((now, _ended(counts)))
        while now - self._ended[1][0] > _WINDOW_SECONDS:
            self._ended.popleft()
        since, before = self._ended[0]
        some = self._ended[-1][1] - before
        return some / (now - since) if some > 0 and now > since else None

    def _line(self, words: list[str], counts: Counts, *, more: bool, part: float) -> str:
        from rich.console import Console
        from rich.progress_bar import ProgressBar

        if self._console is None:
            self._console = Console(stderr=True)
        room = self._console.size.width - 3  # the terminal's own ^C fits in, and goes with the line
        while len(words) > 1 and len("  ".join(words)) > room:
            words = words[:-1]
        text = "  ".join(words)[:room]
        least, most = _BAR_COLUMNS
        width = min(most, room - len(text) - 2)
        if width < least or more:  # nobody knows yet how long the bar would be
            return text
        with self._console.capture() as captured:
            bar = ProgressBar(total=max(1, counts.total), completed=_ended(counts) + part, width=width)
            self._console.print(bar, end="")
        return captured.get().replace("\n", "") + "  " + text


def percent_done(counts: Counts, part: float) -> str:
    """Return how much of all the work is done, with what running children say of theirs: `43%`."""
    return f"{int(100 * (_ended(counts) + part) / max(1, counts.total))}%"


def _ended(counts: Counts) -> int:
    return counts.total - counts.pending - counts.running


def _words(counts: Counts, per_second: float | None, *, paused: bool, more: bool) -> list[str]:
    left = counts.pending + counts.running
    words = [
        f"{_ended(counts):,} done" if more else f"{_ended(counts):,}/{counts.total:,}",
        f"{counts.failed + counts.timed_out:,} failed",
        f"{counts.running:,} running",
    ]
    if paused:
        return [words[0], "paused", *words[1:]]
    if per_second and more:
        words.append(rate(per_second))
    elif per_second:
        words += [rate(per_second), f"{format_duration(max(1.0, left / per_second)) if left else '0s'} left"]
    return words


def rate(per_second: float) -> str:
    """Return a rate as people read it: 812/s, 2.4/s, 31/min."""
    if per_second >= 9.95:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 0.95 else f"{per_second * 60:.2g}/min"
