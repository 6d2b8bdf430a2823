"""Events as CloudEvents 1.0 in JSON, one a line: for whoever takes events from many programs.

An event of a run has the run as its `source`, its version there as its `id`, and its position in the whole log as its
`sequence`. Such lines say what happened; an export in our own lines is what can be checked and imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from events.errors import Place, StoreDamagedError
from events.log.exporting import Exported, events_of, exported_runs
from events.log.store import EventLog
from events.views import moment

_POSITION_DIGITS: Final = 19


def cloud_events(log: EventLog, run_id: str | None = None) -> Iterator[bytes]:
    """Yield the events of the whole log, run by run, or of one run, as it stands now.

    Raises:
        RunNotFoundError: there is no such run.
        StoreDamagedError, StoreVersionError: an event is not what was written.
    """
    position = log.last_position()
    for each in exported_runs(log, run_id):
        for exported in events_of(log, each, position):
            yield json.dumps(_attributes(exported, log.location), separators=(",", ":")).encode("ascii") + b"\n"


def _attributes(exported: Exported, location: str) -> dict[str, Any]:
    record, row = exported
    data: dict[str, Any] = json.loads(row.data)
    data.pop("at", None)
    try:
        when = moment(record.fact.at)
    except StoreDamagedError as error:
        place = Place(row.parent_id, row.version, row.position, str(error))
        raise StoreDamagedError.at(location, place) from error
    attributes = {
        "specversion": "1.0",
        "id": str(row.version),
        "source": f"/orchestrator/runs/{quote(row.parent_id, safe='', errors='surrogatepass')}",
        "type": f"orchestrator.{row.type}",
        "time": None if when is None else when.isoformat(),
        "datacontenttype": "application/json",
        "sequence": f"{row.position:0{_POSITION_DIGITS}d}",
        "hash": row.hash.hex(),
        "data": data,
    }
    child_id = getattr(record.fact, "child_id", None)
    if child_id:
        attributes["subject"] = child_id
    return attributes
