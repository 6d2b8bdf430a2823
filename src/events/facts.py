"""What happened: the events of a parent's stream. Their names and fields are stored and are for ever.

Every fact is frozen and strict, carries the time it was decided at, in microseconds since 1970 (UTC), from the
injected clock, and nothing that can be derived from the facts before it. Text named `input`, `output`, `error` or
`metadata` is the user's own data as one opaque JSON text.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from events.strategy import OnDecided, Outcome, Status, Strategy


class Fact(BaseModel):
    """Base of all facts."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    at: int


class ChildLimits(BaseModel):
    """What a child is allowed; a field that is None was not given."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How long one attempt may run."""
    max_attempts: int | None = Field(default=None, ge=1)
    """How many attempts may fail or time out before the child ends so; 1 when not given."""
    initial_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """How long the first retry waits; not at all when not given."""
    backoff: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    """By what each further wait is multiplied; 2 when not given."""
    max_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The longest wait before a retry; it is never more than a year."""
    fail_when_lost: bool | None = None
    """Whether an interrupted attempt ends the child as failed instead of running it again."""


class ParentCreated(Fact):
    """A parent came to be. `content` is the SHA-256 (hex) of everything it was asked to do."""

    strategy: Strategy
    max_workers: int = Field(ge=1)
    on_decided: OnDecided
    content: str
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    metadata: str | None = None


class ChildPrepared(Fact):
    """A child is known: what it is to do, with what, and within which limits. `index` counts from 0."""

    child_id: str
    index: int = Field(ge=0)
    task: str
    input: str
    limits: ChildLimits | None = None


class ChildCreated(Fact):
    """A prepared child may be started from now on."""

    child_id: str


class MembershipClosed(Fact):
    """No more children will be added."""


class OwnershipTaken(Fact):
    """A process took the parent over; appends of an earlier epoch can no longer succeed."""

    owner: str
    epoch: int = Field(ge=1)


class OwnershipReleased(Fact):
    """The owner stopped working on the parent of its own will; anybody may take it over."""


class ChildStarted(Fact):
    """An attempt is about to run. On record before the work begins. `worker` names the parent's slot."""

    child_id: str
    attempt: int = Field(ge=1)
    worker: str


class ChildRetryScheduled(Fact):
    """An attempt failed and another one will follow, not before the given time (microseconds since 1970)."""

    child_id: str
    attempt: int = Field(ge=1)
    error: str
    not_before: int


class AttemptLost(Fact):
    """An attempt was interrupted, its outcome is unknown; the child runs again or ends, as its limits say."""

    child_id: str
    attempt: int = Field(ge=1)
    reason: str


class ChildFinished(Fact):
    """A child ended for good. `attempt` is 0 where it never started."""

    child_id: str
    attempt: int = Field(ge=0)
    outcome: Outcome
    output: str | None = None
    error: str | None = None


class CancelRequested(Fact):
    """Somebody asked for the parent to be cancelled."""

    reason: str


class DeadlinePassed(Fact):
    """The parent's own time ran out."""


class ParentDecided(Fact):
    """The parent's status is final. `child_id` names the child whose end decided it, if one did."""

    status: Status
    why: str
    child_id: str | None = None


class ParentSettled(Fact):
    """The parent is decided and every child has an outcome."""


ParentFact = Annotated[
    ParentCreated
    | ChildPrepared
    | ChildCreated
    | MembershipClosed
    | OwnershipTaken
    | OwnershipReleased
    | ChildStarted
    | ChildRetryScheduled
    | AttemptLost
    | ChildFinished
    | CancelRequested
    | DeadlinePassed
    | ParentDecided
    | ParentSettled,
    "the closed union of everything that can be on record",
]
