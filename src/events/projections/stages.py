"""Which tables of which projections there are: those that answer, and those that are made to take their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.log.tables import Tables
from events.projections.branch import Branch
from events.projections.checkpoints import Checkpoint, Checkpoints, Stage
from events.projections.projection import Projection
from events.projections.telling import tell_damage, tell_newer

_INSERT: Final = """
    INSERT INTO projections(name, stage, version, generation, position) VALUES (?, ?, ?, ?, 0)
    ON CONFLICT(name, stage) DO NOTHING"""
_DELETE: Final = "DELETE FROM projections WHERE name = ? AND stage = ?"
_DELETE_THIS: Final = """
    DELETE FROM projections WHERE name = ? AND stage = ? AND version = ? AND generation = ? AND position <= ?"""
_DELETE_FAULTS: Final = "DELETE FROM projection_faults WHERE name = ? AND stage = ?"
_PROMOTE: Final = """
    UPDATE projections SET stage = 'live'
    WHERE name = ? AND stage = 'next' AND version = ? AND generation = ? AND position = ?"""
_PROMOTE_FAULTS: Final = "UPDATE projection_faults SET stage = 'live' WHERE name = ? AND stage = 'next'"


class _ElsewhereError(Exception):
    """Somebody else has moved a checkpoint: nothing is written."""


class Stages:
    """The branches of some projections, as they stand in the store."""

    def __init__(self, tables: Tables, projections: Sequence[Projection]) -> None:
        self._tables = tables
        self._projections = {projection.name: projection for projection in projections}
        self.names: Final = tuple(self._projections)
        self.checkpoints: Final = Checkpoints(tables)
        self._branches: dict[tuple[str, Stage], Branch] = {}
        self._damaged: set[tuple[str, Stage, int]] = set()
        """Name, stage and generation of tables that are not what they should be."""
        self._left_alone: set[str] = set()

    def forget(self) -> None:
        """Forget what was worked out: the store says where everything stands."""
        self._branches.clear()

    def misfits(self) -> list[str]:
        """Return the names of tables that should answer and are not there, or have other columns than they should."""
        columns = self._tables.columns
        tables = [table for projection in self._projections.values() for table in projection.tables]
        return [table.stored_name for table in tables if columns(table.stored_name) != list(table.columns)]

    def look(self) -> list[Branch]:
        """Return the branches that are to be taken on, as the store has them now. Those that are missing are made.

        Raises:
            StoreError: the store cannot be used.
        """
        found = {(row.name, row.stage): row for row in self.checkpoints.all()}
        for name, projection in self._projections.items():
            live, following = found.get((name, "live")), found.get((name, "next"))
            if live is None:
                self._begin(projection, "live", 1)
            elif live.version < projection.version and (following is None or following.version < projection.version):
                self._begin(projection, "next", max(live.generation, following.generation if following else 0) + 1)
            else:
                continue
            return self.look()
        known_damages = len(self._damaged)
        branches = [
            branch for row in found.values() if self._is_ours(row) and (branch := self._branch(row)) is not None
        ]
        if len(self._damaged) > known_damages:
            return self.look()
        self._branches = {(each.checkpoint.name, each.checkpoint.stage): each for each in branches}
        return branches

    def _is_ours(self, row: Checkpoint) -> bool:
        """Whether a branch is of this release's making, and its tables are what they should be."""
        projection = self._projections.get(row.name)
        if projection is None or (row.name, row.stage, row.generation) in self._damaged:
            return False
        if row.version > projection.version and row.name not in self._left_alone:
            self._left_alone.add(row.name)
            tell_newer(self._tables.location, row.name, row.version)
        return row.version == projection.version

    def _branch(self, row: Checkpoint) -> Branch | None:
        """Return the branch of a checkpoint; None where its tables are not those that were made."""
        known = self._branches.get((row.name, row.stage))
        if known is not None and known.checkpoint == row:
            return known
        faults = self.checkpoints.faults(row.name, row.stage)
        branch = Branch(self._projections[row.name], row, self._tables, faults)
        if (known is not None and known.checkpoint.generation == row.generation) or branch.fits():
            return branch
        tell_damage(self._tables.location, row.name, "its tables are gone, or were altered")
        self.begin_anew(branch.projection, damaged=row)
        return None

    def begin_anew(self, projection: Projection, *, damaged: Checkpoint | None = None) -> None:
        """Begin to make a projection's tables anew, from the first event on.

        Those that answer go on answering; where they are `damaged`, they are taken no further.
        """
        if damaged is not None:
            self._damaged.add((damaged.name, damaged.stage, damaged.generation))
        rows = [row for row in self.checkpoints.all() if row.name == projection.name]
        is_under_way = any(row.stage == "next" and row.version == projection.version for row in rows)
        if damaged is not None and damaged.stage == "live" and is_under_way:
            return
        self._begin(projection, "next", max((row.generation for row in rows), default=0) + 1)

    def _begin(self, projection: Projection, stage: Stage, generation: int) -> None:
        """Make the tables of a branch, unless somebody else has just done so."""
        self.checkpoints.make()
        branch = Branch(
            projection, Checkpoint(projection.name, stage, projection.version, generation, 0), self._tables, ()
        )
        with self._tables.transaction() as session:
            if stage == "next":
                session.execute(_DELETE, (projection.name, stage))
            if session.execute(_INSERT, (projection.name, stage, projection.version, generation)) == 1:
                session.execute(_DELETE_FAULTS, (projection.name, stage))
                branch.make_tables(session)
        self.forget()

    def swap(self, last: int) -> bool:
        """Let tables that have caught up take the place of those that have answered until now; say whether any did.

        `last` is the position of the last event: where the old ones are damaged, what they say of theirs counts for
        nothing.
        """
        done = False
        rows = {(row.name, row.stage): row for row in self.checkpoints.all()} if self._has_next() else {}
        for (name, stage), branch in list(self._branches.items()):
            live, following = rows.get((name, "live")), rows.get((name, "next"))
            if stage == "next" and following == branch.checkpoint and live is not None:
                is_damaged = (name, "live", live.generation) in self._damaged
                is_far_enough = following.position >= (min(live.position, last) if is_damaged else live.position)
                done = (is_far_enough and self._swap(branch, live)) or done
        if done:
            self.forget()
        return done

    def _has_next(self) -> bool:
        return any(stage == "next" for _, stage in self._branches)

    def _swap(self, branch: Branch, live: Checkpoint) -> bool:
        following = branch.checkpoint
        try:
            with self._tables.transaction() as session:
                upto = max(following.position, live.position)
                gone = session.execute(_DELETE_THIS, (*live[:4], upto))
                if gone != 1 or session.execute(_PROMOTE, (following.name, *following[2:])) != 1:
                    raise _ElsewhereError
                session.execute(_DELETE_FAULTS, (live.name, live.stage))
                session.execute(_PROMOTE_FAULTS, (following.name,))
                branch.take_over(session)
        except _ElsewhereError:
            return False
        return True
