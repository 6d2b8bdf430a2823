"""`redact` and `archive`: what a store is to keep no longer."""

from __future__ import annotations

import json
from argparse import Namespace

from events.views import plain
from orchestrator.cli.controlling import open_remote, remote
from orchestrator.cli.exits import STORE, SUCCEEDED
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import complain, say, shown, standard_output


def redact(options: Namespace, _: Signals) -> int:
    """Destroy the texts of an encrypted run."""
    with remote(options) as (_orchestrator, run):
        view = run.redact(options.reason or "redacted by request")
    if options.json:
        standard_output().text(json.dumps(plain(view)) + "\n")
    else:
        standard_output().text(f"redacted {shown(view.id)}: its texts are destroyed; what happened stays on record\n")
    return SUCCEEDED


def archive(options: Namespace, _: Signals) -> int:
    """Write old runs to an archive, and take them out of the store if that was asked for."""
    with open_remote(options) as orchestrator:
        done = orchestrator.archive(options.older_than, options.to, drop=options.drop)
    if done is None:
        if options.json:
            standard_output().text("null\n")
        else:
            say("nothing to archive: no settled run is that old")
        return SUCCEEDED
    if options.json:
        told = {**done._asdict(), "path": str(done.path)}
        standard_output().text(json.dumps(told) + "\n")
    else:
        runs = "1 run" if len(done.runs) == 1 else f"{len(done.runs):,} runs"
        standard_output().text(f"archived {runs}, {done.events:,} events: {shown(str(done.path))}\n")
        if options.drop:
            standard_output().text(f"dropped from the store: {len(done.dropped):,}, and the runs inside\n")
    for problem in done.damaged:
        complain(f"left alone: {problem}")
    return STORE if done.damaged else SUCCEEDED
