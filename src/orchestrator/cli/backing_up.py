"""`backup` and `restore`: a store as a file of its own, and back."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from events.errors import UsageError
from events.log import backups, open_log, path_of
from events.log.backups import BackedUp
from events.log.postgres_address import is_postgres
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.asking import open_store
from orchestrator.cli.exits import SUCCEEDED
from orchestrator.cli.keys import audit_key
from orchestrator.cli.signals import Signals
from orchestrator.cli.terminal import say, shown
from orchestrator.shown_text import many


def backup(options: Namespace, _: Signals) -> int:
    """Copy a store to a file."""
    key = audit_key(options)
    with open_store(options.store or default_store()) as log:
        done = backups.back_up(log, Path(options.file), key=key)
    say(f"{shown(options.file)}: {_told(done)}")
    return SUCCEEDED


def restore(options: Namespace, _: Signals) -> int:
    """Make a store of a backup."""
    key, store = audit_key(options), options.store or default_store()
    if store == "memory:":
        raise UsageError("what is restored into memory: is gone at once; give a path")
    if is_postgres(store):
        with open_log(options.file, must_exist=True) as source, open_log(store) as log:
            done = backups.restore(source, log, key=key)
            place = log.location
        say(f"{shown(place)}: {_told(done)}")
        return SUCCEEDED
    path = Path(path_of(store))
    with open_log(options.file, must_exist=True) as log:
        done = backups.back_up(log, path, key=key)
    say(f"{shown(str(path))}: {_told(done)}")
    return SUCCEEDED


def _told(done: BackedUp) -> str:
    return f"{many(done.runs, 'run')} with {many(done.events, 'event')}, up to position {done.position:,}"
