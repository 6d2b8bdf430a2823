"""From a state and a command to facts, or to a refusal. Pure; with the modules beside it, it says what may happen.

A command that asks for what is so already, or that comes too late, is quiet: it yields no facts. A command that
makes no sense is refused with an error that says why. Every fact that can change the status is followed, in the
same turn, by `ParentDecided` and `ParentSettled` where the rule says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from events import decide_attempts as attempts
from events import decide_children as children
from events import decide_parent as parent
from events.commands import (
    Cancel,
    CancelChild,
    ChangeLimits,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
    ExpireChild,
    FinishAttempt,
    LoseAttempt,
    PassDeadline,
    Pause,
    PrepareChildren,
    RecordLateEnding,
    RecordResponse,
    Redact,
    Redrive,
    ReleaseOwnership,
    ReportProgress,
    Resume,
    SkipChildren,
    StartChild,
    TakeOwnership,
)
from events.draft import Draft
from events.facts import Fact
from events.state import ParentState


def decide(state: ParentState, command: Command) -> list[Fact]:
    """Return the facts that follow from one command; none where there is nothing to do.

    Raises:
        UsageError: the command makes no sense for this parent (one of its subclasses says why).
        RunOwnedError: somebody reports for children that the parent's owner runs.
    """
    return decide_all(state, (command,))[0]


def decide_all(state: ParentState, commands: Iterable[Command]) -> tuple[list[Fact], ParentState]:
    """Return the facts that follow from commands, one after the other, and the state after them."""
    turn = Turn(state)
    for command in commands:
        turn.take(command)
    return list(turn.facts), turn.state


class Turn(Draft):
    """One turn of a parent: commands go in, facts gather, and the state follows them."""

    __slots__ = ()

    def take(self, command: Command) -> None:
        """Decide one command. Raises what `decide` does; then nothing of the command has entered the turn."""
        _HANDLERS[type(command)](self, command)

    start = attempts.start
    finish = attempts.finish


_HANDLERS: Final[dict[type[Command], Callable[[Draft, Any], None]]] = {
    CreateParent: parent.create,
    CloseMembership: parent.close_membership,
    TakeOwnership: parent.take_ownership,
    ReleaseOwnership: parent.release_ownership,
    Cancel: parent.cancel,
    PassDeadline: parent.pass_deadline,
    Pause: parent.pause,
    Resume: parent.resume,
    ChangeLimits: parent.change_limits,
    Redrive: parent.redrive,
    Redact: parent.redact,
    PrepareChildren: children.prepare,
    CreateChildren: children.create,
    CancelChild: children.cancel,
    ExpireChild: children.expire,
    SkipChildren: children.skip,
    StartChild: attempts.start,
    FinishAttempt: attempts.finish,
    LoseAttempt: attempts.lose_one,
    RecordResponse: attempts.record_response,
    RecordLateEnding: attempts.record_late_ending,
    ReportProgress: attempts.report_progress,
}
