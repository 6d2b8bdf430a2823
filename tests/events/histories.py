"""Random legal histories of a parent, as Hypothesis strategies: what a driver might do, in any order, crashes included.

A history is played from a plan and a list of numbers. Each number is the seed of one move among those that make
sense at that point, so that Hypothesis can shrink a history by dropping numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Final

from hypothesis import strategies as st

from events.commands import (
    Cancel,
    CancelChild,
    ChangeLimits,
    ChildSpec,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
    ExpireChild,
    FinishAttempt,
    LoseAttempt,
    PassDeadline,
    Pause,
    PrepareChildren,
    RecordLateEnding,
    RecordResponse,
    Redrive,
    ReleaseOwnership,
    ReportProgress,
    Resume,
    SkipChildren,
    StartChild,
    TakeOwnership,
)
from events.decide import Turn
from events.evolve import INITIAL, evolve, fold
from events.facts import ChildLimits, Fact
from events.frontier import frontier, startable
from events.state import NESTED_TASK, NESTED_WORKER, ParentState
from events.strategy import ALL, ANY, FINAL_STATUSES, OnDecided, Outcome, Status, Strategy, impossible
from tests.events.scenario import AT, SECOND, fingerprint, spec

OUTCOMES: Final[tuple[Outcome, ...]] = ("succeeded",) * 5 + ("failed",) * 2 + ("timed_out", "cancelled")
OWNERS: Final = ("ann", "bob")
RARELY: Final = 0.1
"""How often a move may be one that ends or upsets things."""
ERRORS: Final = ('{"type":"Wrong","bases":["Base"]}', '{"type":"Bad"}', "null", "[1]")
CRASHES: Final = 0.05
"""How often the driver crashes instead of moving."""


@dataclass(frozen=True)
class Plan:
    """What a parent is asked to do."""

    create: CreateParent
    children: tuple[ChildSpec, ...]
    arriving: bool
    """Whether children are added over time, or all at once."""


class _Witness(Turn):
    """A turn that notes the live status after every fact."""

    __slots__ = ("statuses",)

    def __init__(self, state: ParentState) -> None:
        super().__init__(state)
        self.statuses: list[Status] = []

    def emit(self, fact: Fact) -> None:
        super().emit(fact)
        self.statuses.append(self.state.status)

    def emit_all(self, facts: Sequence[Fact]) -> None:
        state = self.mark().state
        for fact in facts:
            state = evolve(state, fact)
            self.statuses.append(state.status)
        super().emit_all(facts)
        assert fingerprint(self.state) == fingerprint(state), "many at once come to what they come to one by one"


@dataclass
class History:
    """A parent's life so far: its facts, the live status after each of them, and the state a driver holds."""

    plan: Plan
    state: ParentState = INITIAL
    facts: list[Fact] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """The version after each append: a record is never cut in between."""
    now: int = AT
    crashes: int = 0

    def take(self, *commands: Command) -> list[Fact]:
        """Decide some commands in one turn and put what follows on record."""
        turn = _Witness(self.state)
        for command in commands:
            turn.take(command)
        self.facts += turn.facts
        self.statuses += turn.statuses
        self.state = turn.state
        self.ends.append(len(self.facts))
        return list(turn.facts)

    def crash(self) -> None:
        """Lose the state in memory and fold the record anew: it must be the very same one."""
        replayed = fold(self.facts)
        assert fingerprint(replayed) == fingerprint(self.state)
        self.state = replayed
        self.crashes += 1

    def play(self, picks: Sequence[int]) -> None:
        """Make one move for each pick."""
        self._create()
        for pick in picks:
            chance = Random(pick)
            self.now += chance.randrange(3) * SECOND
            moves = self._upsets() if chance.random() < RARELY else self._moves()
            if not moves or chance.random() < CRASHES:
                self.crash()
            else:
                self.take(*chance.choice(moves))

    def _create(self) -> None:
        plan = self.plan
        if plan.arriving:
            self.take(plan.create)
            return
        children = [PrepareChildren(at=self.now, children=plan.children)] if plan.children else []
        commands = [*children, *([CreateChildren(at=self.now)] if children else [])]
        self.take(plan.create, *commands, CloseMembership(at=self.now))

    def _moves(self) -> list[tuple[Command, ...]]:
        """Return what a driver does to get on."""
        state, now = self.state, self.now
        moves: list[tuple[Command, ...]] = self._arrivals()
        for child_id in islice(startable(state, now), max(0, state.max_workers - state.running_count)):
            moves += [(StartChild(at=now, child_id=child_id, worker=worker(state, child_id)),)] * 2
        for child_id, running in list(state.running.items()):
            attempt = running.attempt
            moves += [(self._ending(child_id, attempt, outcome),) for outcome in OUTCOMES]
            moves.append((LoseAttempt(at=now, child_id=child_id, attempt=attempt, reason="killed"),))
            moves.append((LoseAttempt(at=now, child_id=child_id, attempt=attempt, reason="died", signal="SIGKILL"),))
            moves.append((ReportProgress(at=now, child_id=child_id, attempt=attempt, progress=0.5),))
        if state.paused and not state.settled:
            moves += [(Resume(at=now),)] * 2
        if frontier(state).skip:
            moves += [(SkipChildren(at=now, limit=limit),) for limit in (1, 2, 100)]
        if len(moves) > 1 and not isinstance(moves[0][0], CloseMembership):  # after which nobody may be added
            moves.append((*moves[0], *moves[-1]))  # two in one append
        return moves

    def _ending(self, child_id: str, attempt: int, outcome: Outcome) -> FinishAttempt:
        error = None if outcome == "succeeded" else Random(f"{self.now}{child_id}").choice(ERRORS)
        output = "1" if outcome == "succeeded" else None
        return FinishAttempt(
            at=self.now, child_id=child_id, attempt=attempt, outcome=outcome, output=output, error=error
        )

    def _arrivals(self) -> list[tuple[Command, ...]]:
        """Return how more children may come, or no more."""
        state, now, children = self.state, self.now, self.plan.children
        if state.membership_closed:
            return []
        moves: list[tuple[Command, ...]] = []
        if state.created < state.total:
            moves.append((CreateChildren(at=now),))
        elif state.total == len(children) or state.decision is not None:
            moves.append((CloseMembership(at=now, arriving=True),))
        if state.total < len(children) and not state.halting:
            moves += [(PrepareChildren(at=now, children=children[: state.total + more]),) for more in (1, 2)]
        return moves

    def _controls(self) -> list[tuple[Command, ...]]:
        """Return what somebody asks for while the parent lives, and what a clock says."""
        state, now = self.state, self.now
        open_ids = [child_id for child_id, child in state.children.items() if child.phase in ("waiting", "running")]
        failed = tuple(child_id for child_id, child in state.children.items() if child.phase == "failed")
        moves: list[Command] = [
            *(CancelChild(at=now, child_id=child_id, reason="not needed") for child_id in open_ids[:3]),
            *(ExpireChild(at=now, child_id=child_id, clock="queue") for child_id in open_ids[:3]),
            *(ExpireChild(at=now, child_id=child_id, clock="total") for child_id in open_ids[:3]),
        ]
        if not state.settled:
            moves += [Pause(at=now, reason="lunch"), Resume(at=now)]
            moves += [ChangeLimits(at=now, max_workers=most, weight=most) for most in (1, 5)]
            if state.decision is None and not state.membership_closed:
                moves += [ChangeLimits(at=now, strategy=strategy) for strategy in (ALL, ANY)]
        elif state.succeeded < state.total:
            moves += [Redrive(at=now, reason="once more")] * 20
            if failed:
                moves += [Redrive(at=now, reason="one of them", child_ids=failed[-1:], token=str(now))] * 10
        return [(move,) for move in moves]

    def _responses(self) -> list[RecordResponse]:
        """Return what an engine might report that runs the children by itself."""
        state = self.state
        created = [child_id for child_id, child in state.children.items() if child.phase != "prepared"]
        reports = created if state.owner is None and state.running_count < state.max_workers else []
        outcomes: tuple[Outcome, ...] = ("succeeded", "failed")
        return [
            RecordResponse(at=self.now, child_id=child_id, outcome=outcome)
            for child_id in reports[:3]
            for outcome in outcomes
        ]

    def _upsets(self) -> list[tuple[Command, ...]]:
        """Return what a driver does not expect: takeovers, requests, and messages that are late, doubled or wrong."""
        now, owner = self.now, self.state.owner or "nobody"
        ids = [*self.state.children, "unknown"]
        return [
            *self._controls(),
            *((TakeOwnership(at=now, owner=name, reason="its owner stopped"),) for name in OWNERS),
            (ReleaseOwnership(at=now, owner=owner, reason="closing"),),
            (Cancel(at=now, reason="enough"),),
            *([(PassDeadline(at=now),)] * 2),
            *((StartChild(at=now, child_id=child_id, worker=worker(self.state, child_id)),) for child_id in ids),
            *((self._ending(child_id, 1, "failed"),) for child_id in ids),
            *((RecordLateEnding(at=now, child_id=child_id, attempt=1, outcome="failed"),) for child_id in ids[:3]),
            *((LoseAttempt(at=now, child_id=child_id, attempt=2, reason="killed"),) for child_id in ids),
            *((response,) for response in self._responses()),
            (SkipChildren(at=now, limit=3),),
            (self.plan.create,),
        ]


def worker(state: ParentState, child_id: str) -> str:
    """Return who runs a child: nobody where it is a parent itself."""
    child = state.children.get(child_id)
    return NESTED_WORKER if child is not None and child.nested else "w"


def go_on(facts: Sequence[Fact], seed: int, state: ParentState | None = None) -> History:
    """Go on from a record as a new owner does, by the frontier alone, to the end; return the whole history.

    The state is folded from the facts where none is given.
    Raises AssertionError where nothing is left to do and the parent is not settled.
    """
    created = CreateParent(at=AT, strategy=ALL, max_workers=1, on_decided="cancel", content="")
    history = History(Plan(created, (), arriving=True), state or fold(facts), list(facts), now=facts[-1].at)
    chance = Random(seed)
    history.take(TakeOwnership(at=history.now, owner="next", reason="its owner stopped"))
    turns = 1_000 + 10 * len(facts)
    for _ in range(turns):
        if history.state.settled:
            return history
        history.take(*_next_turn(history, chance))
    raise AssertionError(f"not settled after {turns} turns: {history.facts[-5:]}")


def _next_turn(history: History, chance: Random) -> list[Command]:
    state, now = history.state, history.now
    if not state.membership_closed:
        missing: list[Command] = [CreateChildren(at=now)] if state.created < state.total else []
        return [*missing, CloseMembership(at=now, arriving=True)]
    front = frontier(state)
    if front.skip:
        return [SkipChildren(at=now, limit=max(2, state.total // 10))]
    if state.paused and not state.halting:
        return [Resume(at=now)]
    ready = list(islice(startable(state, now), max(0, state.max_workers - state.running_count)))
    if ready:
        return [StartChild(at=now, child_id=child_id, worker=worker(state, child_id)) for child_id in ready]
    running = list(state.running.items())
    if running:
        child_id, attempt = chance.choice([(child_id, one.attempt) for child_id, one in running])
        outcome = "cancelled" if front.stop else chance.choice(OUTCOMES)
        return [FinishAttempt(at=now, child_id=child_id, attempt=attempt, outcome=outcome)]
    due = min((later for _, later in state.requeued.items() if later > now), default=None)
    assert due is not None, f"stuck: nothing to start, nothing running, not settled: {history.facts[-5:]}"
    history.now = due
    return []


# Strategies

SEEDS: Final = st.integers(0, 2**32 - 1)
LIMITS: Final = st.sampled_from(
    [
        None,
        None,
        ChildLimits(max_attempts=2),
        ChildLimits(max_attempts=3, initial_seconds=2.0),
        ChildLimits(fail_when_lost=True),
        ChildLimits(fail_when_lost=True, max_attempts=2, initial_seconds=1.0),
        ChildLimits(max_attempts=4, initial_seconds=2.0, jitter=0.5, retry_on=("Base",), crashes_max=1),
        ChildLimits(max_attempts=9, give_up_on=("Bad",), total_timeout_seconds=5.0),
        ChildLimits(queue_timeout_seconds=1.0, total_timeout_seconds=1e308, max_attempts=2),
    ]
)


@st.composite
def rules(draw: st.DrawFn) -> Strategy:
    """Draw any strategy."""
    kind = draw(st.sampled_from(["all", "any", "count", "percent"]))
    if kind in ("all", "any"):
        return ALL if kind == "all" else ANY
    count = draw(st.integers(1, 7)) if kind == "count" else None
    percent = draw(st.sampled_from([10.0, 33.3, 50.0, 80.0, 100.0])) if kind == "percent" else None
    failures = draw(st.sampled_from(["none", "none", "count", "percent"]))
    return Strategy(
        kind="threshold",
        count=count,
        percent=percent,
        max_failures=draw(st.integers(0, 3)) if failures == "count" else None,
        max_failures_percent=draw(st.sampled_from([0.0, 20.0, 50.0])) if failures == "percent" else None,
        min_finished=draw(st.none() | st.integers(1, 4)) if failures == "percent" else None,
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw what a parent is asked to do; never something that is refused."""
    strategy = draw(rules())
    count = draw(st.sampled_from([0, 1, 2, 3, 5, 7, 9, 12]))
    limits = draw(st.lists(LIMITS, min_size=count, max_size=count))
    tasks = draw(st.lists(st.sampled_from(["work", "work", NESTED_TASK]), min_size=count, max_size=count))
    children = tuple(
        spec(f"c{index}", limit, task) for index, (limit, task) in enumerate(zip(limits, tasks, strict=True))
    )
    on_decided: OnDecided = draw(st.sampled_from(["cancel", "drain", "continue"]))
    create = CreateParent(
        at=AT,
        strategy=strategy,
        max_workers=draw(st.integers(1, 4)),
        on_decided=on_decided,
        content="content",
        timeout_seconds=draw(st.sampled_from([None, 60.0])),
        retry_budget=draw(st.sampled_from([None, None, 0, 2])),
        seed=draw(st.sampled_from([None, 7])),
    )
    arriving = draw(st.booleans()) or impossible(strategy, len(children)) is not None
    return Plan(create, children, arriving)


@st.composite
def histories(draw: st.DrawFn, *, picks_max: int = 120) -> History:
    """Draw a history."""
    history = History(draw(plans()))
    size = draw(st.sampled_from(range(picks_max + 1)))
    history.play(draw(st.lists(SEEDS, min_size=size, max_size=size)))
    return history


@st.composite
def points(draw: st.DrawFn) -> list[Fact]:
    """Draw the record of a parent on its way: a history up to the end of some append."""
    history = draw(histories())
    return history.facts[: draw(st.sampled_from(history.ends))]


def is_final(status: Status) -> bool:
    """Whether a status can no longer change."""
    return status in FINAL_STATUSES
