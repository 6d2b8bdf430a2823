"""`audit export` and `audit import`: the events of a store as lines, and back."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from events.errors import StoreUnavailableError, UsageError
from events.log import open_log
from events.log.cloud_events import cloud_events
from events.log.exporting import export
from events.log.importing import check_export, import_export
from events.log.new_file import new_file, refuse_store
from orchestrator import __version__
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.asking import open_store
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.keys import audit_key
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import say, shown, standard_output
from orchestrator.shown_text import many

_TEXT_BYTES: Final = 65_536
"""So much is handed to standard output at a time, or a line."""


def export_log(options: Namespace, _: Signals) -> int:
    """Write the events of a store, or of one run."""
    with open_store(options.store or default_store(), options.id) as log:
        lines = (
            cloud_events(log, options.id) if options.format == "cloudevents" else export(log, __version__, options.id)
        )
        if options.output is None:
            for text in _texts(lines):
                standard_output().text(text.decode("ascii"))
        else:
            refuse_store(log.location, Path(options.output))
            _save(Path(options.output), lines)
    if options.output is not None:
        say(f"exported to {shown(options.output)}")
    return SUCCEEDED


def _save(path: Path, lines: Iterator[bytes]) -> None:
    with new_file(path) as unnamed:
        try:
            with unnamed.open("wb") as file:
                file.writelines(lines)
        except OSError as error:
            raise StoreUnavailableError(f"{path}: {error.strerror or error}") from error


def _texts(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Join short lines, so that few writes are needed."""
    some: list[bytes] = []
    size = 0
    for line in lines:
        some.append(line)
        size += len(line)
        if size >= _TEXT_BYTES:
            yield b"".join(some)
            some, size = [], 0
    yield b"".join(some)


def import_log(options: Namespace, _: Signals) -> int:
    """Make a store of an export."""
    store, path = options.store or default_store(), Path(options.file)
    if store == "memory:":
        raise UsageError("what is imported into memory: is gone at once; give a path")
    key = audit_key(options)
    check_export(path)
    with open_log(store, audit_key=key) as log:
        imported = import_export(path, log)
        place = log.location
    runs, events = many(imported.runs, "run"), many(imported.events, "event")
    say(f"imported {runs} with {events} into {shown(place)}; check it with: orchestrator audit verify")
    return SUCCEEDED
