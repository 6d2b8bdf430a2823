"""What actors tell one another. Frozen; each may be lost, late or doubled, and a tick puts it right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from actors.buckets import Bucket
from actors.endings import Endings
from actors.executors.work import AttemptKey, Work
from actors.hearing import Hearing
from actors.runtime import Ref
from events.commands import Command
from events.facts import Fact
from events.log.record import Recorded
from events.state import ParentState


class Request(NamedTuple):
    """To a parent: decide these commands together, all or none. The reply gets the state once it is on record."""

    commands: tuple[Command, ...]
    reply: Future[ParentState] | None = None


class Claim(NamedTuple):
    """To a parent: work on it here. `create` is decided first where there is no such parent yet.

    The reply fails with RunNotFoundError where there is none and nothing to create, with RunOwnedError where a
    living process owns it and `attach` is false, with UnknownTaskError where an open child's task is not known
    here. `then` is decided in the same turn, before any child is started. With `take_over` the owner counts as
    gone, whatever can be known of it. With `fresh` the parent's id was made just now, so that nothing can be on record.
    """

    create: tuple[Command, ...]
    attach: bool
    reply: Future[ParentState]
    then: tuple[Command, ...] = ()
    take_over: bool = False
    fresh: bool = False


class Release(NamedTuple):
    """To a parent: give it up. The reply comes once that is on record."""

    reason: str
    reply: Future[None]


class Drain:
    """To a parent: start no more children."""


class AttemptsEnded(NamedTuple):
    """From the executors to a parent: there are endings to be taken."""

    endings: Endings


class Flush:
    """From an actor to itself: what has queued up meanwhile goes along now."""


class Tick:
    """From a timer: look whether anything was missed."""


class DeadlineDue:
    """From a timer to a parent: its own time is up."""


class RetryDue:
    """From a timer to a parent: a waiting retry may start."""


class ExpiryDue:
    """From a timer to a parent: a child that waits may have run out of time."""


class News:
    """To a parent: somebody else may have appended to its stream."""


class Restarted(NamedTuple):
    """To all parents: the journal or the pool is a new one; what the old one was told may be lost."""

    what: str


class Grown:
    """To the projector: something was appended. A hint."""


class Project:
    """To the projector, from itself: take a batch of events into the views."""


class Heard(NamedTuple):
    """To the announcer: a listener has something to hear."""

    hearing: Hearing


class Append(NamedTuple):
    """To the journal: append facts at a version, and tell the parent."""

    parent_id: str
    expected_version: int
    facts: Sequence[Fact]
    ref: Ref


class Appended(NamedTuple):
    """From the journal: on record, the last fact at this position."""

    version: int
    position: int


class Conflicted(NamedTuple):
    """From the journal: the stream is at another version than expected."""

    expected_version: int


class AppendFailed(NamedTuple):
    """From the journal: nothing was appended and the store's deadline has passed."""

    expected_version: int
    error: Exception


class Intervene(NamedTuple):
    """To the journal: decide on a parent that another process works on, and append, while nobody else can.

    The journal reads what came after `state`. Each group of commands is decided all or none; nothing is, and that
    is a conflict, where the parent has changed hands. A parent tells its interventions apart by their numbers. One
    that is repeated does no harm, for what was done before makes it quiet.
    """

    parent_id: str
    state: ParentState
    groups: tuple[tuple[Command, ...], ...]
    number: int
    ref: Ref


class Intervened(NamedTuple):
    """From the journal: the facts that the parent had missed and those that were decided, and the state after them.

    `position` is that of the last fact, 0 where there is none. `refused` has the groups that were, by their places.
    """

    number: int
    facts: Sequence[Fact]
    state: ParentState
    position: int
    refused: Mapping[int, Exception]


class Load(NamedTuple):
    """To the loader: fold the parent's whole stream. `asked_at` is when, in seconds of the monotonic clock."""

    parent_id: str
    ref: Ref
    asked_at: float


class Loaded(NamedTuple):
    """From the loader: the parent's state, the position it holds at, and the latest time on record.

    Both are 0 where there is no such parent. `snapshot` is the version of the snapshot that the loader went on from, 0
    where it read the whole record.
    """

    state: ParentState
    position: int
    at: int = 0
    snapshot: int = 0


class LoadNews(NamedTuple):
    """To the loader: fetch what is on record after a version. `asked_at` is when, by the monotonic clock."""

    parent_id: str
    after_version: int
    ref: Ref
    asked_at: float


class LoadedNews(NamedTuple):
    """From the loader."""

    records: Sequence[Recorded]


class Snap(NamedTuple):
    """To the snapshotter: keep this state of a parent, which is on record up to a position.

    No table of it is shared with anybody. `at` is the latest time on record, in microseconds since 1970.
    """

    parent_id: str
    state: ParentState
    position: int
    at: int


class LoadFailed(NamedTuple):
    """From the loader: the stream cannot be read."""

    error: Exception


class Share(NamedTuple):
    """From a parent to the pool: how many slots it could use, uses, and has, by which allotment.

    A parent that wants fewer slots than it has gives up the others by saying so. `sequence` counts a parent's
    shares: an older one that comes late is of no account. One that is said `again` asks for the answer once more.
    `handed` is the number of its latest hand-out: any up to that which is yet to come is late, too. `weight` and
    `priority` say what part of the pool is its own; see `actors.fair_parts`.
    """

    parent_id: str
    ref: Ref
    wanted: int
    used: int
    held: int
    seen: int
    handed: int
    sequence: int
    again: bool = False
    weight: int = 1
    priority: int = 0


class Echo(NamedTuple):
    """To the pool: tell this actor this, after whatever was told before."""

    ref: Ref
    message: object


class Allotment(NamedTuple):
    """From a pool to a parent: how many children it may have running from now on."""

    slots: int
    number: int
    pool: Ref


class Hand(NamedTuple):
    """From a parent to the pool: run these attempts, whose start is on record; forget those.

    `sequence` counts a parent's hand-outs: an older one that comes late would run again what is over, and is of no
    account. One that is said `again` repeats what should be running, and asks for endings that were not fetched.
    """

    parent_id: str
    ref: Ref
    run: Sequence[Work]
    forget: Sequence[AttemptKey]
    sequence: int
    again: bool = False


class StopAttempts(NamedTuple):
    """From a parent to the pool: ask these attempts to stop."""

    keys: Sequence[AttemptKey]
    reason: str


class Rotate:
    """From a timer to the pool: somebody waits for slots, and others may have had more than their part for a while."""


class KeyFree(NamedTuple):
    """To a parent whose children wait for a key, from whoever gave it back or from a timer: there may be room."""

    bucket: Bucket


class ToParent(NamedTuple):
    """To the supervisor: pass a message on to a parent, which is brought to life if need be."""

    parent_id: str
    message: Any


class MayGo(NamedTuple):
    """From a parent to the supervisor: it is settled, or does not exist; its actor may go."""

    parent_id: str
    ref: Ref


class Retire:
    """From the supervisor to a parent: go, if nothing has come up meanwhile."""


class Retired(NamedTuple):
    """From a parent to the supervisor: its answer to `Retire`."""

    parent_id: str
    ref: Ref
    gone: bool


class Returned(NamedTuple):
    """From a parent that died to the supervisor: what somebody asked of it, and it did not come to."""

    parent_id: str
    asked: Request | Claim | Release
    error: BaseException
    """What it died of."""


class Halt(NamedTuple):
    """From the supervisor to a parent that still lives: stop working here, for this reason."""

    error: BaseException


class ParentLeft(NamedTuple):
    """From the supervisor to the pool: nobody takes the place of this actor of a parent."""

    parent_id: str
    ref: Ref


class Whereabouts(NamedTuple):
    """From the pool to the supervisor: this actor of a parent is dead, is another one coming."""

    parent_id: str
    ref: Ref


class Died(NamedTuple):
    """To the supervisor: an actor died."""

    actor: Any
    error: BaseException
