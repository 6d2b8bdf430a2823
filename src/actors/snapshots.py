"""When the next snapshot of a parent is due: seldom enough to cost little, often enough to be worth it.

A snapshot holds every child of its parent, so a large parent's costs more and comes less often. While children end as
fast as they can, keeping snapshots takes a few hundredths of the time; and what is on record after the newest one was
written within a time that grows with the parent: it is read back several times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from actors.messages import Snap
from actors.runtime import Runtime
from events.fact_roll import latest
from events.facts import Fact
from events.snapshot import detached
from events.state import ParentState

EVENTS_MIN: Final = 10_000
"""So many events are read in well under a second: no snapshot is kept for fewer."""
SECONDS_PER_CHILD: Final = 200e-6
"""How long after one snapshot the next one follows at the earliest. To make one takes some 4e-6 seconds a child."""
_SETTLED_SHARE: Final = 10
"""A settled parent's last snapshot follows after so much fewer events: it is the one that is read from then on."""


class SnapshotRules(NamedTuple):
    """When snapshots are kept, and how."""

    events_min: int
    """After how many events the next one follows at the earliest."""
    tell: Callable[[Snap], None]
    """Has one kept. It may come to nothing."""


class Snapshots:
    """The snapshots of one parent that lives here."""

    def __init__(self, parent_id: str, runtime: Runtime, rules: SnapshotRules | None) -> None:
        self._parent_id = parent_id
        self._runtime = runtime
        self._rules = rules
        self._at = 0
        """The latest time on record."""
        self._version = 0
        """That of the latest snapshot, as far as we know."""
        self._due = float("-inf")
        """When the next one may follow, by the monotonic clock."""

    def begin(self, at: int, snapshot: int) -> None:
        """Begin with a state that was read, from the snapshot of a version; `at` is the latest time on record."""
        self._at, self._version = max(self._at, at), snapshot

    def note(self, facts: Sequence[Fact], state: ParentState, position: int, *, ours: bool) -> None:
        """Note facts that are on record, and have a snapshot kept of the state after them where one is due.

        Those that another process works on are left to it.
        """
        if facts:
            self._at = max(self._at, latest(facts))
        rules, settled = self._rules, state.settled
        if rules is None or not ours or state.version < rules.events_min:
            return
        since = state.version - self._version
        now = self._runtime.monotonic()
        if since * (_SETTLED_SHARE if settled else 1) < rules.events_min or (now < self._due and not settled):
            return
        self._version = state.version
        self._due = now + state.total * SECONDS_PER_CHILD
        rules.tell(Snap(self._parent_id, detached(state), position, self._at))
