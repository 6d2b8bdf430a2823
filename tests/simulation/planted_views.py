"""Bugs to plant in what keeps views, for machines that keep some."""

from __future__ import annotations

from typing import Final

from tests.simulation.planted import Bug, bug

VIEWS: Final[dict[str, Bug]] = {
    "view-checkpoint-unguarded": bug(
        "a batch is written although somebody else has written it",
        "events.projections.branch",
        "        if not Checkpoints.move(session, self.checkpoint, position):\n            return False\n",
        "        Checkpoints.move(session, self.checkpoint, position)\n",
        world="views",
    ),
    "view-remembers-what-was-lost": bug(
        "what was folded for a write that failed is gone on with",
        "events.projections.engine",
        "            except StoreError:\n                self.stages.forget()",
        "            except StoreError:\n                pass",
        world="views",
    ),
    "view-forgets-who-runs": bug(
        "a projector that begins anew does not know which children run",
        "events.projections.runs",
        "            run.attempts_running[child_id] = (number, worker, started_at)\n",
        "            pass\n",
        world="views",
    ),
    "view-counts-the-redriven": bug(
        "a child that is run again stays counted as it ended",
        "events.projections.runs",
        "known is None else known.status, -1)",
        "known is None else known.status, 0)",
        world="views",
    ),
    "view-swapped-too-early": bug(
        "a view that is made anew answers before it has caught up",
        "events.projections.stages",
        "is_far_enough = following.position >= (",
        "is_far_enough = following.position >= 0 or following.position >= (",
        "events.projections.stages",
        "AND generation = ? AND position <= ?",
        "AND generation = ? AND ? > -1",
        world="views",
    ),
    "projector-waits-for-ever": bug(
        "a projector whose message to itself was lost waits for it",
        "actors.projector",
        "            self._nudge.heard()\n            self._is_due = False\n",
        "            self._nudge.heard()\n",
        world="views",
    ),
    "projector-gives-up": bug(
        "a projector that the store has refused does not try again",
        "actors.projector",
        "        self._rests_until = self.runtime.monotonic() + wait\n        self._project_soon()\n",
        "        self._rests_until = self.runtime.monotonic() + 1e9\n",
        world="views",
    ),
}
