"""Every actor dies at every message it takes, of every kind of exception: runs go on, nobody waits for ever."""

from __future__ import annotations

import contextvars
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from actors.messages import Request
from events.state import ParentState
from orchestrator import Orchestrator, Parallel, engine
from tests.faults.deaths import KINDS, MODULES, DeadlyRuntime, Fault, Injected, Target, actor_classes, every, targets
from tests.faults.exercise import MAX_WORKERS, RUNTIME, Exercise
from tests.faults.table import Tally
from tests.faults.verdict import judge_file

LIVES_AT_A_TIME: Final = 8
PRIMERS: Final = (
    Fault(Target("ParentActor", "AttemptsEnded"), KINDS[0], "after", nth=4),
    Fault(Target("PoolActor", "Hand"), KINDS[0], "after", nth=6),
)
"""Deaths in every life, so that there is somebody to be restarted and somebody to be told."""
SLICE_LIVES: Final = 12

HALTING: Final = (
    Fault(Target("PoolActor", "Hand"), KINDS[0], "after", nth=3),
    Fault(Target("PoolActor", "Begin"), KINDS[0], "before", nth=2, times=5),
)
"""A pool that dies six times in a row: everything is halted."""


@pytest.fixture(autouse=True)
def deadly_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ThreadedRuntime", RUNTIME.get)
    monkeypatch.setattr("actors.system.EVENTS_MIN", 500)  # "churn" and others are worth a snapshot


def live(folder: Path, faults: Sequence[Fault]) -> tuple[Exercise, Injected]:
    """Live one life with these faults and judge what it left behind."""
    folder.mkdir()
    injected = Injected([*faults, *PRIMERS])
    exercise = Exercise(folder, injected)
    what = ", ".join(map(str, faults))
    try:
        exercise.live()
        judge_file(exercise.store, max_workers=MAX_WORKERS, told=exercise.told)
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    return exercise, injected


def live_all(folder: Path, lives: Iterable[Sequence[Fault]], tally: Tally, scenario: str) -> Counter[Target]:
    """Live many lives, some at a time; return which handlers were killed, and how often."""
    killed: Counter[Target] = Counter()
    with ThreadPoolExecutor(LIVES_AT_A_TIME) as lanes:
        begun = [
            lanes.submit(contextvars.copy_context().run, live, folder / str(number), faults)
            for number, faults in enumerate(lives)
        ]
        for one in begun:
            exercise, injected = one.result()
            killed += injected.done
            tally(
                scenario,
                rounds=1,
                faults=injected.done.total(),
                acknowledged=len(exercise.told),
                lost=0,
                double=0,
                above_max=0,
                refused=exercise.refused,
                completed=len(exercise.expected()),
            )
    return killed


def test_every_actor_is_known_to_the_campaign() -> None:
    """A new actor class must lie where the campaign looks for it."""
    assert {made.__module__ for made in actor_classes().values()} == {module.__name__ for module in MODULES}


def test_every_handler_is_reached(tmp_path: Path) -> None:
    """A life of the exercise delivers every message that the code names; a new one must be added to it."""
    _, injected = live(tmp_path / "life", HALTING)
    expected = set(targets())
    assert expected - set(injected.delivered) == set()
    assert set(injected.delivered) - expected == set(), "delivered, but not found in the code"


def test_every_handler_dies_once(tmp_path: Path, chance: random.Random, rounds: int, tally: Tally) -> None:
    """Handlers at a random delivery, of a random kind; in a long campaign each of them, of every kind."""
    if rounds == 1:
        faults = [chance.choice(list(every([target]))) for target in chance.sample(targets(), SLICE_LIVES)]
    else:
        faults = [replace(fault, nth=chance.choice((1, 1, 2, 3))) for fault in every(targets())]
    killed = live_all(tmp_path, [with_what_it_takes(fault) for fault in faults], tally, "actors: one death")
    assert {fault.target for fault in faults} - set(killed) == set(), "never killed"


def test_two_die_at_once(tmp_path: Path, chance: random.Random, rounds: int, tally: Tally) -> None:
    lives = [
        [replace(chance.choice(list(every([target]))), nth=chance.choice((1, 2, 3))) for target in pair]
        for pair in (chance.sample(targets(), 2) for _ in range(4 * rounds))
    ]
    live_all(tmp_path, lives, tally, "actors: two deaths at once")


def test_one_that_dies_again_and_again_is_halted_and_goes_on_later(
    tmp_path: Path, chance: random.Random, rounds: int, tally: Tally
) -> None:
    """Whoever waits is told; once the deaths have stopped, every run can be gone on with."""
    some = chance.sample(targets(), 4) if rounds == 1 else targets() * max(1, rounds // 10)
    lives = [with_what_it_takes(replace(chance.choice(list(every([target]))), times=8)) for target in some]
    live_all(tmp_path, lives, tally, "actors: eight deaths in a row")


def test_nothing_is_told_to_nobody_while_one_supervisor_takes_anothers_place(
    tmp_path: Path, rounds: int, tally: Tally
) -> None:
    """The threads that ask run at any instant of a death, the one between two supervisors included."""
    RUNTIME.set(DeadlyRuntime(Injected([])))
    deaths, interval = 40 * rounds, sys.getswitchinterval()
    with Orchestrator(tmp_path / "runs.db") as orchestrator:
        run = orchestrator.start(Parallel(children=[]))
        system = orchestrator._engine._system
        sys.setswitchinterval(1e-5)
        try:
            for _ in range(deaths):
                system._surroundings.supervisor.tell("nothing that an actor knows")
                replies: list[Future[ParentState]] = [Future() for _ in range(30)]
                for reply in replies:
                    system.tell_parent(run.id, Request((), reply))
                for reply in replies:
                    reply.exception(20)  # an answer or a refusal, but in time
        finally:
            sys.setswitchinterval(interval)
    tally("actors: asked in the middle of a death", rounds=1, faults=deaths, lost=0)


def with_what_it_takes(fault: Fault) -> Sequence[Fault]:
    """Return a fault, and those that bring about the message that it strikes."""
    return [fault, *(HALTING if fault.target.message == "Halt" else ())]
