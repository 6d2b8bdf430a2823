"""What makes a parent ours. Judged anew after every conflict: another process may have been faster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.messages import Claim, Request
from actors.owner import owner_words
from actors.surroundings import Surroundings
from events.commands import Command, CreateParent, Redrive, Resume, TakeOwnership, prepared_count
from events.errors import RunNotFoundError, RunOwnedError, UnknownTaskError
from events.interventions import CONTROLS
from events.nested import tasks_needed
from events.state import ParentState, outcome_of


def claim_commands(
    claim: Claim, parent_id: str, state: ParentState, around: Surroundings, now: int, *, working: bool
) -> Sequence[Command]:
    """Return the commands that meet a claim. `working` says that we work on the parent already.

    Raises:
        RunNotFoundError: there is no such parent and nothing to create.
        RunOwnedError: a living process owns it, and the claim is not content to follow it.
        UnknownTaskError: an open child's task is not known here.

    """
    if not state.exists and not claim.create:
        raise _not_found(parent_id)
    redrives = any(isinstance(command, Redrive) for command in claim.then)
    if redrives:
        _require_tasks(parent_id, state, around, ended=True)
    if state.settled:
        return (*claim.create, _take(around, now), *claim.then) if redrives else (*claim.create, *claim.then)
    if working:
        return (*claim.create, *claim.then)
    if followed(claim, state, around):
        if not claim.attach:
            raise RunOwnedError(
                f"run {parent_id!r} is being worked on by {owner_words(state.owner or '')}; "
                "if you know that it is not, take it over"
            )
        return (*claim.create, *claim.then)
    if wants_work(claim):
        _require_tasks(parent_id, state, around)
    return (*claim.create, _take(around, now), *claim.then)


def _take(around: Surroundings, now: int) -> TakeOwnership:
    return TakeOwnership(at=now, owner=around.owner, reason="its owner stopped working on it")


def asked_commands(request: Request, parent_id: str, state: ParentState) -> Sequence[Command]:
    """Return the commands that meet a request: its own.

    Raises:
        RunNotFoundError: it is to change what a run does, and there is none.
    """
    commands = request.commands
    if commands and not state.exists and all(isinstance(command, CONTROLS) for command in commands):
        raise _not_found(parent_id)
    return commands


def _not_found(parent_id: str) -> RunNotFoundError:
    return RunNotFoundError(f"there is no run {parent_id!r} in this store")


def wants_work(claim: Claim) -> bool:
    """Whether a claim asks for children to be run, and not only for what is decided along with it."""
    return not claim.then or any(isinstance(command, Redrive | Resume) for command in claim.then)


def is_fresh(asked: object) -> bool:
    """Whether it is asked of a parent that nothing can be on record of yet."""
    return isinstance(asked, Claim) and asked.fresh


def slots_wanted(asked: Iterable[object]) -> int:
    """Return how many slots a parent could use at once that is made for a claim; 0 where none is."""
    wanted = 0
    for claim in asked:
        if isinstance(claim, Claim):
            children = prepared_count(claim.create)
            most = [command.max_workers for command in claim.create if isinstance(command, CreateParent)]
            wanted = max(wanted, min([children, *most]))
    return wanted


def followed(claim: Claim, state: ParentState, around: Surroundings) -> bool:
    """Whether another process works on the parent, as far as can be known, and a claim does not say that it is gone."""
    owner = state.owner
    if owner is None or owner == around.owner or claim.take_over:  # what was ours before a halt is lost
        return False
    return around.owner_alive(owner)


def abandoned(state: ParentState, around: Surroundings) -> bool:
    """Whether a parent is not over and its owner is gone."""
    if not state.exists or state.settled:
        return False
    return state.owner is None or not around.owner_alive(state.owner)


def _require_tasks(parent_id: str, state: ParentState, around: Surroundings, *, ended: bool = False) -> None:
    """Refuse to work on a parent where the task of an open child is not known; of one that may run again, too."""
    to_run = (
        child.prepared
        for _, child in state.children.items()
        if child.prepared is not None and (ended or outcome_of(child.phase) is None)
    )
    tasks = {task for prepared in to_run for task in tasks_needed(prepared.task, prepared.input)}
    unknown = sorted(task for task in tasks if not around.task_known(task))
    if unknown:
        names = ", ".join(repr(task) for task in unknown)
        raise UnknownTaskError(
            f"run {parent_id!r} needs tasks that this process does not know, or has no executor for: {names}; "
            "import the modules that define them, and hand in their executors, then resume it"
        )
