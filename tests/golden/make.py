"""Makes the golden log of this release: `python -m tests.golden.make`. Run it once, when a release is made.

It writes tests/golden/RELEASE/: a store, its export, and what this release answers about every run. Every later
release reads them, and must give the same answers (tests/golden/test_golden.py). A folder that is there is never
written over: what is out there does not change either.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from events.log import FactBatch, open_log
from events.log.exporting import export
from events.log.store import EventLog
from events.views import plain
from orchestrator import __version__, queries
from orchestrator.folded_pages import folded_children
from orchestrator.page_queries import child_query
from tests.golden.histories import histories

FOLDER: Final = Path(__file__).resolve().parent


def answers(log: EventLog) -> dict[str, Any]:
    """Return what is answered about every run, in order of creation."""
    found: dict[str, Any] = {}
    for run_id in log.recorder.ids():
        events = list(queries.history_of(log, run_id))
        found[run_id] = {
            "status": plain(queries.status_of(log, run_id)),
            "children": [plain(child) for child in folded_children(log, run_id, child_query())],
            "events": [[event.position, event.version, event.type, event.hash] for event in events],
        }
    return found


def make(folder: Path, release: str) -> None:
    """Write a golden log into a folder that is not there yet."""
    folder.mkdir()
    store = folder / "store.db"
    with open_log(store) as log:
        made = histories(log.payloads)
        longest = max(map(len, made.values()))
        for version in range(longest):  # by turns, so that runs lie between one another
            log.append(
                [FactBatch(name, version, [facts[version]]) for name, facts in made.items() if version < len(facts)]
            )
        (folder / "export.jsonl").write_bytes(b"".join(export(log, release)))
        text = json.dumps(answers(log), indent=1, ensure_ascii=False)
        (folder / "answers.json").write_text(text + "\n", encoding="utf-8")
    with closing(sqlite3.connect(store)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for rest in ("-wal", "-shm"):
        Path(f"{store}{rest}").unlink(missing_ok=True)


if __name__ == "__main__":
    place = FOLDER / __version__
    if place.exists():
        sys.exit(f"{place} is there already: what a release wrote is for ever")
    make(place, __version__)
    print(f"made {place}")
