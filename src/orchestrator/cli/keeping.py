"""`redact`: what a store is to keep no longer."""

from __future__ import annotations

import json
from argparse import Namespace

from events.views import plain
from orchestrator.cli.controlling import remote
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import shown, standard_output


def redact(options: Namespace, _: Signals) -> int:
    """Destroy the texts of an encrypted run."""
    with remote(options) as (_orchestrator, run):
        view = run.redact(options.reason or "redacted by request")
    if options.json:
        standard_output().text(json.dumps(plain(view)) + "\n")
    else:
        standard_output().text(f"redacted {shown(view.id)}: its texts are destroyed; what happened stays on record\n")
    return SUCCEEDED
