"""Bugs to plant in how snapshots are kept and used, for machines on which they come to harm."""

from __future__ import annotations

from typing import Final

from tests.simulation.planted import Bug, bug

SNAPSHOTS: Final[dict[str, Bug]] = {
    "snapshot-unchecked": bug(
        "whether a snapshot is as it was written is not looked at",
        "events.log.snapshots",
        " or digest_of(stored, body) != stored.digest:",
        ":",
        world="snapshots",
    ),
    "snapshot-of-any-code": bug(
        "a snapshot that other code made is gone on from",
        "events.log.snapshots",
        "        if stored.code != self._code:\n            return None\n",
        "",
        world="snapshots",
    ),
    "snapshot-of-any-record": bug(
        "whether a snapshot is of this very record is not looked at",
        "events.log.snapshots",
        "        self._check_row(stored)\n",
        "",
        world="snapshots",
    ),
    "snapshot-forgets-the-time": bug(
        "a snapshot tells the time of the latest facts alone",
        "actors.snapshots",
        "        self._at, self._version = max(self._at, at), snapshot\n",
        "        self._version = snapshot\n",
        "actors.snapshots",
        "self._at = max(self._at, latest(facts))",
        "self._at = facts[0].at - 1",
        world="snapshots",
    ),
    "snapshot-forgets-the-late": bug(
        "a snapshot leaves out one of the tables",
        "events.snapshot",
        "for name, rows in left.items()})",
        'for name, rows in left.items() if name != "late"})',
        world="snapshots",
    ),
}
