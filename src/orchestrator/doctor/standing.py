"""What the doctor says of what is kept beside the events: seals, and views and how far behind they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from events.errors import AuditKeyError
from events.log.audit_key import AuditKey
from events.log.seal_check import SealCheck
from events.log.sqlite_connection import Connection, open_reader
from events.log.sqlite_file import StoreFile
from events.log.store import EventLog
from orchestrator.doctor.remark import Remark

_LAG_MANY: Final = 100_000
"""So many events take whoever asks a view next a while."""


def seals(log: EventLog, key: AuditKey | None) -> Remark:
    """Say whether the store is sealed, and whether the seal of the store fits."""
    totals = log.recorder.seal_totals()
    if totals is None and key is None:
        return Remark("seals", "ok", "the store is not sealed with an audit key")
    if totals is not None and key is None:
        return Remark(
            "seals", "ok", "the store is sealed; without its key nothing is checked and nothing can be written"
        )
    try:
        wrong = [finding.problem for finding in SealCheck(log.recorder, key).whole()] if key is not None else []
    except AuditKeyError as error:
        return Remark("seals", "fail", str(error), "give the key that the store was sealed with")
    if wrong:
        return Remark("seals", "fail", "; ".join(wrong), "orchestrator audit verify --key-file ... says more")
    return Remark("seals", "ok", "the seal of the store fits")


def views(log: EventLog, store: Path) -> Iterator[Remark]:
    """Say how far each view is behind the events, where the store has any."""
    file = StoreFile(store)
    file.open(must_exist=True)
    with closing(open_reader(Connection, file)) as reader:
        tables = {name for (name,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "projections" not in tables:
            return
        try:
            found = reader.execute("SELECT name, max(position) FROM projections GROUP BY name ORDER BY name").fetchall()
            faults = "projection_faults" in tables
            poison = reader.number("SELECT count(*) FROM projection_faults") if faults else 0
        except sqlite3.Error as error:
            yield Remark("views", "fail", f"they cannot be read: {error}", "orchestrator audit verify says more")
            return
    last = log.last_position()
    for name, position in found:
        lag = last - position if isinstance(position, int) else last
        text = f"{name}: at position {position}, {max(lag, 0):,} events behind"
        if lag > _LAG_MANY:
            yield Remark(
                "views", "warn", text, "it catches up while any process has the store open; the next look waits"
            )
        else:
            yield Remark("views", "ok", text)
    if poison:
        text = f"{poison} runs are set aside in views: an event of theirs could not be taken"
        yield Remark("views", "warn", text, "orchestrator audit verify says which")
