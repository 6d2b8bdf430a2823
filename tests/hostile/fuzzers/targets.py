"""What is fuzzed: functions of some bytes that must come back, quietly, whatever the bytes are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from events.catalogue import DEFAULT_CATALOGUE
from events.errors import OrchestratorError, StoreError, UsageError
from events.log import Batch, EventLog, MemoryRecorder
from events.payload import decode_payload, encode_payload
from orchestrator import queries
from orchestrator.cli.arguments import SUMMARIES
from orchestrator.cli.terminal import brief, shown
from orchestrator.durations import DURATION_SECONDS_MAX, format_duration, parse_duration
from orchestrator.folded_pages import folded_children
from orchestrator.page_queries import child_query
from orchestrator.plan import load_plan
from orchestrator.templates import Template
from tests.cli.driver import CommandLine
from tests.hostile.checks import calm, decent

_LIMIT_BYTES: Final = 1_048_576


def plan(data: bytes) -> None:
    """A plan file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_bytes(data)
        try:
            load_plan(path)
        except UsageError as error:
            calm(str(error))


def template(data: bytes) -> None:
    """A command for `map`, up to the first line break, and an item."""
    text, _, item = data.decode("utf-8", "surrogateescape").partition("\n")
    try:
        assert "\0" not in Template(text).command(item, 0)
    except UsageError as error:
        calm(brief(str(error)))


def payload(data: bytes) -> None:
    """A JSON text: what is taken is read back as it was."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        text = encode_payload(value, what="input", bytes_max=_LIMIT_BYTES)
    except UsageError:
        return
    assert decode_payload(text) == value


def stored_row(data: bytes) -> None:
    """A stored name, up to the first line break, and the stored bytes."""
    name, _, body = data.partition(b"\n")
    try:
        fact = DEFAULT_CATALOGUE.decode(name.decode("utf-8", "replace"), body)
    except StoreError:
        return
    assert DEFAULT_CATALOGUE.decode(*DEFAULT_CATALOGUE.encode(fact)) == fact


def _children_of(log: EventLog, parent_id: str) -> object:
    return folded_children(log, parent_id, child_query())


def history(data: bytes) -> None:
    """A whole stream, a row a line (name, blank, bytes), whose hashes fit."""
    rows = [line.partition(b" ")[::2] for line in data.split(b"\n") if line]
    stored = [(name.decode("utf-8", "replace"), body) for name, body in rows]
    with EventLog(MemoryRecorder()) as log:
        if stored:
            log.recorder.append([Batch("r", 0, stored)])
        for ask in (queries.status_of, _children_of, lambda *each: list(queries.history_of(*each))):
            try:
                ask(log, "r")
            except OrchestratorError as error:
                calm(brief(str(error)))


def duration(data: bytes) -> None:
    """A span of time."""
    try:
        seconds = parse_duration(data.decode("utf-8", "surrogateescape"))
    except UsageError:
        return
    assert 0 < seconds <= DURATION_SECONDS_MAX
    assert format_duration(seconds)


def screen(data: bytes) -> None:
    """A text that is shown."""
    text = data.decode("utf-8", "surrogateescape")
    calm(shown(text))
    calm(brief(text))


def command_line(data: bytes) -> None:
    """The words of a command line, NUL between them. Nothing is run: `map` and `run` only say what they would do."""
    first, *others = data.decode("utf-8", "surrogateescape").split("\0")
    name = sorted(SUMMARIES)[ord(first[0]) % len(SUMMARIES)] if first else "map"
    words = [name, *(["--dry-run"] if name in ("map", "run") else []), *others]
    with TemporaryDirectory() as folder, CommandLine(Path(folder)) as cli:
        decent(cli.ask(*words))


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    each.__name__: each for each in (plan, template, payload, stored_row, history, duration, screen, command_line)
}
"""By name; the corpus of each is in a folder of that name."""
CORPUS: Final = Path(__file__).parents[1] / "corpus"
