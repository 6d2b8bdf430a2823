"""What holds for every command at every point of every history."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from events.commands import (
    Cancel,
    CloseMembership,
    Command,
    CreateChildren,
    CreateParent,
    FinishAttempt,
    LoseAttempt,
    PassDeadline,
    PrepareChildren,
    ReleaseOwnership,
    SkipChildren,
    StartChild,
    TakeOwnership,
)
from events.decide import Turn, decide_all
from events.errors import UsageError
from events.evolve import fold
from events.facts import ParentDecided, ParentSettled
from events.strategy import OUTCOMES
from tests.events.histories import History, histories, rules
from tests.events.scenario import AT, SECOND, fingerprint, of_type, spec
from tests.support.invariants import check_history

IDS = st.sampled_from(["c0", "c1", "c2", "c3", "c4", "unknown"])
ATTEMPTS = st.integers(0, 4)
TEXTS = st.sampled_from(["ann", "bob", "next", "nobody"])
AFTER = AT + 10**6 * SECOND  # late enough for every retry


def commands() -> st.SearchStrategy[Command]:
    """Draw any command, sensible or not."""
    at = st.just(AFTER)
    return st.one_of(
        st.builds(
            CreateParent,
            at=at,
            strategy=rules(),
            max_workers=st.integers(1, 3),
            on_decided=st.just("drain"),
            content=st.sampled_from(["content", "other"]),
        ),
        st.builds(PrepareChildren, at=at, children=st.lists(st.builds(spec, IDS), max_size=3).map(tuple)),
        st.builds(CreateChildren, at=at),
        st.builds(CloseMembership, at=at, arriving=st.booleans()),
        st.builds(TakeOwnership, at=at, owner=TEXTS, reason=TEXTS),
        st.builds(ReleaseOwnership, at=at, owner=TEXTS, reason=TEXTS),
        st.builds(StartChild, at=at, child_id=IDS, worker=TEXTS),
        st.builds(FinishAttempt, at=at, child_id=IDS, attempt=ATTEMPTS, outcome=st.sampled_from(OUTCOMES)),
        st.builds(LoseAttempt, at=at, child_id=IDS, attempt=ATTEMPTS, reason=TEXTS),
        st.builds(SkipChildren, at=at, limit=st.integers(1, 5)),
        st.builds(Cancel, at=at, reason=TEXTS),
        st.builds(PassDeadline, at=at),
    )


@given(history=histories(), asked=st.lists(commands(), min_size=1, max_size=12))
@settings(max_examples=250, deadline=None, print_blob=True)
def test_any_command_is_taken_or_refused_and_breaks_nothing(history: History, asked: list[Command]) -> None:
    turn = Turn(history.state)
    for command in asked:
        before, length = fingerprint(turn.state), len(turn.facts)
        try:
            turn.take(command)
        except UsageError:
            assert (fingerprint(turn.state), len(turn.facts)) == (before, length), "a refusal left a trace"
    facts = [*history.facts, *turn.facts]
    assert fingerprint(fold(facts)) == fingerprint(turn.state)
    assert len(of_type(facts, ParentDecided)) <= 1
    assert len(of_type(facts, ParentSettled)) <= 1
    check_history(facts)


@given(history=histories(), command=commands())
@settings(max_examples=250, deadline=None, print_blob=True)
def test_decide_twice_is_quiet(history: History, command: Command) -> None:
    """But for a claim, each of which is a new epoch, and for a share of the children to skip, which come in parts."""
    try:
        facts, after = decide_all(history.state, [command])
    except UsageError:
        return
    if isinstance(command, TakeOwnership):
        epoch = after.epoch
        assert decide_all(after, [command])[1].epoch == epoch + 1
    elif not isinstance(command, SkipChildren) or len(facts) < command.limit:
        assert decide_all(after, [command])[0] == []
