"""`replay` on a terminal: a screen that shows one step, and keys that move."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from os import get_terminal_size
from typing import Final

from events.errors import UsageError
from events.log.store import EventLog
from events.views import moment
from orchestrator.cli.asking import here, legible
from orchestrator.cli.keyboard import Keyboard
from orchestrator.cli.points import some_point
from orchestrator.cli.step_lines import blocks, open_words
from orchestrator.cli.stepper import Stepper
from orchestrator.cli.summary import standing
from orchestrator.cli.terminal import Output, cut, shown, standard_output
from orchestrator.replaying import ReplayStep

_HELP: Final = "space → next   ← back   g go to   home end   q quit"
_PAGE: Final = 10
"""How many steps the page keys move by."""
_DATA_LINES_MAX: Final = 8
_OTHER_LINES: Final = 12
"""How many lines the screen has beside an event's fields and most of the open children."""
_PROMPT: Final = "go to position or time: "
_QUIT: Final = frozenset({"q", "escape", "hung up", "\x04"})
_FORWARD: Final = frozenset({"right", "down", " ", "n", "enter", "j"})
_BACK: Final = frozenset({"left", "up", "p", "backspace", "k"})


def step_through(log: EventLog, run_id: str, span: tuple[int | datetime | None, int | datetime | None]) -> bool:
    """Let the person at the terminal step through a run; whether there was anything to step through.

    The step that is left last stays to be seen when the screen is gone.
    """
    stepper = Stepper(log, run_id, *span)
    if stepper.empty:
        return False
    output = standard_output()
    with Keyboard(output) as keyboard:
        _Screen(log, stepper, keyboard, output).run()
    output.lines(blocks()(stepper.step))
    return True


class _Screen:
    """Shows a step, and does what keys say."""

    def __init__(self, log: EventLog, stepper: Stepper, keyboard: Keyboard, output: Output) -> None:
        self._log = log
        self._stepper = stepper
        self._keyboard = keyboard
        self._output = output
        self._said = ""
        """What the last line says instead of which keys there are."""

    def run(self) -> None:
        while True:
            self._draw(self._said or _HELP)
            key = self._keyboard.key()
            if key != "redraw":
                self._said = ""
            if key in _QUIT:
                return
            self._move(key)

    def _move(self, key: str) -> None:
        stepper = self._stepper
        if key in _FORWARD or key == "page down":
            if not stepper.forward(_PAGE if key == "page down" else 1):
                self._said = "this is the last event there is; any further one can be reached once it is on record"
        elif key in _BACK or key == "page up":
            if not stepper.back(_PAGE if key == "page up" else 1):
                self._said = "this is the first event"
        elif key == "home":
            stepper.home()
        elif key == "end":
            stepper.end()
        elif key == "g":
            self._go()

    def _go(self) -> None:
        """Ask where to, and go there."""
        typed = ""
        while True:
            self._draw(f"{_PROMPT}{typed}_")
            key = self._keyboard.key()
            if key in ("escape", "hung up"):
                return
            if key == "enter":
                break
            if key == "backspace":
                typed = typed[:-1]
            elif len(key) == 1:
                typed += key
        if not typed.strip():
            return
        try:
            self._stepper.to(some_point(typed.strip(), "go to"))
        except UsageError as error:
            self._said = shown(str(error))

    def _draw(self, last: str) -> None:
        """Draw all lines anew, in one write. What does not fit is left out, the last line never."""
        size = get_terminal_size(1)
        rows, columns = max(2, size.lines), max(10, size.columns)
        lines = [cut(line, columns) for line in self._lines(rows)][: rows - 1]
        lines += [""] * (rows - 1 - len(lines))
        drawn = "".join(f"{line}\x1b[K\r\n" for line in lines)
        self._output.text(f"\x1b[H{drawn}{cut(last, columns - 1)}\x1b[K")

    def _lines(self, rows: int) -> Iterator[str]:
        step = self._stepper.step
        status = step.status
        head = self._log.head(status.id)
        of = "" if head is None else f" of {head.version:,}"
        yield f"run {shown(status.id)}   event {status.version:,}{of}   position {status.position:,}"
        yield ""
        yield from _event_lines(step, max(0, min(_DATA_LINES_MAX, rows - _OTHER_LINES)))
        yield ""
        yield f"status    {standing(status, paused=step.paused)}"
        yield f"strategy  {status.strategy.kind}: {status.strategy.required:,} must succeed"
        yield f"owner     {'nobody' if step.owner is None else shown(step.owner)}"
        yield f"open      {step.open_count:,} {'child' if step.open_count == 1 else 'children'}"
        for child in step.open:
            yield f"  {shown(child.id)}  {open_words(child)}"
        more = step.open_count - len(step.open)
        if more:
            yield f"  and {more:,} more"


def _event_lines(step: ReplayStep, most: int) -> Iterator[str]:
    """Yield an event and at most so many of its fields."""
    event = step.event
    yield f"{event.type}   {here(event.at):%Y-%m-%d %H:%M:%S.%f}"
    data = list(event.data.items())
    for name, value in data[:most]:
        yield f"  {name}  {_field(name, value)}"
    if len(data) > most:
        yield f"  and {len(data) - most} more fields"


def _field(name: str, value: object) -> str:
    if name == "not_before" and isinstance(value, int):
        return f"{here(moment(value)):%Y-%m-%d %H:%M:%S.%f}"
    plain = legible(name, value)
    return shown(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))
