"""What happened: the events of a parent's stream. Their names and fields are stored and are for ever.

Every fact is frozen and strict, carries the time it was decided at, in microseconds since 1970 (UTC), from the
injected clock, and nothing that can be derived from the facts before it. Text named `input`, `output`, `error` or
`metadata` is the user's own data as one opaque JSON text. A large one lies in a file, and the fact says which: of a
large error, `error` is the head then; of the others nothing else is on record.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from events.model import Model
from events.payload_files import PayloadRef
from events.strategy import OnDecided, Outcome, Status, Strategy
from events.sure import SureModel


class Fact(SureModel):
    """Base of all facts."""

    at: int


class ChildLimits(Model):
    """What a child is allowed; a field that is None was not given."""

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
    jitter: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """Up to which part of it a wait may be shorter; none when not given."""
    retry_on: tuple[str, ...] | None = None
    """Only errors of these types, or of types derived from them, are tried again; all when not given."""
    give_up_on: tuple[str, ...] | None = None
    """Errors of these types, or of types derived from them, are never tried again."""
    crashes_max: int | None = Field(default=None, ge=1)
    """How many attempts may be lost to workers that died of them before the child fails; 3 when not given."""
    total_timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How long the child may take over all attempts, from its first start."""
    queue_timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How long it may wait each time it could be started."""
    heartbeat_timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How long an attempt may run without a heartbeat."""
    grace_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """How long an attempt that was asked to stop has before it is stopped by force."""
    priority: int | None = None
    """Children of a higher priority start first; 0 when not given."""
    keys: tuple[str, ...] | None = None
    """What the child uses that others use, too: limits on these keys hold over all parents."""
    secrets: tuple[str, ...] | None = None
    """Where in its input the name of a secret stands in the place of the secret: JSON Pointers."""

    @property
    def timed(self) -> bool:
        """Whether the child may not wait for ever, or not take for ever in all."""
        return self.queue_timeout_seconds is not None or self.total_timeout_seconds is not None


class Within(Model):
    """Where a nested parent belongs: it is the child `child_id` of the parent `parent_id`, `depth` levels down.

    `again` is how often that child had been put back after a failure when the nested parent was created, if it had.
    """

    parent_id: str
    child_id: str
    depth: int = Field(ge=1)
    again: int | None = Field(default=None, ge=1)


class ParentCreated(Fact):
    """A parent came to be. `content` is the SHA-256 (hex) of everything it was asked to do."""

    strategy: Strategy
    max_workers: int = Field(ge=1)
    on_decided: OnDecided
    content: str
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    metadata: str | None = None
    retry_budget: int | None = Field(default=None, ge=0)
    """How many retries all children may have together; no limit when not given."""
    seed: int | None = None
    """Where the jitter of waits comes from."""
    weight: int | None = Field(default=None, ge=1)
    """Its part of the worker pool, next to that of other parents; 1 when not given."""
    priority: int | None = None
    """Parents of a higher priority get slots first; 0 when not given."""
    within: Within | None = None
    """Whose child it is, where it is nested."""


class ChildPrepared(Fact):
    """A child is known: what it is to do, with what, and within which limits. `index` counts from 0."""

    child_id: str
    index: int = Field(ge=0)
    task: str
    input: str
    limits: ChildLimits | None = None
    input_file: PayloadRef | None = None
    """Where the input lies that is too large for `input`, which is empty then."""


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
    error_file: PayloadRef | None = None


class AttemptLost(Fact):
    """An attempt was interrupted, its outcome is unknown; the child runs again or ends, as its limits say.

    Where its worker died of it, one of `signal` (its name) and `exit_code` says how.
    """

    child_id: str
    attempt: int = Field(ge=1)
    reason: str
    signal: str | None = None
    exit_code: int | None = None

    @property
    def crash(self) -> bool:
        """Whether the attempt's worker died of it."""
        return self.signal is not None or self.exit_code is not None


class ChildProgressed(Fact):
    """A running attempt said how far it is. Thinned out: what was said in between is not on record."""

    child_id: str
    attempt: int = Field(ge=1)
    progress: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """The part that is done, from 0 to 1."""
    message: str | None = None


class ChildCancelRequested(Fact):
    """Somebody asked for one child to be cancelled, which was running. It is asked to stop, and never runs again."""

    child_id: str
    reason: str


class AttemptEndedLate(Fact):
    """An attempt that had been given up came to its end after all. It flips nothing."""

    child_id: str
    attempt: int = Field(ge=1)
    outcome: Outcome
    output: str | None = None
    error: str | None = None
    output_file: PayloadRef | None = None
    error_file: PayloadRef | None = None


class ChildRedriven(Fact):
    """A child that had ended without success is to run again. Follows `Redriven`."""

    child_id: str


class ChildFinished(Fact):
    """A child ended for good. `attempt` is 0 where it never started."""

    child_id: str
    attempt: int = Field(ge=0)
    outcome: Outcome
    output: str | None = None
    error: str | None = None
    output_file: PayloadRef | None = None
    error_file: PayloadRef | None = None


class CancelRequested(Fact):
    """Somebody asked for the parent to be cancelled."""

    reason: str


class DeadlinePassed(Fact):
    """The parent's own time ran out."""


class Paused(Fact):
    """No child is to be started until the parent is resumed; what runs goes on."""

    reason: str


class Resumed(Fact):
    """A paused parent goes on."""


class LimitsChanged(Fact):
    """What a parent may do was changed while it lived. A field that is None stays as it was."""

    max_workers: int | None = Field(default=None, ge=1)
    strategy: Strategy | None = None
    weight: int | None = Field(default=None, ge=1)
    priority: int | None = None


class Redriven(Fact):
    """A settled parent is open again: the children named by the `ChildRedriven` that follow are to run once more."""

    reason: str
    on_decided: OnDecided
    """What happens to open children from now on, once the parent is decided."""
    token: str | None = None
    """Tells one redrive from another, where whoever asks may ask twice."""


class Redacted(Fact):
    """The texts of a settled parent were destroyed: nothing can read them any more. It is never redriven."""

    reason: str
    """Never encrypted, for it is to be read afterwards."""


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
    | AttemptEndedLate
    | ChildProgressed
    | ChildCancelRequested
    | ChildRedriven
    | ChildFinished
    | CancelRequested
    | DeadlinePassed
    | Paused
    | Resumed
    | LimitsChanged
    | Redriven
    | ParentDecided
    | ParentSettled
    | Redacted,
    "the closed union of everything that can be on record",
]
