"""`schema`."""

from __future__ import annotations

import json
from argparse import Namespace

from events.errors import UsageError
from events.log.postgres_address import is_postgres, parsed, without_password
from events.log.postgres_tables import as_sql
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import standard_output


def schema(options: Namespace, _: Signals) -> int:
    """Print the JSON Schema of plan files, or the SQL by which an administrator makes a store in PostgreSQL."""
    if options.store is not None or options.role is not None:
        standard_output().text(_sql(options.store or default_store(), options.role))
        return SUCCEEDED
    from orchestrator.plan_schema import plan_schema

    standard_output().text(json.dumps(plan_schema(), indent=2) + "\n")
    return SUCCEEDED


def _sql(store: str, role: str | None) -> str:
    if not is_postgres(store):
        raise UsageError(f"{without_password(store)}: SQL is for a store in PostgreSQL: --store postgresql://...")
    address = parsed(store)
    return as_sql(address.schema, role or address.user)
