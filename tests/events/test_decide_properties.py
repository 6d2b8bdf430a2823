"""What holds for every command at every point of every history."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from events.commands import RecordResponse, Redrive, ReportProgress, SkipChildren, TakeOwnership
from events.decide import Turn, decide_all
from events.errors import OrchestratorError, StepOrderError
from events.evolve import fold
from events.facts import Fact, ParentDecided, ParentSettled, Redriven
from events.invariants import check_history
from tests.events.any_command import any_command
from tests.events.histories import SEEDS, points
from tests.events.scenario import fingerprint, of_type
from tests.hostile.effort import tries


@given(record=points(), asked=st.lists(SEEDS, min_size=1, max_size=20))
@tries(60)
def test_any_command_is_taken_or_refused_and_breaks_nothing(record: list[Fact], asked: list[int]) -> None:
    turn = Turn(fold(record))
    for seed in asked:
        command = any_command(turn.state, seed)
        before, length = fingerprint(turn.state), len(turn.facts)
        try:
            turn.take(command)
        except OrchestratorError:
            assert (fingerprint(turn.state), len(turn.facts)) == (before, length), "a refusal left a trace"
            event(f"{type(command).__name__} is refused")
        else:
            event(f"{type(command).__name__} is {'taken' if len(turn.facts) > length else 'quiet'}")
    facts = [*record, *turn.facts]
    assert fingerprint(fold(facts)) == fingerprint(turn.state)
    lives = len(of_type(facts, Redriven)) + 1
    assert len(of_type(facts, ParentDecided)) <= lives
    assert len(of_type(facts, ParentSettled)) <= lives
    check_history(facts)


@given(record=points(), seed=SEEDS)
@tries(100)
def test_decide_twice_is_quiet(record: list[Fact], seed: int) -> None:
    """But for what means something else the second time: a claim is a new epoch, children to skip come in parts, a
    response that names no attempt is about the next one, progress may be said again, and a redrive without a token is
    another one, which comes too early.
    """
    state = fold(record)
    command = any_command(state, seed)
    try:
        facts, after = decide_all(state, [command])
    except OrchestratorError:
        return
    if isinstance(command, TakeOwnership):
        assert decide_all(after, [command])[1].epoch == after.epoch + 1
    elif isinstance(command, RecordResponse):
        child = after.children[command.child_id]
        assert child.prepared is not None or decide_all(after, [command])[0] == []
    elif isinstance(command, ReportProgress):
        assert decide_all(after, [command])[0] == facts
    elif isinstance(command, Redrive) and command.token is None:
        with pytest.raises(StepOrderError):
            decide_all(after, [command])
    elif not isinstance(command, SkipChildren) or len(facts) < command.limit:
        assert decide_all(after, [command])[0] == []
