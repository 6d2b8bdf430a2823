"""What may be asked of a parent. Imperative, frozen; every command carries the time it is asked at."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from events.facts import ChildLimits
from events.strategy import OnDecided, Outcome, Strategy


class ChildSpec(BaseModel):
    """One child as it is asked for: `input` is JSON text."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    child_id: str
    task: str
    input: str
    limits: ChildLimits | None = None


class Command(BaseModel):
    """Base of all commands."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    at: int


class CreateParent(Command):
    """Begin a parent without children. Quiet where the same content exists already."""

    strategy: Strategy
    max_workers: int = Field(ge=1)
    on_decided: OnDecided
    content: str
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    metadata: str | None = None


class PrepareChildren(Command):
    """Make children known. Quiet for those known already with the same work."""

    children: tuple[ChildSpec, ...]


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
    """Claim a slot for the next attempt of a child."""

    child_id: str
    worker: str


class FinishAttempt(Command):
    """Report how an attempt ended. Quiet where that attempt is not the one that runs."""

    child_id: str
    attempt: int
    outcome: Outcome
    output: str | None = None
    error: str | None = None


class RecordResponse(Command):
    """Report how a child went that somebody else ran, its start unrecorded. Quiet where it has an outcome.

    Refused where the parent has an owner, which runs the children itself.
    """

    child_id: str
    outcome: Outcome
    output: str | None = None
    error: str | None = None


class LoseAttempt(Command):
    """Report that an attempt was interrupted and its outcome is unknown."""

    child_id: str
    attempt: int
    reason: str


class SkipChildren(Command):
    """Give up to `limit` children that will not run any more their outcome."""

    limit: int = Field(ge=1)


class Cancel(Command):
    """Cancel the parent. Quiet where it is decided already."""

    reason: str


class PassDeadline(Command):
    """Report that the parent's own time ran out. Quiet where it is decided, or has no limit."""
