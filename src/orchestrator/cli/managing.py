"""`cancel` and `schema`."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import suppress
from typing import Final

from events.errors import DeadlineExceededError, RunNotFoundError, StoreNotFoundError
from events.views import RunStatus, plain
from orchestrator.cli.arguments import default_store
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.signals import Signals
from orchestrator.cli.summary import status_line
from orchestrator.cli.terminal import say, standard_output

_SETTLE_SECONDS: Final = 10.0
"""How long to wait until what ran has stopped."""


def cancel(options: Namespace, _: Signals) -> int:
    """Cancel a run, whoever works on it. One that is decided already stays as it is, which is no error."""
    from orchestrator.orchestrator import Orchestrator

    store = options.store or default_store()
    try:
        orchestrator = Orchestrator(store, max_workers=1, must_exist=True)
    except StoreNotFoundError as error:
        raise RunNotFoundError(f"there is no run {options.id!r}: {error}") from None
    with orchestrator:
        run = orchestrator.get(options.id)
        before = run.status()
        view = before if _decided(before) else run.cancel(options.reason or "cancelled by request")
        with suppress(DeadlineExceededError):
            view = run.settle(timeout=_SETTLE_SECONDS).view
    if options.json:
        standard_output().text(json.dumps(plain(view)) + "\n")
        return SUCCEEDED
    standard_output().text(status_line(view) + "\n")
    if _decided(before):
        say("it was decided before; nothing was changed")
    elif not view.settled:
        say("some of its children are still being stopped")
    return SUCCEEDED


def _decided(view: RunStatus) -> bool:
    return view.decided_at is not None


def schema(_options: Namespace, _: Signals) -> int:
    """Print the JSON Schema of plan files."""
    from orchestrator.plan_schema import plan_schema

    standard_output().text(json.dumps(plan_schema(), indent=2) + "\n")
    return SUCCEEDED
