"""The part of `Run` that changes what a run does, whoever works on it: cancel, pause, resume, update, redrive."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from events.commands import Cancel, CancelChild, Command, Pause, Resume
from events.errors import StepOrderError, UsageError
from events.facts import ParentSettled
from events.strategy import Outcome
from events.views import RunStatus, run_status
from orchestrator import given, queries
from orchestrator.changes import change_command
from orchestrator.definition import StrategyLike
from orchestrator.given import CALL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from events.state import ParentState
    from orchestrator.engine import Engine

_REASON_CHARS_MAX: Final = 10_000


class Controls:
    """What may be asked of a run while it lives. Each call returns once it is on record."""

    id: str
    _engine: Engine

    @abstractmethod
    def status(self) -> RunStatus:
        """Return the run's status."""

    @abstractmethod
    def settle(self, timeout: float | None = None) -> Any:
        """Wait until the run is decided and every child has an outcome."""

    @abstractmethod
    def _changed(self, state: ParentState) -> RunStatus:
        """Take note of a state that was just put on record, and return its status."""

    def cancel(
        self, reason: str = "cancelled by request", child: str | None = None, timeout: float = CALL_SECONDS
    ) -> RunStatus:
        """Cancel the run, whoever works on it, and return its status once that is on record.

        Open children are stopped; `settle` waits for that. A run that is decided already keeps its status, and what
        goes on after the decision is stopped all the same. With `child`
        only the child of that id is cancelled: stopped where it runs, never started where it does not. One that has an
        outcome keeps it. A run that nobody works on is taken over, so that it comes to rest; not so for one child.

        Raises:
            UsageError: there is no such child, or the reason cannot be put on record.
            DeadlineExceededError: the store did not take it within `timeout` seconds.
        """
        timeout = given.seconds(timeout, "cancel: timeout")
        check_reason(reason)
        if child is not None:
            given.text(child, "child")
            return self._request((CancelChild(at=self._now(), child_id=child, reason=reason),), timeout)
        return self._claim(Cancel(at=self._now(), reason=reason), timeout)

    def pause(self, reason: str = "paused by request", timeout: float = CALL_SECONDS) -> RunStatus:
        """Let no more children start until `resume`; what runs goes on to its end. Whoever works on the run obeys.

        Deadlines go on; a child's `queue_timeout` stands still. A run that is paused already stays so.

        Raises:
            StepOrderError: the run is settled.
            UsageError: the reason cannot be put on record.
            DeadlineExceededError: the store did not take it within `timeout` seconds.
        """
        timeout = given.seconds(timeout, "pause: timeout")
        check_reason(reason)
        return self._request((Pause(at=self._now(), reason=reason),), timeout)

    def resume(self, timeout: float = CALL_SECONDS) -> RunStatus:
        """Let a paused run go on, whoever works on it; one that nobody works on is gone on with here.

        A run that is not paused, or is settled, stays as it is.

        Raises:
            UnknownTaskError: nobody works on the run, and it needs a task that this process does not know.
            DeadlineExceededError: the store did not take it within `timeout` seconds.
        """
        return self._claim(Resume(at=self._now()), given.seconds(timeout, "resume: timeout"))

    def update(
        self,
        *,
        max_workers: int | None = None,
        strategy: StrategyLike | None = None,
        weight: int | None = None,
        priority: int | None = None,
        timeout: float = CALL_SECONDS,
    ) -> RunStatus:
        """Change what the run may do while it lives, whoever works on it: each thing that is not None.

        `max_workers` is how many children may run at a time (those above it run on to their end), `strategy` the rule
        for the run's status (it may decide the run at once), `weight` and `priority` its part of the workers next to
        other runs. See `Parallel`. All of it takes effect at once, and is in the history.

        Raises:
            StepOrderError: it comes too late: the run is settled, or decided where the strategy is to change.
            UsageError: a value makes no sense, the strategy could never succeed, or there is nothing to change.
            LimitExceededError: more workers are asked for than `Limits` allows.
            DeadlineExceededError: the store did not take it within `timeout` seconds.
        """
        timeout = given.seconds(timeout, "update: timeout")
        changes = {"max_workers": max_workers, "strategy": strategy, "weight": weight, "priority": priority}
        return self._request((change_command(changes, self._engine.limits, self._now()),), timeout)

    def redrive(
        self,
        outcome: Outcome | Iterable[Outcome] | None = None,
        ids: str | Iterable[str] | None = None,
        error_type: str | type | Iterable[str | type] | None = None,
        reason: str = "redriven by request",
        timeout: float = CALL_SECONDS,
    ) -> RunStatus:
        """Run children again that ended without success, under the same ids, and work on the run here.

        All of them, or those that pass each filter: of one of these outcomes, with one of these ids, with an error of
        one of these types (or derived from one). Children that have succeeded never run again. A decided run is waited
        for until it is settled. From then on `result` and `settle` wait for the new decision.

        This is the one request that reads all of a run's record, wherever the run was before: whoever works on it has
        to know every child.

        Raises:
            StepOrderError: the run is not decided, or there is no such child that may run again.
            UnknownTaskError: a child needs a task that this process does not know. Nothing was written.
            UsageError: a filter makes no sense.
            DeadlineExceededError: the run was not settled, or the store did not take it, within `timeout` seconds.
            RunHaltedError: nobody works on the run, which is not settled yet.
        """
        timeout = given.seconds(timeout, "redrive: timeout")
        check_reason(reason)
        from orchestrator.selection import selection

        chosen = selection(outcome, ids, error_type)
        deadline = self._engine.runtime.monotonic() + timeout
        with self._named():
            if not self._is_settled():
                view = self.status()
                if view.decided_at is None:
                    late = "only a run that is over can be redriven"
                    raise StepOrderError(f"it is not decided yet ({view.status}): {late}")
                self.settle(timeout)
            command = chosen.command(self._engine.log, self.id, reason, self._engine.runtime.new_id(), self._now())
            return self._take_over(command, max(0.0, deadline - self._engine.runtime.monotonic()))

    def redact(self, reason: str = "redacted by request") -> RunStatus:
        """Destroy the texts of the run for good: what its children were given, returned, failed with and said.

        The run must be encrypted (`Orchestrator(keyring=...)`) and settled; runs inside it go along. It takes no master
        key. What happened and when stays on record, and the reason, in clear. A run that was redacted stays so.
        Copies and backups of the store are not reached: who has one, and the master key, can read them.

        Raises:
            UsageError: the run was written without encryption, or is inside another one.
            StepOrderError: it is not settled.
            StoreBusyError: it is redacted, but another program keeps old bytes of its key alive. Redact it again.
        """
        check_reason(reason)
        engine = self._engine
        engine.require_open()
        from events.log.redaction import redact

        redact(engine.log, self.id, reason, self._now(), engine.limits.id_chars_max)
        return self.status()

    def _is_settled(self) -> bool:
        """Whether the run is settled, without a look at all of its record. Raises RunNotFoundError."""
        log = self._engine.log
        queries.require(log, self.id)
        return isinstance(queries.latest_fact(log, self.id, "ParentSettled", "Redriven"), ParentSettled)

    def _now(self) -> int:
        return self._engine.runtime.now()

    def _request(self, commands: tuple[Command, ...], timeout: float) -> RunStatus:
        """Put something on record, whoever works on the run, if anybody does."""
        with self._named():
            view = self._from_afar(commands, timeout, only_elsewhere=False)
            return view or self._changed(self._engine.request(self.id, commands, timeout))

    def _claim(self, command: Command, timeout: float) -> RunStatus:
        """Put something on record; a run that nobody works on is taken over."""
        with self._named():
            view = self._from_afar((command,), timeout, only_elsewhere=True)
            return view or self._take_over(command, timeout)

    def _take_over(self, command: Command, timeout: float) -> RunStatus:
        """Work on the run here, from this command on."""
        return self._changed(self._engine.claim(self.id, (), then=(command,), attach=True, timeout=timeout))

    def _from_afar(self, commands: tuple[Command, ...], timeout: float, *, only_elsewhere: bool) -> RunStatus | None:
        """Put something on record of a run that is not live here, on no more than a view of it."""
        if self._engine.attends_to(self.id):
            return None
        standing = self._engine.control(self.id, commands, timeout, only_elsewhere=only_elsewhere)
        return None if standing is None else run_status(self.id, standing.state, standing.position)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say of which run it is that something cannot be done with it."""
        try:
            yield
        except StepOrderError as error:
            raise StepOrderError(f"run {self.id!r}: {error}") from None


def check_reason(reason: str) -> None:
    """Refuse a reason that is no text, too long, or would garble a terminal or a log. Raises UsageError."""
    if not given.text(reason, "a reason").isprintable():
        raise UsageError(f"the reason {given.shown_value(reason)} has characters that cannot be printed")
    if len(reason) > _REASON_CHARS_MAX:
        raise UsageError(f"the reason has {len(reason):,} characters, more than {_REASON_CHARS_MAX:,}")
