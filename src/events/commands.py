"""What may be asked of a parent. Imperative, frozen; every command carries the time it is asked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

from events.child_specs import ChildSpec as ChildSpec
from events.child_specs import ChildSpecs
from events.facts import Within
from events.model import Model
from events.payload_files import PayloadRef
from events.strategy import OnDecided, Outcome, Strategy


def _kept(children: object, checked: ValidatorFunctionWrapHandler) -> object:
    """Leave children as they are that come in little room: each of them was checked when it was made."""
    return children if isinstance(children, ChildSpecs) else checked(children)


if TYPE_CHECKING:
    ManySpecs = Sequence[ChildSpec]
else:
    ManySpecs = Annotated[tuple[ChildSpec, ...], WrapValidator(_kept)]


class Command(Model):
    """Base of all commands."""

    at: int


class CreateParent(Command):
    """Begin a parent without children. Quiet where the same content exists already."""

    strategy: Strategy
    max_workers: int = Field(ge=1)
    on_decided: OnDecided
    content: str
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    metadata: str | None = None
    retry_budget: int | None = Field(default=None, ge=0)
    seed: int | None = None
    weight: int | None = Field(default=None, ge=1)
    priority: int | None = None
    within: Within | None = None


class PrepareChildren(Command):
    """Make children known. Quiet for those known already with the same work."""

    children: ManySpecs


class CreateChildren(Command):
    """Release every prepared child, in index order. Quiet where no child is to be started any more."""


class CloseMembership(Command):
    """Say that no more children will come.

    With `arriving`, children came over time: too few of them fail the parent. Otherwise they are refused.
    """

    arriving: bool = False


class TakeOwnership(Command):
    """Make `owner` the one process that works on the parent; whatever was running there is lost."""

    owner: str
    reason: str


class ReleaseOwnership(Command):
    """Give the parent up; whatever was running is lost. Quiet for anybody but the owner."""

    owner: str
    reason: str


class StartChild(Command):
    """Claim a slot for the next attempt of a child. One whose whole time is up ends timed out instead."""

    child_id: str
    worker: str


class FinishAttempt(Command):
    """Report how an attempt ended. Quiet where that attempt is not the one that runs."""

    child_id: str
    attempt: int
    outcome: Outcome
    output: str | None = None
    error: str | None = None
    output_file: PayloadRef | None = None
    error_file: PayloadRef | None = None


class RecordResponse(Command):
    """Report how a child went that somebody else ran, its start unrecorded. Quiet where it has an outcome.

    Refused where the parent has an owner, which runs the children itself.
    """

    child_id: str
    outcome: Outcome
    output: str | None = None
    error: str | None = None
    output_file: PayloadRef | None = None
    error_file: PayloadRef | None = None


class LoseAttempt(Command):
    """Report that an attempt was interrupted and its outcome is unknown.

    `signal` or `exit_code` is given where its own worker died of it.
    """

    child_id: str
    attempt: int
    reason: str
    signal: str | None = None
    exit_code: int | None = None


class RecordLateEnding(Command):
    """Report how an attempt ended that had been given up before.

    Quiet where that attempt runs or never was, and where its late end is on record.
    """

    child_id: str
    attempt: int
    outcome: Outcome
    output: str | None = None
    error: str | None = None
    output_file: PayloadRef | None = None
    error_file: PayloadRef | None = None


class ReportProgress(Command):
    """Report how far a running attempt is. Quiet where that attempt is not the one that runs."""

    child_id: str
    attempt: int
    progress: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    message: str | None = None


class ExpireChild(Command):
    """Report that a child waited too long for a start (`queue`), or that its whole time is up (`total`).

    Quiet where it does not wait, or has no such limit. A running attempt is ended by its executor instead.
    """

    child_id: str
    clock: Literal["queue", "total"]


class CancelChild(Command):
    """Cancel one child. Quiet where it has an outcome, or was asked to stop before."""

    child_id: str
    reason: str


class SkipChildren(Command):
    """Give up to `limit` children that will not run any more their outcome."""

    limit: int = Field(ge=1)


class Cancel(Command):
    """Cancel the parent, or what goes on after its decision. Quiet where all is over or asked to stop already."""

    reason: str


class PassDeadline(Command):
    """Report that the parent's own time ran out. Quiet where it is decided, or has no limit."""


class Pause(Command):
    """Start no more children for now. Quiet where the parent is paused; refused where it is settled."""

    reason: str


class Resume(Command):
    """Let a paused parent go on. Quiet where it is not paused."""


class ChangeLimits(Command):
    """Change what a parent may do while it lives; None leaves a thing as it is. Quiet where nothing changes.

    Refused where it comes too late: a strategy once the parent is decided, the others once it is settled.
    """

    max_workers: int | None = Field(default=None, ge=1)
    strategy: Strategy | None = None
    weight: int | None = Field(default=None, ge=1)
    priority: int | None = None


class Redact(Command):
    """Report that a parent's texts are destroyed. Refused where it is not settled; quiet where they were before."""

    reason: str


class Redrive(Command):
    """Run children again that ended without success, all of them or those of some outcomes or ids.

    Refused where the parent is not settled, or where there is no such child. Quiet where the latest redrive had the
    same token.
    """

    reason: str
    outcomes: tuple[Outcome, ...] | None = None
    child_ids: tuple[str, ...] | None = None
    token: str | None = None


def prepared_count(commands: Iterable[Command]) -> int:
    """Return how many children commands make known, whether they were known before or not."""
    return sum(len(command.children) for command in commands if isinstance(command, PrepareChildren))
