"""Retention at the face: old runs go to an archive, and from the store if that is asked for."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from events.errors import UsageError
from events.log.archiving import archive, drop, old_families
from events.views import moment
from orchestrator import given

if TYPE_CHECKING:
    from orchestrator.engine import Engine

_MICROSECONDS: Final = 1_000_000


class Archive(NamedTuple):
    """What was archived, and what of it was dropped."""

    path: Path
    sha256: str
    """Of the file, in hexadecimal; the proofs of what was dropped name it."""
    runs: tuple[str, ...]
    """The ids of the runs in it, those inside other runs among them."""
    events: int
    damaged: tuple[str, ...]
    """What is wrong with runs that were left alone, for their records are damaged."""
    dropped: tuple[str, ...]
    """The ids of the outermost runs that were dropped. One that changed since it was archived is not among them."""


_OLDER_THAN: Final = (
    "runs go to which nothing has happened for so long, such as 86_400 or timedelta(days=1);"
    " 0 takes all that are settled"
)


def archive_old(
    engine: Engine, older_than: float | timedelta, to: str | os.PathLike[str] | None, *, drop: bool
) -> Archive | None:
    """Archive the runs to which nothing happened for so long. See `Orchestrator.archive`."""
    age = older_than.total_seconds() if isinstance(older_than, timedelta) else older_than
    seconds = given.seconds(age, "archive: older_than", _OLDER_THAN)
    log, now = engine.log, engine.runtime.now()
    families = old_families(log, now - int(seconds * _MICROSECONDS))
    if not families:
        return None
    archived = archive(log, families, _path(log.location, to, now), now)
    dropped = _drop(log, families, archived, now) if drop else []
    return Archive(
        archived.path,
        archived.sha256.hex(),
        tuple(run.parent_id for run in archived.runs),
        archived.events,
        archived.damaged,
        tuple(dropped),
    )


_drop = drop


def _path(location: str, to: str | os.PathLike[str] | None, now: int) -> Path:
    """Return where an archive goes: where was asked for, else beside the store."""
    if to is not None:
        named = os.fspath(to)
        if not isinstance(named, str) or not named or "\0" in named:
            raise UsageError(f"archive: to is the path of a file, not {given.shown_value(to)}")
        return Path(named)
    if ":" in location[1:] and not Path(location).is_absolute():
        raise UsageError(f"archive: say where the archive of {location} goes (to=...)")
    return Path(f"{location}.archive-{moment(now):%Y%m%dT%H%M%S}.jsonl")
