"""What is said of a run in words: one line, and the first few children that failed."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from events.error_words import NESTED_ERROR, error_fields, error_words
from events.log.postgres_address import without_password
from events.nested import nested_parent
from events.payload import decode_payload
from events.state import NESTED_TASK
from events.strategy import Strategy
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.keys import default_key_file
from orchestrator.cli.progress import percent_done, rate
from orchestrator.cli.terminal import cut, shown
from orchestrator.durations import format_duration
from orchestrator.tasks import SOURCE_TASK

if TYPE_CHECKING:
    from actors.hearing import EndedChild
    from events.views import RunStatus

Named = Callable[[int], str]
"""What a child works on, in a few words, by its index."""
_NAME_COLUMNS = 60
_REASON_COLUMNS = 120
_IDS_MAX = 10


def status_line(view: RunStatus, *, paused: bool = False, part: float = 0.0) -> str:
    """Return `run ID: succeeded - 1,998 of 2,000 succeeded, 2 failed`, and how much is done where children say so."""
    return f"run {shown(view.id)}: {standing(view, paused=paused, part=part)}"


def standing(view: RunStatus, *, paused: bool = False, part: float = 0.0) -> str:
    """Return `running - 3 of 5 succeeded, 2 running`: what `status_line` says behind the run's id."""
    counts = view.counts
    parts = [f"{counts.succeeded:,} of {counts.total:,} succeeded"]
    for name in ("failed", "timed_out", "cancelled", "skipped", "running", "pending"):
        number = getattr(counts, name)
        if number:
            parts.append(f"{number:,} {word(name)}")
    if part:
        parts.append(f"{percent_done(counts, part)} done")
    return f"{status_word(view, paused=paused)} - {', '.join(parts)}"


def status_word(view: RunStatus, *, paused: bool) -> str:
    """Return a run's status as people write it: `running (paused)`."""
    return f"{word(view.status)} (paused)" if paused else word(view.status)


def said_words(progress: float | None, message: str | None) -> str:
    """Return what a running child said of itself: `43%, step 12`."""
    parts = [] if progress is None else [f"{int(progress * 100)}%"]
    return ", ".join([*parts, *([] if message is None else [shown(message)])]) or "lives"


def word(status: str) -> str:
    """Return a status as people write it."""
    return status.replace("_", " ")


def over_line(view: RunStatus, ended: int, seconds: float) -> str:
    """Return the status line of a run that is over, and how long that took (`ended` children in so many seconds)."""
    if not ended and view.counts.total:
        return f"{status_line(view)}, already over"
    return f"{status_line(view)}, {pace(ended, seconds)}"


def pace(ended: int, seconds: float) -> str:
    """Return `12.3 s (162/s)`."""
    took = f"{seconds:.{1 if seconds >= 1 else 2}f} s" if seconds < 60 else format_duration(seconds)
    return f"{took} ({rate(ended / seconds)})" if ended and seconds > 0 else took


def failure_lines(
    view: RunStatus, failures: Sequence[EndedChild], named: Named, options: Namespace, why: str | None = None
) -> Iterator[str]:
    """Yield a line for each of these children, and where to find the others.

    Where no child is to blame that a run did not succeed, the line is `why` it was decided so.
    """
    for child in failures:
        reason = shown(error_words(_error_text(child)) or word(child.outcome))
        name = cut(shown(named(child.index)), _NAME_COLUMNS) or "''"
        yield f"  {word(child.outcome)}: {shown(child.child_id)} ({name}): {cut(reason, _REASON_COLUMNS)}"
        error = error_fields(_error_text(child))
        if error.get("type") == NESTED_ERROR:
            yield f"    see: {again('children', str(error.get('id')), options)}"
    unsuccessful = view.counts.failed + view.counts.timed_out
    if view.status == "failed" and not unsuccessful and view.decided_by is not None:
        yield f"  decided by: {shown(view.decided_by)}, which was cancelled"
    elif view.status != "succeeded" and not unsuccessful and why is not None:
        yield f"  why: {shown(why)}"
    more = unsuccessful - len(failures)
    if more > 0:
        outcome = "failed" if view.counts.failed else "timed_out"
        kind = "more" if failures else "without success"
        yield f"  {more:,} {kind}: {again('children', view.id, options, '--status', outcome)}"


def _error_text(child: EndedChild) -> str | None:
    return child.error if child.ending is None else child.ending.error


def named_input(task: str, text: str) -> str:
    """Return what a child works on, from its task and its input as they are on record."""
    if task == SOURCE_TASK:
        return "where the children come from"
    if task == NESTED_TASK:
        parent = nested_parent(text)
        ids = [child.child_id for child in parent.children[:_IDS_MAX]]
        return parent_words(parent.strategy, ids, len(parent.children))
    value = decode_payload(text)
    if task != "shell" or not isinstance(value, dict):
        return f"{task} {text}"
    item = value.get("input")
    return item if isinstance(item, str) else str(value.get("command"))


def parent_words(strategy: Strategy, ids: Sequence[str], total: int) -> str:
    """Return what a child that is a parent does, in a line: `any of 3: mirror-a, mirror-b, mirror-c`."""
    kind = strategy.kind if strategy.kind != "threshold" else f"{strategy.required(total):,}"
    return f"{kind} of {total:,}: {', '.join(ids[:_IDS_MAX])}{', ...' if total > _IDS_MAX else ''}"


def again(command: str, run_id: str | None, options: Namespace, *more: str) -> str:
    """Return the command line of ours that does something with a run of the same store."""
    rest = list(more)
    if options.store is not None and options.store != default_store():
        rest += ["--store", without_password(options.store)]
    key_file = getattr(options, "key_file", None)
    if key_file is not None and key_file != default_key_file():
        rest += ["--key-file", key_file]
    if getattr(options, "encryption_key_file", None) is not None:
        rest += ["--encryption-key-file", options.encryption_key_file]
    if run_id is not None:
        rest = [*rest, "--", run_id] if run_id.startswith("-") else [run_id, *rest]
    return shown(shlex.join(["orchestrator", command, *rest]))
