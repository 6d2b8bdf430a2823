"""The one tree of errors. Each says whose fault it is and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, NamedTuple, Self

_ERRORS_SHOWN: Final = 3
_ERROR_CHARS_MAX: Final = 200
_ENDED: Final = {"timed_out": "timed out", "cancelled": "was cancelled"}


class Place(NamedTuple):
    """Where in a store something is wrong, as far as that is known."""

    parent_id: str | None
    version: int | None
    position: int | None
    problem: str
    """What is wrong there, without the place."""

    def __str__(self) -> str:
        parts = [
            None if self.parent_id is None else f"run {self.parent_id!r}",
            None if self.version is None else f"version {self.version}",
            None if self.position is None else f"position {self.position}",
        ]
        where = ", ".join(part for part in parts if part is not None)
        return f"{where}: {self.problem}" if where else self.problem


class OrchestratorError(Exception):
    """Base of every error this library raises on purpose. Catch it to catch them all."""


class UsageError(OrchestratorError, ValueError):
    """The caller asked for something that makes no sense. Nothing was written: correct the call and repeat it."""


class InvalidPlanError(UsageError):
    """A plan file is missing, unreadable or malformed. The message names the file, the line and the key."""


class LimitExceededError(UsageError):
    """Something is larger than a limit of `Limits` allows. The message names the limit; nothing was written."""


class InvalidPayloadError(UsageError):
    """An input or output cannot be kept as JSON, or is not what the task takes or returns. The message says where."""


class ContentConflictError(UsageError):
    """A run of this id exists with other content. Use another id, or start the very same content again."""


class StepOrderError(UsageError):
    """A step was called out of order (children created before they were prepared, say). Call the steps in order."""


class UnknownTaskError(UsageError):
    """A child names a task that this process does not know. Import the module that defines it, then repeat."""


class MissingExtraError(UsageError):
    """A feature needs an optional dependency. The message names the extra to install."""


class RunNotFoundError(OrchestratorError, LookupError):
    """There is no run of this id in the store. Check the id and the store's path."""


class RunDroppedError(RunNotFoundError):
    """The run was archived and dropped from the store; the message says when. Its archive has it; its id stays used."""


class RunOwnedError(OrchestratorError):
    """Another living process owns the run. Wait for it, cancel the run, or stop that process first."""


class OwnershipLostError(OrchestratorError):
    """Another process took the run over; this one stopped working on it. Follow it there."""


class RunHaltedError(OrchestratorError):
    """The orchestrator could not go on with the run (its cause is chained). Mend the cause, then resume the run."""


class DeadlineExceededError(OrchestratorError, TimeoutError):
    """The call's own deadline passed. The run itself goes on: ask again, or with a longer timeout."""


class ClosedError(OrchestratorError):
    """The orchestrator was closed. Open another one; its runs are kept and can be resumed."""


class ChildrenFailedError(OrchestratorError):
    """A run did not succeed, and its result was asked to (`Result.raise_for_status`). Look at what the children say.

    `parent_id` and `status` are the run's; `errors` has the error of every child that ended with one, by child id.
    """

    def __init__(self, parent_id: str, status: str, errors: Mapping[str, Any]) -> None:
        first = [f"{child_id!r}: {_summed_up(error)}" for child_id, error in islice(errors.items(), _ERRORS_SHOWN)]
        more = len(errors) - len(first)
        shown = "; ".join([*first, f"and {more:,} more"] if more else first)
        many = "1 child has" if len(errors) == 1 else f"{len(errors):,} children have"
        super().__init__(
            f"run {parent_id!r} {_ENDED.get(status, status)}; {many} an error{': ' if shown else ''}{shown}"
        )
        self.parent_id = parent_id
        self.status = status
        self.errors = errors


def _summed_up(error: Any) -> str:
    """Return a child's error in a line."""
    if isinstance(error, dict) and isinstance(error.get("type"), str):
        text = f"{error['type']}: {error['message']}" if error.get("message") else str(error["type"])
    else:
        text = repr(error)
    line = text.splitlines()[0] if text else ""
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)  # it is the task's own
    return line if len(line) <= _ERROR_CHARS_MAX else line[: _ERROR_CHARS_MAX - 3] + "..."


class StoreError(OrchestratorError):
    """The store cannot be used. The message names the store and the cause; nothing unacknowledged was kept."""

    place: Place | None = None
    """The row or the parent that is wrong, where it is one."""

    @classmethod
    def at(cls, location: str, place: Place) -> Self:
        """Return the error for a place in the store at `location`."""
        error = cls(f"{location}: {place}")
        error.place = place
        return error


class StoreNotFoundError(StoreError):
    """There is no store at this place. Check the path, or start a run, which makes one."""


class NotAStoreError(StoreError):
    """What lies at the store's path is no store of ours (a folder, another program's file). Give another path."""


class StoreBusyError(StoreError):
    """Another program held the store's lock past the deadline. Find it, or wait, then repeat."""


class StoreFullError(StoreError):
    """The disk (or a quota) is full. Free some space, then resume."""


class StoreUnavailableError(StoreError):
    """The store cannot be opened, read or written (permissions, a removed file, an I/O error)."""


class StoreDamagedError(StoreError):
    """The store, or one parent's record in it, is damaged. The message names the place; other parents go on."""


class ViewDamagedError(StoreDamagedError):
    """A view's tables are not what was made of the events. No event is lost: the view is made anew by itself."""


class ViewRowsError(ViewDamagedError):
    """Rows of a view are missing, or should not be there; or an event changes what none before it brought about."""


class AuditKeyError(StoreError):
    """The store is sealed and no audit key, or another one, was given; or a key was given and it has no seals.

    Give the key that it was sealed with. A store that was never sealed, or whose seals somebody removed, is sealed by
    `orchestrator audit seal`, once you know that it is what it should be.
    """


class KeyNotFoundError(StoreError, LookupError):
    """Something on record is encrypted, and its key is not here. The message names the key: hand it in."""


class RedactedError(StoreError):
    """The texts of a run were destroyed on purpose (`redact`). What happened and when stays on record."""


class InvariantBrokenError(OrchestratorError):
    """A record tells of something that may never happen. It was altered, or this library has a bug: report it.

    `invariant` is the short name of what is broken (see `events.invariants.INVARIANTS`), `version` the place of the
    first fact in its parent's stream that breaks it, None where no single one does.
    """

    def __init__(self, text: str, *, invariant: str = "", version: int | None = None) -> None:
        where = "" if version is None else f"version {version}, "
        super().__init__(f"{where}{text} ({invariant})" if invariant else text)
        self.text = text
        self.invariant = invariant
        self.version = version


class StoreVersionError(StoreError):
    """The store was written by a newer release. Use that release, or a newer one."""


UNREADABLE: Final = (StoreDamagedError, StoreVersionError)
"""What keeps one run's record from being read. That run is left alone, and the others go on."""
