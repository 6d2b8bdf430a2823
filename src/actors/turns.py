"""What a parent's actor decides in one turn: what it was asked, how attempts ended, what the frontier asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from actors.answers import Asked
from actors.claiming import abandoned, asked_commands, claim_commands, followed, wants_work
from actors.clock import ParentClock
from actors.directory import Tenure
from actors.effects import Effects
from actors.endings import ending_command, progress_commands, take_ending
from actors.executors.work import AttemptKey, Ending, Progress
from actors.flight import Flight
from actors.intervening import is_intervention, works_elsewhere
from actors.messages import Claim, Release, Request
from actors.surroundings import Surroundings
from events.commands import Command, ReleaseOwnership, SkipChildren, TakeOwnership
from events.decide import Turn
from events.decide_attempts import Start
from events.errors import OrchestratorError
from events.fact_roll import apart
from events.facts import AttemptLost, Fact, OwnershipTaken
from events.frontier import skips
from events.state import NESTED_WORKER, ParentState

_SKIPPED_ALONG_MAX: Final = 64
"""How many children end as skipped in the very turn that decides their parent; any more follow in the next one."""


class Turns:
    """The deciding half of one parent's actor. It appends nothing and tells nobody but those whom it refuses."""

    def __init__(
        self, parent_id: str, surroundings: Surroundings, effects: Effects, tenure: Tenure, clock: ParentClock
    ) -> None:
        self._parent_id = parent_id
        self._surroundings = surroundings
        self._slots = effects.slots
        self._backlog = effects.backlog
        self._expiries = effects.expiries
        self._tenure = tenure
        self._clock = clock
        self._taking = False
        """Whether a turn makes the parent ours, and is not on record yet."""
        self._interventions = 0
        self._released = False

    def left_behind(self, state: ParentState, *, draining: bool) -> list[Asked]:
        """Return what is to be asked of a parent that nobody works on as far as we know; nothing where somebody does.

        What is ours by the record alone (whoever took it died before hearing so) is taken once more where somebody here
        wants it, and given up otherwise. So is what another process that is gone has left, where it is wanted.
        """
        if self.mine(state) or self._tenure.over:
            return []
        ours = state.owner == self._surroundings.owner and not state.settled
        if self._tenure.wanted and not draining and (ours or abandoned(state, self._surroundings)):
            return [Claim((), attach=True, reply=Future())]
        return [Release("nobody works on it", Future())] if ours else []

    def begins_anew(self) -> bool:
        """Whether nothing can be on record yet; only the parent's first actor is told so."""
        fresh, self._tenure.fresh = self._tenure.fresh, False
        return fresh

    def given_up(self, state: ParentState) -> bool:
        """Whether nobody here has anything to do with the parent any more."""
        return self._released and not self._tenure.wanted and not self.mine(state)

    def mine(self, state: ParentState) -> bool:
        """Whether the parent is ours to work on in this state."""
        working = bool(self._tenure.working or self._taking) and not self._tenure.over
        return working and state.owner == self._surroundings.owner

    def adopt(self, facts: Sequence[Fact]) -> bool:
        """Take note of facts that are on record; say whether they make the parent ours, be it once more."""
        owner = self._surroundings.owner
        if facts:
            self._clock.record(facts[-1].at)
        taken = [fact for fact in apart(facts) if type(fact) is OwnershipTaken and fact.owner == owner]
        self._tenure.working = bool(taken or self._tenure.working)
        self._taking = False
        return bool(taken)

    def give_up(self) -> None:
        """Take back what was decided: it did not come on record, as far as we know."""
        self._taking = False

    def take(
        self,
        state: ParentState,
        asked: Sequence[Asked],
        endings: Mapping[AttemptKey, Ending],
        progress: Mapping[AttemptKey, Progress],
        now: int,
        *,
        draining: bool,
    ) -> tuple[Turn, list[Asked]]:
        """Decide everything in one turn; return it, and what of `asked` was accepted.

        What is refused leaves no trace and is answered at once.
        """
        turn = Turn(state)
        before: list[Asked] = [request for request in asked if not isinstance(request, Release)]
        accepted = [request for request in before if self._ask(turn, request, now)]
        self._give_back(turn.facts)
        for key, ending in endings.items():
            length = len(turn.facts)
            take_ending(turn, key, ending, now)
            if len(turn.facts) > length and not ending.late:
                self._slots.give_back(key.child_id)
        length = len(turn.facts)
        for request in asked if len(before) < len(asked) else ():  # given up last: what has ended by then is not lost
            if isinstance(request, Release) and self._ask(turn, request, now):
                accepted.append(request)
        self._give_back(turn.facts[length:])
        if self.mine(turn.state):
            for command in (*progress_commands(progress, now), *self._expiries.due(turn.state, now)):
                turn.take(command)
            if not self._is_told_first(turn, state):
                self._advance(turn, now, draining=draining)
        self._backlog.end_turn(in_vain=not turn.facts)
        return turn, accepted

    def _give_back(self, facts: Sequence[Fact]) -> None:
        """Free the workers of attempts that are lost."""
        for fact in apart(facts):
            if isinstance(fact, AttemptLost):
                self._slots.give_back(fact.child_id)

    def abroad(
        self, state: ParentState, asked: Sequence[Asked], endings: dict[AttemptKey, Ending], now: int
    ) -> tuple[Flight | None, list[Asked]]:
        """Take what is to be decided in the store, for another process works on the parent; return the others, too."""
        taken: list[Asked] = []
        groups: list[tuple[Command, ...]] = []
        if self.mine(state) or not (asked or endings):
            return None, []
        for request in asked:
            commands = self._commands_abroad(request, state, now)
            if commands:
                taken.append(request)
                groups.append(tuple(self._clock.stamped(command, now) for command in commands))
        late = any(ending.late for ending in endings.values())  # what is not changes nothing of another's parent
        if not groups and not (late and works_elsewhere(state, self._surroundings.owner)):
            return None, []
        groups += [(ending_command(key, ending, now),) for key, ending in endings.items()]
        self._interventions += 1
        others = [request for request in asked if all(request is not other for other in taken)]
        return Flight(taken, endings, groups=tuple(groups), number=self._interventions), others

    def _commands_abroad(self, request: Asked, state: ParentState, now: int) -> Sequence[Command]:
        """Return the commands that a request stands for; none where it is to be decided here."""
        around = self._surroundings
        commands: Sequence[Command] = ()
        if isinstance(request, Request):
            commands = request.commands
        elif isinstance(request, Claim) and request.then and followed(request, state, around):
            with suppress(OrchestratorError):  # which is said when it is decided here
                commands = claim_commands(request, self._parent_id, state, around, now, working=False)
        if not is_intervention(state, around.owner, commands):
            return ()
        self._tenure.wanted = self._tenure.wanted or (isinstance(request, Claim) and wants_work(request))
        return commands

    def _ask(self, turn: Turn, request: Asked, now: int) -> bool:
        mark, taking, wanted = turn.mark(), self._taking, self._tenure.wanted
        try:
            for command in self._commands(request, turn.state, now):
                turn.take(self._clock.stamped(command, now))
        except OrchestratorError as error:
            turn.back_to(mark)
            self._taking, self._tenure.wanted = taking, wanted
            if request.reply is not None and not request.reply.done():
                request.reply.set_exception(error)
            return False
        return True

    def _commands(self, request: Asked, state: ParentState, now: int) -> Sequence[Command]:
        if isinstance(request, Request):
            return asked_commands(request, self._parent_id, state)
        if isinstance(request, Release):
            self._released = True
            return (ReleaseOwnership(at=now, owner=self._surroundings.owner, reason=request.reason),)
        self._tenure.wanted = self._tenure.wanted or wants_work(request)
        commands = claim_commands(request, self._parent_id, state, self._surroundings, now, working=self.mine(state))
        self._taking = self._taking or any(isinstance(command, TakeOwnership) for command in commands)
        return commands

    @staticmethod
    def _is_told_first(turn: Turn, before: ParentState) -> bool:
        """Whether a turn decides the parent, and its many open children had better wait for the next one.

        So whoever waits for the result has it before hundreds of skipped children are on record.
        """
        state = turn.state
        decided = state.decision is not None and before.decision is None
        return decided and skips(state) and state.total - state.ended - state.running_count > _SKIPPED_ALONG_MAX

    def _advance(self, turn: Turn, now: int, *, draining: bool) -> None:
        """Add what the frontier asks for: outcomes for children that will not run, or starts for free slots."""
        if skips(turn.state):
            turn.take(SkipChildren(at=now, limit=self._surroundings.limits.append_events_max))
            return
        state = turn.state
        places = state.max_workers - state.running_count
        leaves = self._slots.allotment - state.leaves_running
        if draining or places <= 0:
            return
        if self._backlog.plain:
            plain = leaves > 0 and self._backlog.plain_after(turn.facts, state)  # any others start in the next turn
            for child_id in self._backlog.some(state, now, min(leaves, places)) if plain else ():
                self._start(turn, now, child_id)
            return
        while places > 0 and (following := self._backlog.take(turn.state, leaves, places)) is not None:
            child_id, nested = following
            started = self._start(turn, now, child_id, nested=nested)
            self._backlog.settle(started=started)
            places -= started
            leaves -= started and not nested

    def _start(self, turn: Turn, now: int, child_id: str, *, nested: bool = False) -> bool:
        """Claim a place for a child; say whether it got it. Some time of the child's own may be up instead."""
        latest = turn.facts[-1].at if turn.facts else 0
        now = max(now, latest, turn.state.requeued.get(child_id) or 0)  # the wall clock may lag behind the wait
        running = turn.state.running_count
        worker = NESTED_WORKER if nested else self._slots.take_worker(child_id)
        turn.start(Start(now, child_id, worker))
        if turn.state.running_count > running:
            return True
        self._slots.give_back(child_id)
        return False
