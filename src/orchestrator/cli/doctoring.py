"""`doctor`: what may be wrong with this machine and a store, and what to do about it."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from events.errors import OrchestratorError, StoreNotFoundError
from events.log import open_log, path_of
from events.log.sqlite import SQLiteRecorder
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.exits import STORE, SUCCEEDED
from orchestrator.cli.keys import audit_key
from orchestrator.cli.signals import Signals
from orchestrator.cli.summary import again
from orchestrator.cli.terminal import shown, standard_output
from orchestrator.doctor.files import files
from orchestrator.doctor.machine import machine
from orchestrator.doctor.payloads import payloads
from orchestrator.doctor.remark import Remark
from orchestrator.doctor.runs import runs
from orchestrator.doctor.standing import seals, views


def doctor(options: Namespace, _: Signals) -> int:
    """Say how everything is, as it is looked at."""
    failed = False
    for remark in _remarks(options):
        failed = failed or remark.verdict == "fail"
        standard_output().text(f"{json.dumps(remark._asdict()) if options.json else _line(remark)}\n")
    return STORE if failed else SUCCEEDED


def _remarks(options: Namespace) -> Iterator[Remark]:
    yield from machine()
    key = audit_key(options)
    store = options.store or default_store()
    try:
        log = open_log(store, must_exist=True)
    except StoreNotFoundError as error:
        yield Remark("store", "warn", str(error), "start a run, or name another store with --store")
        return
    except OrchestratorError as error:
        yield Remark("store", "fail", str(error), "mend that, or put a backup back: orchestrator restore FILE")
        return
    with log:
        yield Remark("store", "ok", f"{log.location}: {log.last_position():,} events")
        try:
            if isinstance(log.recorder, SQLiteRecorder):
                path = Path(path_of(store)).resolve()
                yield from files(path)
                yield from views(log, path)
            yield seals(log, key)
            yield from payloads(log)
            yield from runs(log, lambda run_id: again("resume", run_id, options))
        except OrchestratorError as error:
            yield Remark("store", "fail", str(error), "orchestrator audit verify says more")


def _line(remark: Remark) -> str:
    """Return `warn  disk       120 MiB free: free some space`."""
    advice = f"\n{'':<17}-> {shown(remark.advice)}" if remark.advice else ""
    return f"{remark.verdict:<4}  {remark.about:<9}  {shown(remark.text)}{advice}"
