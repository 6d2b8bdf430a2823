"""`map` and `run`: from what was asked for to a run that is followed to its end."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import NamedTuple

from events.errors import OrchestratorError, UsageError
from events.limits import DEFAULT_LIMITS
from events.log import open_log
from orchestrator.cli.dry_run import json_lines, tree_lines, work_words
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.importing import import_module_tasks
from orchestrator.cli.item_stream import items_given, stream_items, whole_items
from orchestrator.cli.live import LiveOrchestrator
from orchestrator.cli.rules import widest, with_options
from orchestrator.cli.session import Session
from orchestrator.cli.signals import Interrupted, Signals
from orchestrator.cli.summary import Named
from orchestrator.cli.terminal import say, shown, standard_error, standard_output
from orchestrator.creation import Creation, check_id
from orchestrator.definition import Child, Parallel
from orchestrator.item_notes import with_notes
from orchestrator.run import Run
from orchestrator.tasks import TASKS
from orchestrator.templates import Template


class _Asked(NamedTuple):
    """What is to be run, and the modules that its functions come from."""

    id: str | None
    parallel: Parallel
    modules: tuple[str, ...] = ()


def map_items(options: Namespace, signals: Signals) -> int:
    """Run a command for each item."""
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        raise UsageError("no command: say what to run for each item, as in orchestrator map 'gzip {}' ::: a b")
    if words[0].startswith("-") and words is options.command:  # argparse takes what has a blank in it for no option
        raise UsageError(f"there is no option {words[0]!r}; if it is the command, write -- before it")
    template = Template(" ".join(words))

    def child(item: str, index: int) -> Child:
        return Child(id=str(index + 1), command=template.command(item, index), input=item)

    if options.null and options.items is not None:
        raise UsageError("-0 is for items on standard input, and these stand after :::")
    items = options.items if items_given(options.items) else whole_items(null=options.null)
    if items is not None:
        parallel = Parallel(children=[child(item, index) for index, item in enumerate(items)])
    else:
        parallel = Parallel(children=stream_items(child, template.text, null=options.null))
    return _start(_Asked(options.id, with_notes(with_options(parallel, options))), options, signals)


def run_plan(options: Namespace, signals: Signals) -> int:
    """Run a plan file."""
    from orchestrator.plan import load_plan
    from orchestrator.plan_tasks import import_tasks

    plan = load_plan(options.plan)
    parallel = with_notes(with_options(plan.parallel, options))
    for module in options.imports:
        import_module_tasks(module)
    import_tasks(plan)
    return _start(
        _Asked(options.id or plan.id, parallel, tuple(dict.fromkeys((*options.imports, *plan.modules)))),
        options,
        signals,
    )


def _start(asked: _Asked, options: Namespace, signals: Signals) -> int:
    if asked.id is not None:
        check_id(asked.id, "id", DEFAULT_LIMITS)
    max_workers = options.max_workers or widest(asked.parallel)
    # All that can be refused is refused here, before there is a store.
    commands = Creation(TASKS, DEFAULT_LIMITS, max_workers, lambda: time.time_ns() // 1_000).whole(
        asked.id or "", asked.parallel
    )
    if options.dry_run:
        standard_output().lines(json_lines(asked.parallel) if options.json else tree_lines(asked.parallel))
        return SUCCEEDED
    signals.check()
    session = Session(options, signals, asked.modules)
    run_id = asked.id

    def begin(orchestrator: LiveOrchestrator) -> list[Run]:
        nonlocal run_id
        run_id = asked.id or orchestrator.new_id()
        run = orchestrator.begin(run_id, commands, asked.parallel)
        if asked.id is None and not options.quiet and standard_error().isatty():
            say(f"run {run_id}")
        why = orchestrator.why_unread(run_id)
        if not options.quiet and why is not None:
            say(f"run {shown(run_id)} {why}: standard input was not read")
        if not options.quiet and orchestrator.worked_on_elsewhere(run_id):
            say(f"another process works on run {shown(run_id)}: looking on, and going on with it should that one end")
        return [run]

    try:
        named = session.named if asked.parallel.over_time else lambda _: _named(asked.parallel)
        return session.hold(begin, named, max_workers=max_workers)
    except Interrupted:
        if run_id is not None and _on_record(session.store, run_id):
            say(f"interrupted; go on with: {session.resume_line(run_id)}")
            return signals.exit_status
        raise


def _named(parallel: Parallel) -> Named:
    def named(index: int) -> str:
        child = parallel.listed[index]
        return child.input if isinstance(child.input, str) else work_words(child)

    return named


def _on_record(store: str, run_id: str) -> bool:
    """Whether a run that we were about to start when the signal came is there now."""
    try:
        with open_log(store, must_exist=True) as log:
            return log.head(run_id) is not None
    except OrchestratorError:
        return False
