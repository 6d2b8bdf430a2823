"""The actor that owns one live parent: command -> decide -> append -> adopt -> frontier -> effects.

It computes facts, appends them at the expected version, and only when they are on record takes the new state and
causes effects. What is to be done comes from the state alone, so a first run, a retry and a restart are one path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from actors.answers import Asked, answer, answer_each, refuse
from actors.clock import ParentClock
from actors.directory import Tenure
from actors.effects import Effects
from actors.endings import joined
from actors.executors.work import AttemptKey, Ending
from actors.flight import Flight
from actors.messages import (
    Allotment,
    Appended,
    AppendFailed,
    AttemptsEnded,
    Claim,
    Conflicted,
    DeadlineDue,
    Drain,
    ExpiryDue,
    Flush,
    Halt,
    Intervened,
    KeyFree,
    Load,
    Loaded,
    LoadedNews,
    LoadFailed,
    LoadNews,
    MayGo,
    News,
    Release,
    Request,
    Restarted,
    Retire,
    Retired,
    RetryDue,
    Returned,
    Tick,
)
from actors.observers import Observers
from actors.patience import LOOK_TICKS, Patience, tick_seconds
from actors.runtime import Begin, OnDeath, Runtime, RuntimeActor
from actors.surroundings import Surroundings
from actors.turns import Turns
from events.commands import PassDeadline
from events.errors import RunHaltedError
from events.evolve import INITIAL, fold
from events.facts import Fact
from events.frontier import skips
from events.state import ParentState

_Endings = dict[AttemptKey, Ending]


class ParentActor(RuntimeActor):
    """Owns one parent's stream while it lives. At most one append of it is under way at any time."""

    lane: ClassVar[str] = "core"

    def __init__(
        self,
        runtime: Runtime,
        on_death: OnDeath,
        parent_id: str,
        surroundings: Surroundings,
        observers: Observers,
        tenure: Tenure,
    ) -> None:
        super().__init__(runtime, on_death)
        self.parent_id = parent_id
        self._surroundings = surroundings
        self._clock = ParentClock(runtime)
        self._effects = Effects(parent_id, self.actor_ref, runtime, surroundings, observers, tenure)
        self._turns = Turns(parent_id, surroundings, self._effects, tenure, self._clock)
        self._state: ParentState = INITIAL
        self._reading = True
        """Whether the loader was asked for something that has not come yet; no turn is taken meanwhile."""
        self._patience = Patience()
        self._ticks = self._conflicts = 0
        self._in_flight: Flight | None = None
        self._asked: list[Asked] = []
        self._endings: _Endings = {}
        self._flush_told = False
        self._put_off = False
        """Whether a turn is due as soon as what is under way has come back."""
        self._news = False
        """Whether somebody may have appended while we could not look."""
        self._draining = False
        self._died_of: BaseException | None = None
        self._handlers = self._make_handlers()

    def _make_handlers(self) -> dict[Any, Callable[[Any], None]]:
        return {
            Begin: self._on_begin,
            Loaded: self._on_loaded,
            LoadedNews: self._on_loaded_news,
            LoadFailed: self._on_failed,
            AppendFailed: self._on_failed,
            Request: self._on_asked,
            Claim: self._on_asked,
            Release: self._on_asked,
            AttemptsEnded: self._on_attempts_ended,
            Appended: self._on_appended,
            Conflicted: self._on_conflicted,
            Intervened: self._on_intervened,
            Allotment: self._on_allotment,
            Flush: self._on_flush,
            Tick: self._on_tick,
            News: self._on_news,
            DeadlineDue: self._on_deadline,
            RetryDue: self._on_retry_due,
            ExpiryDue: self._on_retry_due,
            KeyFree: self._on_key_free,
            Restarted: self._on_restarted,
            Drain: self._on_drain,
            Retire: self._on_retire,
            Halt: self._on_failed,
        }

    def on_receive(self, message: Any) -> None:
        """Handle one message."""
        self._handlers[message if isinstance(message, type) else type(message)](message)

    # Coming to life, and catching up

    def _on_begin(self, _: object) -> None:
        if self._turns.begins_anew():
            self._on_loaded(Loaded(INITIAL, 0))
        else:
            self._read()
        self.runtime.tell_later(tick_seconds(self._surroundings.live_runs()), self.actor_ref, Tick)

    def _read(self) -> None:
        """Ask the loader for what is on record beyond our state."""
        self._reading = True
        known, me, now = self._state, self.actor_ref, self.runtime.monotonic()
        load = LoadNews(self.parent_id, known.version, me, now) if known.exists else Load(self.parent_id, me, now)
        self._surroundings.loader.tell(load)

    def _on_loaded(self, message: Loaded) -> None:
        if self._state.exists or self._in_flight is not None:
            return
        self._reading = False
        self._state = message.state
        self._clock.record(message.at)
        self._turns.adopt(())
        self._effects.begin(self._state, message.position, message.at, message.snapshot)
        self._share(again=True)
        if self._turns.mine(self._state):
            self._effects.take_up(self._state)
        self._hint()

    def _catch_up(self) -> None:
        """Fetch what is on record beyond our state, then decide again what was under way."""
        flight, self._in_flight = self._in_flight, None
        self._turns.give_up()
        if flight is not None:
            self._asked[:0] = flight.asked
            self._endings = joined(flight.endings, self._endings)
        self._read()

    def _on_loaded_news(self, message: LoadedNews) -> None:
        if self._in_flight is not None:
            return
        self._reading = False
        records = [record for record in message.records if record.version > self._state.version]
        facts = [record.fact for record in records]
        self._adopt_others(facts, fold(facts, self._state), records[-1].position if records else 0, {})
        self._hint()

    def _on_news(self, _: object) -> None:
        self._news = self._reading or self._in_flight is not None
        if not self._news:
            self._catch_up()

    def _on_restarted(self, message: Restarted) -> None:
        if message.what == "pool":
            self._share(again=True)
            self._effects.take_up(self._state)
        elif self._reading or (message.what == "journal" and self._in_flight is not None):
            self._catch_up()  # whether our append was done is on record; one that may be on its way is not given up

    def _on_failed(self, message: LoadFailed | AppendFailed | Halt) -> None:
        raise message.error

    # Being asked

    def _on_asked(self, message: Asked) -> None:
        self._asked.append(message)
        self._hint()

    def _on_attempts_ended(self, message: AttemptsEnded) -> None:
        self._endings = joined(self._endings, message.endings.take())
        self._effects.thinning.offer(message.endings.take_progress())
        self._hint()

    def _on_allotment(self, message: Allotment) -> None:
        if message.pool is self._surroundings.pool.ref:  # what a dead one gave, the living one does not know of
            self._effects.slots.allot(message)
            self._share()
            self._hint()

    def _on_deadline(self, _: object) -> None:
        if self._effects.deadline_passed():
            self._on_asked(Request((PassDeadline(at=self._clock.now()),)))

    def _on_retry_due(self, _: object) -> None:
        self._share()
        self._hint()

    def _on_key_free(self, message: KeyFree) -> None:
        self._effects.backlog.free(message.bucket)
        self._on_retry_due(message)

    def _on_drain(self, _: object) -> None:
        self._draining = True
        self._share()

    def _on_tick(self, _: object) -> None:
        """Put right whatever a lost message left undone."""
        self.runtime.tell_later(tick_seconds(self._surroundings.live_runs()), self.actor_ref, Tick)
        self._look_after_answers()
        if self._reading:
            return
        self._effects.backlog.look()
        self._share(again=True)
        if self._turns.mine(self._state):
            self._effects.repeat(self._state)
        elif not self._asked:
            self._asked += self._turns.left_behind(self._state, draining=self._draining)
        self._flush_told = False
        self._ticks += 1
        if self._ticks % LOOK_TICKS == 0:
            self._on_news(News)
        self._hint()

    def _look_after_answers(self) -> None:
        """Ask again where an answer has not come for too long.

        An append is never given up, for it may still be on its way; told twice, it is written once.
        """
        flight = self._in_flight
        if self._patience.runs_out(flight or (self._state if self._reading else None)):
            if flight is not None:
                self._append(flight)
            else:
                self._catch_up()

    def _on_retire(self, _: object) -> None:
        if gone := self._idle():
            self.actor_stopped.set()
        self._surroundings.supervisor.tell(Retired(self.parent_id, self.actor_ref, gone))

    # Turns

    def _hint(self) -> None:
        """See to a turn soon, or once what is under way has come back; what arrives until then goes along."""
        if self._reading or self._in_flight is not None:
            self._put_off = True
        elif not self._flush_told:
            self._flush_told = True
            self.tell_self(Flush)

    def _on_flush(self, _: object) -> None:
        self._flush_told = False
        self._put_off = self._reading or self._in_flight is not None
        if self._put_off:
            return
        if self._news:
            self._news = False
            self._catch_up()
            return
        if self._intervene() or self._effects.invite(self._state, self._asked):
            return
        asked, endings, now = self._asked, self._endings, self._clock.now()
        progress = self._effects.thinning.take(self.runtime.monotonic())
        turn, accepted = self._turns.take(self._state, asked, endings, progress, now, draining=self._draining)
        self._asked, self._endings = [], {}  # not before: should deciding fail, whoever asked is told
        if turn.facts:
            self._in_flight = Flight(accepted, endings, turn.facts, turn.state, decided_at=self.runtime.monotonic())
            self._append(self._in_flight)
        else:
            answer(accepted, self._state)
            self._effects.forget(endings)
            self._share()  # children may have been found to be held back by their keys
            self._retire_if_done()

    def _append(self, flight: Flight) -> None:
        self._surroundings.journal.tell(flight.message(self.parent_id, self._state, self.actor_ref))

    def _intervene(self) -> bool:
        """Have the store decide what was asked of a parent that another process works on; say whether there was any."""
        flight, others = self._turns.abroad(self._state, self._asked, self._endings, self._clock.now())
        if flight is None:
            return False
        self._in_flight, self._asked, self._endings = flight, others, {}
        self._append(flight)
        return True

    # What comes back from the journal

    def _on_appended(self, message: Appended) -> None:
        flight = self._in_flight
        if flight is None or message.version != flight.state.version:
            return
        self._in_flight = None
        self._conflicts = 0
        ago_seconds = self.runtime.monotonic() - flight.decided_at
        self._adopt(flight.facts, flight.state, message.position, flight.endings, ago_seconds)
        answer(flight.asked, self._state)
        over = self._state.settled or skips(self._state)
        may_start = self._effects.backlog.may_start(self._state, self._effects.slots.allotment)
        if self._put_off or self._news or over or may_start:
            self._hint()  # there may be something to add without being asked: outcomes, starts, our own end

    def _on_conflicted(self, message: Conflicted) -> None:
        if self._in_flight is None or message.expected_version != self._state.version:
            return
        self._conflicts += 1
        if self._conflicts > self._surroundings.limits.conflict_retries_max:
            raise RunHaltedError(f"run {self.parent_id!r}: {self._conflicts} version conflicts in a row")
        self._catch_up()

    def _on_intervened(self, message: Intervened) -> None:
        flight = self._in_flight
        if flight is None or message.number != flight.number:
            return
        self._in_flight = None
        self._conflicts = 0
        self._adopt_others(message.facts, message.state, message.position, flight.endings)
        answer_each(flight.asked, message.refused, self.parent_id, self._state)
        self._hint()

    def _adopt_others(self, facts: Sequence[Fact], state: ParentState, position: int, endings: _Endings) -> None:
        """Take a state that others had a part in."""
        if facts:
            self._adopt(facts, state, position, endings, None)
            self._effects.stop_lost(facts, state)
        else:
            self._effects.forget(endings)
        self._effects.reconcile(self._state)
        self._share(again=True)

    def _adopt(
        self, facts: Sequence[Fact], state: ParentState, position: int, endings: _Endings, ago_seconds: float | None
    ) -> None:
        """Take a state that is on record, and cause what follows from it: see `Effects.cause`."""
        before, self._state = self._state, state
        taken = self._turns.adopt(facts)
        if taken:
            self._effects.end_leftovers(before.owner, facts)
        self._effects.cause(facts, state, position, endings, mine=self._turns.mine(state), ago_seconds=ago_seconds)
        if taken and state.nested_running:
            self._effects.take_up(state)
        self._share()

    # Small questions

    def _share(self, *, again: bool = False) -> None:
        """Tell the pool what we use and want. While we read we do not know that."""
        if self._reading:
            return
        flying = self._in_flight.slots(self._surroundings.owner) if self._in_flight is not None else 0
        busy = self._turns.mine(self._state) and not self._draining
        self._effects.share(self._state, flying, at_work=busy, again=again)

    def _idle(self) -> bool:
        over = self._state.settled or not self._state.exists or self._turns.given_up(self._state)
        return over and not (self._asked or self._endings or self._in_flight is not None or self._reading)

    def _retire_if_done(self) -> None:
        if self._idle():
            self._surroundings.supervisor.tell(MayGo(self.parent_id, self.actor_ref))

    def die(self, error: BaseException) -> None:
        """Stop for good; whoever waits for an answer is told."""
        flying = () if self._in_flight is None else self._in_flight.asked
        refuse((*flying, *self._asked), self.parent_id, error)
        self._died_of = error
        super().die(error)

    def reject(self, message: Any) -> None:
        """Send back what was asked of us after our death; refuse what we die of."""
        if not isinstance(message, Asked):
            return
        if self.actor_stopped.is_set():
            error = self._died_of or RunHaltedError("its actor had gone")
            self._surroundings.supervisor.tell(Returned(self.parent_id, message, error))
        else:
            refuse((message,), self.parent_id, RunHaltedError("its actor died of the request; try again"))
