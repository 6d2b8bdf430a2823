"""One sitting: an orchestrator is opened, runs are followed, it is closed, and it is said how they ended."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Sequence

from events.errors import OrchestratorError
from events.views import RunStatus, plain
from orchestrator.cli.arguments_shared import default_store
from orchestrator.cli.drive import Drive
from orchestrator.cli.exits import SUCCEEDED, exit_status, status_exit
from orchestrator.cli.keys import audit_secret, encryption_key_file
from orchestrator.cli.live import LiveOrchestrator
from orchestrator.cli.logs import show_logs
from orchestrator.cli.progress import make_bar
from orchestrator.cli.signals import Interrupted, Signals
from orchestrator.cli.summary import Named, again, failure_lines, over_line, status_line
from orchestrator.cli.terminal import OutputError, complain, say, standard_error, standard_output
from orchestrator.run import Run

Begin = Callable[[LiveOrchestrator], Sequence[Run]]
"""Starts runs, or goes on with them."""


class Session:
    """What `map`, `run` and `resume` have in common. `modules` are those that going on would have to import."""

    def __init__(self, options: Namespace, signals: Signals, modules: Sequence[str] = ()) -> None:
        show_logs()
        self.store: str = options.store or default_store()
        self._options = options
        self._signals = signals
        self._imports = [word for module in modules for word in ("--import", module)]
        self._orchestrator: LiveOrchestrator | None = None
        self._bar = None if options.quiet else make_bar(options.progress, standard_error())

    def named(self, run_id: str) -> Named:
        """Return what says what a child of a run works on, from what was heard of the run."""
        if self._orchestrator is None:
            raise RuntimeError("nothing was begun")
        return self._orchestrator.named(run_id)

    def _open(self, store: str, *, max_workers: int, must_exist: bool) -> LiveOrchestrator:
        self._orchestrator = LiveOrchestrator(
            store,
            max_workers=max_workers,
            must_exist=must_exist,
            audit_key=audit_secret(self._options),
            keyring=encryption_key_file(self._options),
            compress=self._options.compress,
        )
        return self._orchestrator

    def hold(self, begin: Begin, named: Callable[[str], Named], *, max_workers: int, must_exist: bool = False) -> int:
        """Begin runs, follow them to their end, say how they ended, and return the exit status.

        Raises:
            OrchestratorError: they cannot be begun.
            Interrupted: a signal came before that.
        """
        broken: OutputError | None = None
        with self._open(self.store, max_workers=max_workers, must_exist=must_exist) as orchestrator:
            try:
                runs = begin(orchestrator)
            except Interrupted:
                self._say_stopping()  # the store may be locked, and then closing takes its time
                raise
            self._leave_last_words([run.id for run in runs if not orchestrator.worked_on_elsewhere(run.id)])
            keep_order = getattr(self._options, "keep_order", False)
            drive = Drive(orchestrator, self._bar, prints=not self._options.json, keep_order=keep_order)
            try:
                drive.follow(runs, self._signals)
            except OutputError as error:
                broken = error
            if self._signals.number is not None:
                self._say_stopping()
        try:
            if broken is None:
                drive.finish()
        except OutputError as error:
            broken = error
        drive.discard()
        if self._signals.number is not None:
            broken = None  # Ctrl-C ended whoever reads our output too
        why = "interrupted" if broken is None else str(broken)
        statuses = [self._end(orchestrator, drive, run.id, named(run.id), why) for run in runs]
        if broken is not None:
            if not broken.closed:
                complain(str(broken))
            return broken.exit_status
        return max(statuses, default=SUCCEEDED)

    def _end(self, orchestrator: LiveOrchestrator, drive: Drive, run_id: str, named: Named, why: str) -> int:
        """Say how one run ended, or `why` it did not; return what that means for the exit status."""
        over = drive.over.get(run_id)
        if isinstance(over, OrchestratorError):
            complain(f"{over}; once that is mended: {self.resume_line(run_id)}")
            return exit_status(over)
        if over is None:
            self._leave(orchestrator.view(run_id), why, elsewhere=orchestrator.worked_on_elsewhere(run_id))
            return self._signals.exit_status
        if not self._options.quiet:
            say(over_line(over, drive.ended[run_id], drive.seconds))
            why_so = orchestrator.why_decided(run_id)
            for line in failure_lines(over, drive.failures.get(run_id, ()), named, self._options, why_so):
                say(line)
        if self._options.json:
            standard_output().text(json.dumps(plain(over)) + "\n")
        return status_exit(over.status)

    def _leave(self, view: RunStatus, why: str, *, elsewhere: bool) -> None:
        if not self._options.quiet:
            say(status_line(view))
        if self.store == "memory:":
            say(f"{why}; the run was kept in memory alone and is gone")
        elif elsewhere:
            say(f"{why}; another process works on the run")
        else:
            say(f"{why}; go on with: {self.resume_line(view.id)}")

    def _leave_last_words(self, ids: Sequence[str]) -> None:
        """Have it said how to go on with these runs, should a second signal end us on the spot."""
        if ids and self.store != "memory:":
            line = self.resume_line(ids[0] if len(ids) == 1 else None)
            begin = "\n" if standard_error().isatty() else ""
            self._signals.last_words = f"{begin}ended at once; go on with: {line}\n"

    def _say_stopping(self) -> None:
        if standard_error().isatty():
            say("stopping; a second Ctrl-C ends it at once")

    def resume_line(self, run_id: str | None) -> str:
        """Return the command that goes on with a run, or with all (None)."""
        keep_order = ("-k",) if getattr(self._options, "keep_order", False) else ()
        return again("resume", run_id, self._options, *self._imports, *keep_order)
