"""The journal: the one actor that appends. Group commit by pressure.

The first append to arrive schedules one flush message to the journal itself; whatever queues up behind it
meanwhile rides along in the same transaction. Idle: one append, one commit, no delay. Busy: hundreds of appends a
commit. There is no timer to tune.

It shares the parents' lane: a parent can do nothing while its append is under way, and a hand-over between threads
costs more than the overlap would gain (measured: a fifth of the throughput). The disk is waited for with the
interpreter's lock released, so children run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import ClassVar

from actors.intervening import intervened
from actors.messages import Append, Appended, AppendFailed, Conflicted, Flush, Intervene, Tick
from actors.runtime import OnDeath, Runtime, RuntimeActor, tell
from events.errors import OrchestratorError, StoreError
from events.log.record import Written
from events.log.store import EventLog, FactBatch


class JournalActor(RuntimeActor):
    """Appends many parents' facts in one transaction; one parent's conflict does not fail the others."""

    lane: ClassVar[str] = "core"

    def __init__(
        self,
        runtime: Runtime,
        on_death: OnDeath,
        log: EventLog,
        announce: Callable[[Collection[str]], None],
        watch_seconds: float,
    ) -> None:
        super().__init__(runtime, on_death)
        self._watch_seconds = watch_seconds
        self._log = log
        self._announce = announce
        self._waiting: list[Append | Intervene] = []
        self._seen_position = 0

    def on_receive(self, message: object) -> None:
        """Handle one message."""
        if isinstance(message, Append | Intervene):
            self._waiting.append(message)
            if len(self._waiting) == 1:
                self.tell_self(Flush)
        elif message is Flush:
            self._flush()
        elif message is Tick:
            self._watch()
        else:
            self._seen_position = self._log.recorder.last_position()
            self.runtime.tell_later(self._watch_seconds, self.actor_ref, Tick)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        alive = [sent for sent in waiting if sent.ref.is_alive()]  # who has died decides anew, if anybody
        self._write([sent for sent in alive if isinstance(sent, Append)])
        for sent in alive:
            if isinstance(sent, Intervene):
                self._write([sent])

    def _write(self, sent: Sequence[Append | Intervene]) -> None:
        """Do what was sent, and tell everybody what came of it."""
        try:
            self._do(sent)
        except OrchestratorError as error:
            _fail(sent, error)
        except Exception as error:  # noqa: BLE001 - facts that cannot be written are their own parent's trouble
            if len(sent) == 1:
                _fail(sent, error)
            else:  # find out whose they are
                for one in sent:
                    self._write([one])

    def _do(self, sent: Sequence[Append | Intervene]) -> None:
        appends = [one for one in sent if isinstance(one, Append)]
        if appends:
            self._append(appends)
        for one in sent:
            if isinstance(one, Intervene):
                tell(one.ref, intervened(self._log, one) or Conflicted(one.state.version))

    def _append(self, appends: Sequence[Append]) -> None:
        batches = [FactBatch(append.parent_id, append.expected_version, append.facts) for append in appends]
        for append, result in zip(appends, self._log.append(batches), strict=True):
            if isinstance(result, Written):
                tell(append.ref, Appended(result.head.version, result.positions[-1]))
            else:
                tell(append.ref, Conflicted(append.expected_version))

    def _watch(self) -> None:
        """Tell the parents concerned when another process has appended. Only a hint: their ticks look as well."""
        self.runtime.tell_later(self._watch_seconds, self.actor_ref, Tick)
        self._flush()  # our message to ourselves may be lost
        with suppress(StoreError):  # the next append meets the same trouble and reports it
            if self._log.recorder.changed_elsewhere():
                self._seen_position, changed = self._log.recorder.changed_parents(self._seen_position)
                self._announce(changed)


def _fail(sent: Iterable[Append | Intervene], error: Exception) -> None:
    for one in sent:
        version = one.expected_version if isinstance(one, Append) else one.state.version
        tell(one.ref, AppendFailed(version, error))
