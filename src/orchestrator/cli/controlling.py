"""`cancel`, `pause` and `update`: asked of a run that is there, whichever process works on it, or none."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from actors.owner import owner_alive
from events.errors import DeadlineExceededError, RunNotFoundError, StoreNotFoundError, UsageError
from events.facts import CancelRequested, OwnershipTaken, ParentDecided, ParentSettled
from events.strategy import OUTCOMES
from events.views import RunStatus, plain
from orchestrator import queries
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.keys import audit_secret, encryption_key_file
from orchestrator.cli.rules import strategy_of
from orchestrator.cli.signals import Signals
from orchestrator.cli.summary import status_line, word
from orchestrator.cli.terminal import say, shown, standard_output
from orchestrator.orchestrator import Orchestrator
from orchestrator.progress import Progress
from orchestrator.run import Run

_SETTLE_SECONDS: Final = 10.0
"""How long to wait until what ran has stopped."""


class Remote(Orchestrator):
    """An orchestrator that works on nothing, and asks things of runs of others."""

    def is_paused(self, run_id: str) -> bool:
        """Whether a run is paused."""
        return queries.is_paused(self._engine.log, run_id)

    def is_decided(self, run_id: str) -> bool:
        """Whether a run is decided."""
        fact = queries.latest_fact(self._engine.log, run_id, "ParentDecided", "Redriven")
        return isinstance(fact, ParentDecided)

    def was_cancelled_late(self, run_id: str) -> bool:
        """Whether a run was cancelled after it was decided."""
        fact = queries.latest_fact(self._engine.log, run_id, "ParentDecided", "Redriven", "CancelRequested")
        return isinstance(fact, CancelRequested)

    def is_worked_on(self, run_id: str) -> bool:
        """Whether a living process works on a run, as far as can be known."""
        fact = queries.latest_fact(self._engine.log, run_id, "OwnershipTaken", "OwnershipReleased")
        return isinstance(fact, OwnershipTaken) and owner_alive(fact.owner)

    def outermost(self, run_id: str) -> str:
        """Return the id of the run that this one is somewhere inside of; its own where there is none."""
        return queries.outermost(self._engine.log, run_id)

    def progress(self, run_id: str) -> Progress:
        """Return what tells how far a run's children are."""
        return Progress(self._engine.log, run_id)

    def is_settled(self, run_id: str) -> bool:
        """Whether a run is settled."""
        fact = queries.latest_fact(self._engine.log, run_id, "ParentSettled", "Redriven")
        return isinstance(fact, ParentSettled)

    def child_status(self, run_id: str, child_id: str) -> str | None:
        """Return a child's status; None for one that is not there."""
        return queries.child_status(self._engine.log, run_id, child_id)


def open_remote(options: Namespace) -> Remote:
    """Open the store, which must exist."""
    store = options.store or default_store()
    key = audit_secret(options) if "key_file" in options else None  # whoever only watches needs none
    return Remote(store, max_workers=1, must_exist=True, audit_key=key, keyring=encryption_key_file(options))


@contextmanager
def remote(options: Namespace) -> Iterator[tuple[Remote, Run]]:
    """Open the store for one run that must be there. Raises RunNotFoundError."""
    try:
        orchestrator = open_remote(options)
    except StoreNotFoundError as error:
        raise RunNotFoundError(f"there is no run {options.id!r}: {error}") from None
    with orchestrator:
        yield orchestrator, orchestrator.get(options.id)


def cancel(options: Namespace, _: Signals) -> int:
    """Cancel a run, whoever works on it. A decision that is there stands, which is no error."""
    if options.child is not None:
        return _cancel_child(options)
    with remote(options) as (orchestrator, run):
        decided, late = orchestrator.is_decided(run.id), False
        if orchestrator.is_settled(run.id):
            view = run.status()
        else:  # nothing is looked at before that would take long
            view = run.cancel(options.reason or "cancelled by request")
            late = decided and orchestrator.was_cancelled_late(run.id)
        with suppress(DeadlineExceededError):
            view = run.settle(timeout=_SETTLE_SECONDS).view
    if options.json:
        _print_json(view)
        return SUCCEEDED
    standard_output().text(status_line(view) + "\n")
    if late:
        say("it was decided before, which stands; what was still to run is cancelled")
    elif decided:
        say("it was decided before; nothing was changed")
    if not view.settled:
        say("some of its children are still being stopped")
    return SUCCEEDED


def _cancel_child(options: Namespace) -> int:
    with remote(options) as (orchestrator, run):
        before, decided = orchestrator.child_status(run.id, options.child), orchestrator.is_decided(run.id)
        view = run.cancel(options.reason or "cancelled by request", child=options.child)
        after = orchestrator.child_status(run.id, options.child)
    name = f"child {shown(options.child)} of {shown(view.id)}"
    if before in OUTCOMES:
        text = f"{name} had ended before: {word(before)}; nothing was changed"
    elif after == "running":
        text = f"{name} is being stopped"
    else:
        text = f"{name} is {word(after or 'unknown')}"
    _tell(options, view, text)
    if view.decided_at is not None and not decided and not options.json:
        say(f"with that, it is decided: {status_line(view)}")
    return SUCCEEDED


def pause(options: Namespace, _: Signals) -> int:
    """Let no more children of a run start."""
    with remote(options) as (orchestrator, run):
        before = orchestrator.is_paused(run.id)
        view = run.pause(options.reason or "paused by request")
        worked_on = orchestrator.is_worked_on(run.id)
    name, running = shown(view.id), view.counts.running
    if before:
        text = f"{name} was paused before; nothing was changed"
    elif view.decided_at is not None:
        text = f"paused {name}, which is decided already ({word(view.status)}): what is still to run waits"
    elif not worked_on:
        text = f"paused {name}; nobody works on it now"
    elif running:
        text = f"paused {name}; {running:,} running {_children(running)} on to {'its' if running == 1 else 'their'} end"
    else:
        text = f"paused {name}; none of its children is running"
    _tell(options, view, text)
    return SUCCEEDED


def _children(count: int) -> str:
    return "child goes" if count == 1 else "children go"


def update(options: Namespace, _: Signals) -> int:
    """Change what a run may do while it lives."""
    rule = (options.strategy, options.threshold, options.max_failures) != (None, None, None)
    strategy = strategy_of(options, "all") if rule else None
    numbers = {"max_workers": options.max_workers, "weight": options.weight, "priority": options.priority}
    if strategy is None and all(number is None for number in numbers.values()):
        raise UsageError("nothing to change: say --max-workers, --strategy, --threshold, --weight or --priority")
    with remote(options) as (_orchestrator, run):
        view = run.update(strategy=strategy, **numbers)
    changed = [f"{name} {number:,}" for name, number in numbers.items() if number is not None]
    if strategy is not None:
        changed.append(f"strategy {view.strategy.kind} ({view.strategy.required:,} must succeed)")
    _tell(options, view, f"{shown(view.id)} has {', '.join(changed)} now")
    if view.decided_at is not None and not options.json:
        say(status_line(view))
    return SUCCEEDED


def _tell(options: Namespace, view: RunStatus, text: str) -> None:
    if options.json:
        _print_json(view)
    else:
        standard_output().text(text + "\n")


def _print_json(view: RunStatus) -> None:
    standard_output().text(json.dumps(plain(view)) + "\n")
