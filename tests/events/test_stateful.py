"""Random lives of a parent against a simple model: commands, outcomes, crashes, other owners, clocks that jump.

After each step the core's state is what the model says, its facts pass every invariant, and what is on record folds to
the very same state. `--hypothesis-profile events-long` tries far more; a failure prints the steps that lead to it.
"""

from __future__ import annotations

from typing import Final, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from events.commands import ChangeLimits, Command, PrepareChildren, StartChild
from events.decide import decide_all
from events.errors import OrchestratorError
from events.evolve import INITIAL, fold
from events.facts import ChildLimits, Fact
from events.frontier import frontier, startable
from events.invariants import HistoryCheck
from events.state import ParentState
from events.strategy import ALL, ANY, Outcome, Strategy
from events.views import child_views, counts
from tests.events import scenario
from tests.events.histories import worker
from tests.events.model import Answer, Kind, Model
from tests.events.scenario import AT, SECOND, fingerprint
from tests.hostile.effort import tries

RULES: Final = {
    "all": ALL,
    "any": ANY,
    "2": Strategy(kind="threshold", count=2),
    "60%": Strategy(kind="threshold", percent=60.0),
}
KINDS: Final = (
    Kind(),
    Kind(attempts=3, wait=2, never_again="Bad"),
    Kind(attempts=2, total=4, wait=1),
    Kind(lost_fails=True, queue=3),
    Kind(nested=True),
    Kind(nested=True, attempts=2, queue=3),
)
OUTCOMES: Final = st.sampled_from(("succeeded", "succeeded", "failed", "failed", "timed_out", "cancelled"))
PICKS: Final = st.integers(0, 10)
IDS_MAX: Final = 6


def limits_of(kind: Kind) -> ChildLimits | None:
    """Return a kind in the words of the settings."""
    if kind in (Kind(), Kind(nested=True)):
        return None
    return ChildLimits(
        max_attempts=kind.attempts,
        initial_seconds=float(kind.wait),
        backoff=2.0,
        fail_when_lost=kind.lost_fails or None,
        total_timeout_seconds=kind.total and float(kind.total),
        queue_timeout_seconds=kind.queue and float(kind.queue),
        give_up_on=None if kind.never_again is None else (kind.never_again,),
    )


class Lives(RuleBasedStateMachine):
    """One parent, lived through by the core and by the model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.state: ParentState = INITIAL
        self.facts: list[Fact] = []
        self.check = HistoryCheck()
        self.now = AT
        self.model = Model("all", 1, "cancel")

    @initialize(
        name=st.sampled_from(sorted(RULES)),
        max_workers=st.integers(1, 3),
        on_decided=st.sampled_from(("cancel", "drain", "continue")),
        budget=st.sampled_from((None, None, 1)),
        kinds=st.lists(st.sampled_from(KINDS), min_size=2, max_size=4),
        arriving=st.booleans(),
    )
    def begin(
        self, name: str, max_workers: int, on_decided: str, budget: int | None, kinds: list[Kind], *, arriving: bool
    ) -> None:
        self.model = Model(name, max_workers, on_decided, budget)
        made = scenario.create(RULES[name], max_workers=max_workers, timeout_seconds=60.0, retry_budget=budget)
        self.ask(made.model_copy(update={"on_decided": on_decided}), "done")
        for kind in kinds:
            self.add(kind)
        if not arriving:
            self.create()
            self.close()

    def ask(self, command: Command, answer: Answer) -> None:
        """Give a command to the core at the present time, and hold what it says to the model's answer."""
        command = command.model_copy(update={"at": self.now})
        if answer == "refused":
            with pytest.raises(OrchestratorError):
                decide_all(self.state, [command])
            return
        facts, state = decide_all(self.state, [command])
        assert answer == ("done" if facts else "quiet"), f"{command!r}: {facts}"
        for fact in facts:
            self.check.take(fact)
        self.check.finish()
        self.facts += facts
        self.state = state

    def pick(self, number: int, *, running: bool = False) -> str:
        names = (self.model.running if running else None) or list(self.model.kids)
        return names[number % len(names)]

    # Children.

    @precondition(lambda self: len(self.model.kids) < IDS_MAX)
    @rule(kind=st.sampled_from(KINDS))
    def add(self, kind: Kind) -> None:
        name = f"c{len(self.model.kids)}"
        task = "parallel" if kind.nested else "work"
        spec = scenario.spec(name, limits_of(kind), task)
        self.ask(PrepareChildren(at=self.now, children=(spec,)), self.model.add(name, kind))

    @rule()
    def create(self) -> None:
        self.ask(scenario.release(), self.model.create())

    @precondition(lambda self: not self.model.closed)
    @rule()
    def close(self) -> None:
        self.ask(scenario.close(arriving=True), self.model.close())

    def start(self, name: str) -> None:
        started = StartChild(at=self.now, child_id=name, worker=worker(self.state, name))
        self.ask(started, self.model.start(name, self.now))

    @rule(number=PICKS)
    def start_any(self, number: int) -> None:
        self.start(self.pick(number))

    @rule()
    def start_all(self) -> None:
        for name in list(startable(self.state, self.now)):
            self.start(name)

    @rule(number=PICKS, outcome=OUTCOMES, error=st.sampled_from(("Bad", "Worse")))
    def finish(self, number: int, outcome: Outcome, error: str) -> None:
        name = self.pick(number, running=True)
        attempt = self.model.kids[name].attempts
        ending = scenario.finish(name, outcome, attempt)
        said = None if outcome == "succeeded" else f'{{"type":"{error}"}}'
        self.ask(ending.model_copy(update={"error": said}), self.model.finish(name, outcome, error, self.now))

    @rule(number=PICKS, outcome=OUTCOMES)
    def finish_too_late(self, number: int, outcome: Outcome) -> None:
        name = self.pick(number)
        self.ask(scenario.finish(name, outcome, self.model.kids[name].attempts - 1), "quiet")

    @rule(number=PICKS, died=st.booleans())
    def lose(self, number: int, *, died: bool) -> None:
        name = self.pick(number, running=True)
        attempt = self.model.kids[name].attempts
        command = scenario.crash(name, attempt) if died else scenario.lose(name, attempt)
        self.ask(command, self.model.lose(name, crash=died))

    @rule(number=PICKS)
    def cancel_child(self, number: int) -> None:
        name = self.pick(number)
        self.ask(scenario.cancel_child(name), self.model.cancel_child(name))

    @rule(number=PICKS, clock=st.sampled_from(("queue", "total")))
    def expire(self, number: int, clock: Literal["queue", "total"]) -> None:
        name = self.pick(number)
        self.ask(scenario.expire(name, clock), self.model.expire(name, clock))

    @rule(number=PICKS, outcome=st.sampled_from(("succeeded", "failed")))
    def respond(self, number: int, outcome: Outcome) -> None:
        name = self.pick(number)
        self.ask(scenario.respond(name, outcome), self.model.respond(name, outcome, self.now))

    @rule(number=PICKS)
    def end_late(self, number: int) -> None:
        name = self.pick(number)
        kid = self.model.kids[name]
        over = kid.attempts if kid.status != "running" else kid.attempts - 1
        self.ask(scenario.late(name, over + 1), "quiet")
        if over >= 1:
            before = (name, over) in self.state.late
            self.ask(scenario.late(name, over), "quiet" if before else "done")

    @rule(number=PICKS)
    def progress(self, number: int) -> None:
        name = self.pick(number, running=True)
        kid = self.model.kids[name]
        self.ask(scenario.progress(name, attempt=kid.attempts), "done" if kid.status == "running" else "quiet")

    @rule()
    def skip(self) -> None:
        self.ask(scenario.skip(), self.model.skip())

    # The parent.

    @rule()
    def take_over(self) -> None:
        self.model.leave(owned=True)
        self.ask(scenario.take(), "done")

    @rule()
    def release(self) -> None:
        owned = self.model.owned
        if owned:
            self.model.leave(owned=False)
        self.ask(scenario.give_up(), "done" if owned else "quiet")

    @rule(seldom=st.integers(0, 4))
    def cancel(self, seldom: int) -> None:
        if not seldom:
            self.ask(scenario.cancel(), self.model.cancel())

    @rule(seldom=st.integers(0, 4))
    def pass_deadline(self, seldom: int) -> None:
        if not seldom:
            self.ask(scenario.pass_deadline(), self.model.deadline())

    @rule()
    def pause(self) -> None:
        self.ask(scenario.pause(), self.model.pause())

    @rule()
    def resume(self) -> None:
        self.ask(scenario.resume(), self.model.resume())

    @rule(max_workers=st.none() | st.integers(1, 3), name=st.none() | st.sampled_from(sorted(RULES)))
    def change(self, max_workers: int | None, name: str | None) -> None:
        strategy = None if name is None else RULES[name]
        command = ChangeLimits(at=self.now, max_workers=max_workers, strategy=strategy)
        self.ask(command, self.model.change(max_workers, name))

    @rule(number=PICKS, one=st.booleans())
    def redrive(self, number: int, *, one: bool) -> None:
        if one:
            name = self.pick(number)
            self.ask(scenario.redrive(name), self.model.redrive([name]))
            return
        unsuccessful = [name for name, kid in self.model.kids.items() if kid.status != "succeeded"]
        self.ask(scenario.redrive(), self.model.redrive(unsuccessful))

    @precondition(lambda self: self.model.settled)
    @rule()
    def redrive_what_is_settled(self) -> None:
        unsuccessful = [name for name, kid in self.model.kids.items() if kid.status != "succeeded"]
        self.ask(scenario.redrive(), self.model.redrive(unsuccessful))

    @rule(seldom=st.integers(0, 3))
    def call_off_and_think_better_of_it(self, seldom: int) -> None:
        if seldom:
            return
        self.ask(scenario.cancel(), self.model.cancel())
        for name in list(self.model.running):
            attempt = self.model.kids[name].attempts
            self.ask(scenario.finish(name, "cancelled", attempt), self.model.finish(name, "cancelled", "", self.now))
        self.skip()
        if self.model.settled:
            self.redrive_what_is_settled()
            self.create()

    # The world.

    @rule(seconds=st.sampled_from((1, 1, 2, 5, 60, -3, -60)))
    def let_the_clock_run_or_jump(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def crash(self) -> None:
        self.state = fold(self.facts)

    @invariant()
    def core_and_model_agree(self) -> None:
        state, model = self.state, self.model
        if not self.facts:
            return
        assert fingerprint(fold(self.facts)) == fingerprint(state)
        assert (state.status, state.settled, state.paused) == (model.status, model.settled, model.paused)
        assert {view.id: view.status for view in child_views(self.facts)} == {
            name: kid.status for name, kid in model.kids.items()
        }
        names = ("pending", "running", "succeeded", "failed", "timed_out", "cancelled", "skipped")
        assert counts(state)[1:] == tuple(model.count(name) for name in names)
        assert set(startable(state, self.now)) == model.may_start(self.now)
        places = model.max_workers - len(model.running)
        ready = [name for name in model.may_start(10**18) if not model.kids[name].kind.nested]
        leaves = [name for name in model.running if not model.kids[name].kind.nested]
        assert frontier(state).wanted == len(leaves) + max(0, min(places, len(ready)))


TestLives = Lives.TestCase
TestLives.settings = settings(tries(60), stateful_step_count=40)
