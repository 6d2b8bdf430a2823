"""What a parent causes once facts are on record: work handed out, attempts stopped, timers set, observers told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from actors.backlog import Backlog
from actors.claiming import slots_wanted
from actors.directory import Tenure
from actors.endings import Endings
from actors.executors.work import AttemptKey, Ending, Work
from actors.expiries import Expiries
from actors.hearing import EndedChild
from actors.messages import AttemptsEnded, DeadlineDue, Echo, Flush, Hand, StopAttempts
from actors.observers import Observers
from actors.retries import Retries
from actors.runtime import Ref, Runtime, tell
from actors.slots import Slots
from actors.snapshots import Snapshots
from actors.surroundings import Surroundings
from actors.thinning import Thinning
from events.fact_roll import apart
from events.facts import (
    AttemptLost,
    ChildCreated,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    Fact,
    ParentCreated,
    Redriven,
)
from events.frontier import stops
from events.state import NESTED_TASK, ChildState, ParentState

_MICROSECOND: Final = 1e-6
_WITHOUT_EFFECT: Final = frozenset({ChildPrepared, ChildCreated})


class Effects:
    """The hands of one parent actor. Everything here may be done twice without harm."""

    def __init__(
        self,
        parent_id: str,
        ref: Ref,
        runtime: Runtime,
        surroundings: Surroundings,
        observers: Observers,
        tenure: Tenure,
    ) -> None:
        self.slots = Slots()
        self.retries = Retries(ref, runtime, tenure)
        self.expiries = Expiries(ref, runtime)
        self.thinning = Thinning()
        self._snapshots = Snapshots(parent_id, runtime, surroundings.snapshots)
        self.backlog = Backlog(parent_id, ref, runtime, surroundings.throttles, self.retries)
        self._parent_id = parent_id
        self._ref = ref
        self._runtime = runtime
        self._surroundings = surroundings
        self._observers = observers
        self._tenure = tenure
        self._asked_to_stop: set[AttemptKey] = set()
        self._deadline_set: int | None = None
        """For which beginning of the parent's own time a timer was set."""
        self._known: dict[AttemptKey, None] = {}
        """Attempts that ran at the last tick already."""
        self._hand_outs = 0
        self._invited = 0
        """How many slots were asked for before there was a parent."""
        self._nests = False
        """Whether any child of the parent that was started is a parent itself."""
        self._endings = Endings(lambda endings: tell(ref, AttemptsEnded(endings)))
        """Those of such children."""

    def begin(self, state: ParentState, position: int, at: int, snapshot: int = 0) -> None:
        """Cause what follows from a state that was just read; `at` is the latest time on record.

        `snapshot` is the version of the snapshot that it was made from, 0 where there was none.
        """
        self._snapshots.begin(at, snapshot)
        if state.exists:
            self._observers.publish(state, position)
        self.reset_workers(state)
        self._set_deadline(state)
        self.retries.begin(state)
        self.expiries.begin(state)
        self.backlog.begin(state, ours=self._ours(state), silent_us=self._runtime.now() - at)

    def cause(
        self,
        facts: Sequence[Fact],
        state: ParentState,
        position: int,
        endings: Mapping[AttemptKey, Ending],
        *,
        mine: bool,
        ago_seconds: float | None,
    ) -> None:
        """Cause what follows from facts on record, decided here so long ago (None: elsewhere), and the state after."""
        run: list[Work] = []
        forget = list(endings)
        ended: list[EndedChild] = []
        listening = self._observers.listening
        for fact in apart(facts):
            if type(fact) in _WITHOUT_EFFECT:
                continue  # most facts of a large parent's first turn
            if type(fact) is ChildStarted:
                self.retries.drop(fact.child_id)
                if mine:
                    self._add_work(run, state, fact.child_id, fact.attempt)
            elif type(fact) is ChildFinished:
                self.retries.drop(fact.child_id)
                if listening:
                    ended.append(self._ended(fact, state, endings))
            elif isinstance(fact, ChildRetryScheduled):
                self.retries.wait(fact.child_id, fact.not_before - fact.at)
            elif isinstance(fact, AttemptLost):
                self.retries.wait(fact.child_id, 0)
                forget.append(AttemptKey(self._parent_id, fact.child_id, fact.attempt))
            elif isinstance(fact, ChildRedriven):
                self.retries.wait(fact.child_id, 0)
        self.backlog.note(facts, state, ours=self._ours(state))
        self._hand(run, forget)
        self.thinning.forget(forget)
        self.expiries.note(facts, state, ago_seconds)
        _close_unheard(endings, ended)
        if self._observers.publish(state, position, ended):
            self._runtime.give_way()  # else whoever waits for a decision has it after all that is stopped by it
        self._set_deadline(state, facts, ago_seconds)
        self._snapshots.note(facts, state, position, ours=mine or state.owner is None)
        if mine:
            self._stop_running(state)

    def end_leftovers(self, owner: str | None, facts: Sequence[Fact]) -> None:
        """End what may still run of the attempts that are lost with an owner who is gone."""
        if owner is None or owner == self._surroundings.owner or self._surroundings.owner_alive(owner):
            return
        lost = (fact for fact in facts if isinstance(fact, AttemptLost))
        keys = [AttemptKey(self._parent_id, fact.child_id, fact.attempt) for fact in lost]
        self._surroundings.end_leftovers(owner, keys)

    def forget(self, endings: Mapping[AttemptKey, Ending]) -> None:
        """Let the executors drop endings that nobody needs, after a turn of which nothing came."""
        self._invited = 0
        _close_unheard(endings, ())
        self._hand((), list(endings))

    def share(self, state: ParentState, flying: int, *, at_work: bool, again: bool) -> None:
        """Tell the pool how many slots the parent uses and could use, where it does not know.

        `flying` of them are used in the state that is on its way to the record. Whoever is not `at_work` wants no more.
        """
        if self._tenure.over:
            return
        ours = self._ours(state)  # on record, even where we do not work on it any more
        used = max(state.leaves_running, flying) if ours else flying
        wanted = max(used, self.backlog.wanted(state)) if at_work else used
        if not state.exists:
            wanted = max(wanted, self._invited)
        share = self.slots.share(
            self._parent_id,
            self._ref,
            wanted,
            used,
            self._hand_outs,
            again=again,
            weight=state.weight,
            priority=state.priority,
        )
        if share is not None:
            self._surroundings.pool.tell(share)

    def invite(self, state: ParentState, asked: Iterable[object]) -> bool:
        """Ask for slots for a parent that is about to be made; say whether its first turn waits for the answer.

        So its first children start in the same append that makes it.
        """
        wanted = 0 if state.exists or self._invited else slots_wanted(asked)
        if wanted == 0:
            return False
        self._invited = wanted
        self.share(state, 0, at_work=False, again=False)
        self._surroundings.pool.tell(Echo(self._ref, Flush))  # comes back after the pool's answer, if there is one
        return True

    def take_up(self, state: ParentState) -> None:
        """Go on with what runs already: the pool, or this actor, is a new one."""
        self._known = self._keys(state)
        self.repeat(state)

    def repeat(self, state: ParentState) -> None:
        """Hand out, and ask to stop, once more what has been running for a while: executors know what they have."""
        known, self._known = self._known, self._keys(state)
        run: list[Work] = []
        for key in known:
            self._add_work(run, state, key.child_id, key.attempt)
        self._hand(run, (), again=True)
        self._asked_to_stop.difference_update(known)  # what did not listen, or was not asked after all
        self._stop_running(state)

    def _hand(self, run: Sequence[Work], forget: Sequence[AttemptKey], *, again: bool = False) -> None:
        if self._nests:
            nested = [work for work in run if work.task == NESTED_TASK]
            run = [work for work in run if work.task != NESTED_TASK]
            self._surroundings.nested.forget(forget)
            self._surroundings.nested.submit(nested, self._endings.put)
            if again:
                self._endings.tell_again()
        if run or forget:
            self._hand_outs += 1
            self._surroundings.pool.tell(Hand(self._parent_id, self._ref, run, forget, self._hand_outs, again))

    def _ours(self, state: ParentState) -> bool:
        """Whether the parent is ours by the record, even where we do not work on it."""
        return state.owner == self._surroundings.owner

    def reconcile(self, state: ParentState) -> None:
        """Go by the record, whatever was under way: name the workers as it does, hold the keys it says."""
        self.reset_workers(state)
        self.backlog.reconcile(state, ours=self._ours(state))

    def reset_workers(self, state: ParentState) -> None:
        """Name the workers as the record does."""
        self.slots.reset_workers((child_id, running.worker) for child_id, running in state.running.items())

    def _keys(self, state: ParentState) -> dict[AttemptKey, None]:
        return {AttemptKey(self._parent_id, child, running.attempt): None for child, running in state.running.items()}

    def _add_work(self, run: list[Work], state: ParentState, child_id: str, attempt: int) -> None:
        child = state.children[child_id]
        prepared = child.prepared
        if child.phase != "running" or child.attempts != attempt or prepared is None:
            return
        key = AttemptKey(self._parent_id, child_id, attempt)
        work = Work(key, child.place, prepared.task, prepared.input, again=child.again)
        if prepared.input_file is not None:
            work = work._replace(input_file=prepared.input_file)
        if prepared.task == NESTED_TASK:
            self._nests = True
            work = work._replace(depth=1 if state.within is None else state.within.depth + 1)
        run.append(work if prepared.limits is None else _within(work, prepared.limits, child, self._runtime.now()))

    def _ended(self, fact: ChildFinished, state: ParentState, endings: Mapping[AttemptKey, Ending]) -> EndedChild:
        key = AttemptKey(self._parent_id, fact.child_id, fact.attempt)
        place = state.children[fact.child_id].place
        ending = endings.get(key)
        error = fact.error if ending is None else None
        return EndedChild(fact.child_id, place, fact.outcome, fact.attempt, ending, error)

    def _set_deadline(self, state: ParentState, facts: Sequence[Fact] = (), ago_seconds: float | None = None) -> None:
        """Set the parent's own deadline: from the wall clock on a restart, by the monotonic clock from then on."""
        begun_at = state.deadline_from
        if state.timeout_seconds is None or begun_at is None or state.decision or self._deadline_set == begun_at:
            return
        self._deadline_set = begun_at
        now = self._runtime.monotonic()
        if self._tenure.deadline is None or self._tenure.deadline_from != begun_at:
            elapsed = (self._runtime.now() - begun_at) * _MICROSECOND
            if ago_seconds is not None and any(isinstance(fact, ParentCreated | Redriven) for fact in apart(facts)):
                elapsed = ago_seconds
            self._tenure.deadline = now + state.timeout_seconds - max(0.0, elapsed)
            self._tenure.deadline_from = begun_at
        self._runtime.tell_later(max(0.0, self._tenure.deadline - now), self._ref, DeadlineDue)

    def deadline_passed(self) -> bool:
        """Whether the parent's own time is up; a timer may tell of a deadline that a redrive has moved."""
        return self._tenure.deadline is not None and self._runtime.monotonic() >= self._tenure.deadline

    def stop_lost(self, facts: Sequence[Fact], state: ParentState) -> None:
        """Stop what still runs here of attempts that somebody else, who took the parent over, gave up.

        A nested parent is not stopped: whoever took its parent over goes on with it.
        """
        lost = [
            AttemptKey(self._parent_id, fact.child_id, fact.attempt)
            for fact in facts
            if isinstance(fact, AttemptLost) and not state.children[fact.child_id].nested
        ]
        if lost:
            self._surroundings.pool.tell(StopAttempts(lost, "another process took the run over"))

    def _stop_running(self, state: ParentState) -> None:
        """Ask to stop what should: everything, or the children that were cancelled by themselves."""
        if stops(state):
            reason = "" if state.decision is None else state.decision.why
            if state.cancel_requested:
                reason = "cancelled by request"
            self._stop(state, reason, (child_id for child_id, _ in state.running.items()))
        elif state.asked_to_stop:
            for child_id, reason in state.asked_to_stop.items():
                self._stop(state, reason, (child_id,))

    def _stop(self, state: ParentState, reason: str, child_ids: Iterable[str]) -> None:
        keys = (
            AttemptKey(self._parent_id, child_id, running.attempt)
            for child_id in child_ids
            if (running := state.running.get(child_id)) is not None
        )
        fresh = [key for key in keys if key not in self._asked_to_stop]
        if fresh:
            self._asked_to_stop.update(fresh)
            self._surroundings.pool.tell(StopAttempts(fresh, reason))
            if self._nests:
                self._surroundings.nested.cancel(fresh, reason=reason)


def _within(work: Work, limits: ChildLimits, child: ChildState, now: int) -> Work:
    """Return work with its limits: an attempt has its own time, or what is left of the child's whole time."""
    seconds, name, total = limits.timeout_seconds, "timeout", limits.total_timeout_seconds
    if total is not None:
        left = max(0.001, min(total, total - (now - child.first_at) * _MICROSECOND))
        if seconds is None or left < seconds:
            seconds, name = left, "total_timeout"
    return work._replace(
        timeout_seconds=seconds,
        timeout_name=name,
        heartbeat_timeout_seconds=limits.heartbeat_timeout_seconds,
        grace_seconds=limits.grace_seconds,
        secrets=limits.secrets or (),
    )


def _close_unheard(endings: Mapping[AttemptKey, Ending], ended: Sequence[EndedChild]) -> None:
    """Close what attempts printed where no listener will get to see it."""
    for ending in endings.values():
        if ending.raw is not None:
            break
    else:
        return  # as nearly always
    heard = {child.ending.raw for child in ended if child.ending is not None}
    for ending in endings.values():
        if ending.raw is not None and ending.raw not in heard:
            ending.raw.close()
