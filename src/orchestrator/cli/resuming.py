"""`resume` and `redrive`: go on with one run, or with every run that is unfinished; run children again."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache

from events.errors import (
    UNREADABLE,
    KeyNotFoundError,
    OrchestratorError,
    RedactedError,
    RunOwnedError,
    StepOrderError,
    UnknownTaskError,
)
from events.facts import ParentCreated, Within
from events.limits import DEFAULT_LIMITS
from events.log.keyring import Keyring
from events.log.store import EventLog
from events.nested import nested_parent, tasks_needed
from events.views import plain
from orchestrator import queries
from orchestrator.cli.asking import open_store
from orchestrator.cli.exits import exit_status
from orchestrator.cli.importing import import_module_tasks
from orchestrator.cli.keys import keyring_of
from orchestrator.cli.live import LiveOrchestrator
from orchestrator.cli.rules import cores
from orchestrator.cli.session import Session
from orchestrator.cli.signals import Interrupted, Signals
from orchestrator.cli.summary import Named, again, named_input
from orchestrator.cli.terminal import brief, say, shown, standard_output
from orchestrator.definition import SHELL_TASK
from orchestrator.folded_pages import folded_children
from orchestrator.page_queries import child_query
from orchestrator.run import Run
from orchestrator.tasks import TASKS


def resume(options: Namespace, signals: Signals) -> int:
    """Go on with a run, or with all of them."""
    refused: list[int] = []

    def begin(orchestrator: LiveOrchestrator, ids: Sequence[str]) -> list[Run]:
        return _go_on(orchestrator, ids, options, refused)

    return max([_hold(options, signals, begin), *refused])


def redrive(options: Namespace, signals: Signals) -> int:
    """Run children of a run again that ended without success, and follow it to its end."""
    chosen = {"outcome": options.outcome, "ids": options.child, "error_type": options.error_type}

    def begin(orchestrator: LiveOrchestrator, _: Sequence[str]) -> list[Run]:
        with _imports_named(orchestrator, "redrive", options.id, options):
            return [orchestrator.redrive(options.id, reason=options.reason or "redriven by request", **chosen)]

    return _hold(options, signals, begin)


def _hold(options: Namespace, signals: Signals, begin: Callable[[LiveOrchestrator, Sequence[str]], list[Run]]) -> int:
    """Go on with runs, each in its way, and follow them to their end."""
    for module in options.imports:
        import_module_tasks(module)
    session = Session(options, signals, options.imports)
    keyring = keyring_of(options)
    with open_store(session.store, options.id, keyring) as log:
        if options.id is not None:
            queries.require(log, options.id)
        ids = [options.id] if options.id is not None else _outermost(log, queries.unfinished(log))
        workers = options.max_workers or max([cores(), *(_max_workers(log, run_id) for run_id in ids)])
    if not ids and not options.quiet:
        say("nothing to resume: every run is finished")
    try:
        return session.hold(
            lambda orchestrator: begin(orchestrator, ids),
            lambda run_id: _named(session.store, run_id, keyring),
            max_workers=workers,
            must_exist=True,
        )
    except Interrupted as error:
        say(f"interrupted; go on with: {session.resume_line(options.id)}")
        return error.exit_status


def _go_on(orchestrator: LiveOrchestrator, ids: Sequence[str], options: Namespace, refused: list[int]) -> list[Run]:
    """Go on with runs. What is in the way of one of several runs is said, and the others go on."""
    runs: list[Run] = []
    for run_id in ids:
        try:
            run = _one(orchestrator, run_id, options)
            if run is not None:
                runs.append(run)
        except OrchestratorError as error:
            if options.id is not None:
                raise
            if not isinstance(error, RunOwnedError):
                refused.append(exit_status(error))
            say(f"orchestrator: passed over: {brief(str(error))}")
    return runs


def _one(orchestrator: LiveOrchestrator, run_id: str, options: Namespace) -> Run | None:
    """Go on with a run; None where another process does."""
    if orchestrator.is_driven(run_id):
        raise StepOrderError(f"run {run_id!r} has not got all its children yet: whoever made it has to go on with it")
    paused = orchestrator.was_paused(run_id)
    if paused and options.id is None:
        raise RunOwnedError(f"run {run_id!r} is paused: {again('resume', run_id, options)}")
    try:
        with _imports_named(orchestrator, "resume", run_id, options):
            if not paused:
                run = orchestrator.resume(run_id, take_over=options.take_over)
                _see_to_open(orchestrator, run)
                return run
            resumed = orchestrator.let_go_on(run_id, take_over=options.take_over)
    except RunOwnedError as error:
        raise RunOwnedError(f"{error}: {again('resume', run_id, options, '--take-over')}") from None
    if isinstance(resumed, Run):
        _see_to_open(orchestrator, resumed)
        return resumed
    if options.json:
        standard_output().text(json.dumps(plain(resumed)) + "\n")
    elif not options.quiet:
        say(f"{shown(run_id)} is paused no more; another process works on it")
    return None


@contextmanager
def _imports_named(orchestrator: LiveOrchestrator, command: str, run_id: str, options: Namespace) -> Iterator[None]:
    """Say which modules are to be imported, where tasks are not known."""
    try:
        yield
    except UnknownTaskError:
        children = orchestrator.get(run_id).children()
        tasks = {task for child in children for task in tasks_needed(child.task, child.input)} - {SHELL_TASK}
        unknown = sorted(task for task in tasks if task not in TASKS)
        modules = dict.fromkeys(task.partition(":")[0] if ":" in task else "MODULE" for task in unknown)
        imports = [word for module in (*options.imports, *modules) for word in ("--import", module)]
        raise UnknownTaskError(
            f"run {run_id!r} needs functions that are not known here ({', '.join(unknown)}); "
            f"go on with: {again(command, run_id, options, *imports)}"
        ) from None


def _see_to_open(orchestrator: LiveOrchestrator, run: Run) -> None:
    """Close a run whose items came from standard input, and say what becomes of one that others may add to."""
    total = orchestrator.view(run.id).counts.total
    if orchestrator.reads_no_more(run.id):
        run.close()
        say(
            f"run {shown(run.id)}: its items came from standard input, and those not read yet are gone; "
            f"it ends with the {total:,} on record"
        )
    elif orchestrator.is_open(run.id):
        say(
            f"run {shown(run.id)} is open: the {total:,} children on record are gone on with, and it ends once whoever "
            "gives it children has given them all; for a plan, run the plan again with the same id"
        )


def _outermost(log: EventLog, ids: Sequence[str]) -> list[str]:
    """Return those of these runs that are not inside another one of them, which goes on with them itself."""
    known = set(ids)
    inner = {run_id for run_id in ids if (within := _within(log, run_id)) is not None and within.parent_id in known}
    return [run_id for run_id in ids if run_id not in inner]


def _within(log: EventLog, run_id: str) -> Within | None:
    created = _created(log, run_id)
    return None if created is None else created.within


def _created(log: EventLog, run_id: str) -> ParentCreated | None:
    with suppress(*UNREADABLE):  # said once the run itself is gone on with
        first = next(log.read(run_id), None)
        if first is not None and isinstance(first.fact, ParentCreated):
            return first.fact
    return None


def _max_workers(log: EventLog, run_id: str) -> int:
    """Return how many children of a run, or of a parent inside it, may run at a time."""
    created = _created(log, run_id)
    most = 1 if created is None else max(created.max_workers, _nested_max_workers(log, run_id))
    return min(most, DEFAULT_LIMITS.max_workers_max)


def _nested_max_workers(log: EventLog, run_id: str) -> int:
    with suppress(*UNREADABLE, KeyNotFoundError, RedactedError):  # as above
        return max((nested_parent(text).max_workers_asked() for text in queries.nested_inputs(log, run_id)), default=1)
    return 1


def _named(store: str, run_id: str, keyring: Keyring | None) -> Named:
    @cache
    def names() -> list[tuple[str, str]]:
        with open_store(store, keyring=keyring) as log:
            return [(child.task, child.input) for child in folded_children(log, run_id, child_query())]

    return lambda index: named_input(*names()[index])
