"""`schema`."""

from __future__ import annotations

import json
from argparse import Namespace

from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import standard_output


def schema(_options: Namespace, _: Signals) -> int:
    """Print the JSON Schema of plan files."""
    from orchestrator.plan_schema import plan_schema

    standard_output().text(json.dumps(plan_schema(), indent=2) + "\n")
    return SUCCEEDED
