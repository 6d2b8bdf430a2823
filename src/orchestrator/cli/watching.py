"""`watch`: how a run stands, whenever that changes, until it is settled."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import suppress

from events.errors import RunHaltedError
from events.views import plain
from orchestrator.cli.controlling import remote
from orchestrator.cli.exits import status_exit
from orchestrator.cli.progress import make_bar
from orchestrator.cli.signals import Signals
from orchestrator.cli.summary import again, status_line
from orchestrator.cli.terminal import OutputError, standard_error, standard_output
from orchestrator.progress import part_of


def watch(options: Namespace, _: Signals) -> int:
    """Follow a run to its end, and exit as it does. On a terminal one line is drawn again and again."""
    bar = None if options.json or not standard_output().isatty() else make_bar(None, standard_error())
    with remote(options) as (orchestrator, run):
        begun, progress = False, orchestrator.progress(run.id)
        try:
            for view in run.watch():
                if options.json:
                    standard_output().text(json.dumps(plain(view)) + "\n")
                elif bar is None or view.settled:
                    if bar is not None:
                        bar.erase()
                    paused = not view.settled and orchestrator.is_paused(run.id)
                    part = 0.0 if view.settled else part_of(progress.look())
                    standard_output().text(status_line(view, paused=paused, part=part) + "\n")
                else:
                    if not begun:
                        bar.begin(view.counts)
                    begun = True
                    bar.draw(view.counts, paused=orchestrator.is_paused(run.id), part=part_of(progress.look()))
        except RunHaltedError as error:
            line = again("resume", orchestrator.outermost(run.id), options)
            raise RunHaltedError(f"nobody works on run {run.id!r} any more; go on with: {line}") from error
        finally:
            if bar is not None:
                with suppress(OutputError):
                    bar.erase()
    return status_exit(view.status)
