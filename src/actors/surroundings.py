"""What all parents of one orchestrator share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from actors.executors.work import AttemptKey, Executor
from actors.loader import Loading
from actors.runtime import Address
from actors.snapshots import SnapshotRules
from actors.throttles import Throttles
from events.limits import Limits


@dataclass(frozen=True)
class Surroundings:
    """Who we are, and where the others can be reached."""

    owner: str
    """This orchestrator, as it stands on record."""
    owner_alive: Callable[[str], bool]
    """Whether an owner on record still lives."""
    task_known: Callable[[str], bool]
    """Whether children of this task can be run here."""
    end_leftovers: Callable[[str, Sequence[AttemptKey]], None]
    """Ends what may still run of attempts that a gone owner started."""
    nested: Executor
    """What runs children that are parents themselves. They take no slot, so the pool has no part in it."""
    limits: Limits
    live_runs: Callable[[], int]
    """How many parents live here."""
    journal: Address = field(default_factory=Address)
    loader: Address = field(default_factory=Address)
    pool: Address = field(default_factory=Address)
    supervisor: Address = field(default_factory=Address)
    throttles: Throttles | None = None
    """Limits by key over all parents, where there are any."""
    snapshots: SnapshotRules | None = None
    """When snapshots of parents are kept, and who does that; None: there are to be none."""
    loading: Loading = field(default_factory=Loading)
    """Whether the loader reads a history right now."""
