"""What people ask of a parent that another process works on: decided on the record as it is at that instant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from events.commands import Cancel, CancelChild, ChangeLimits, Command, Pause, Resume
from events.decide import Turn
from events.errors import OrchestratorError
from events.facts import Fact
from events.state import ParentState

CONTROLS: Final = (Cancel, CancelChild, Pause, Resume, ChangeLimits)
"""What people may ask of a parent at any time, whoever works on it, and repeat without harm."""


class Intervention(NamedTuple):
    """What was decided: the facts and the state after them, and which groups of commands were refused, and why."""

    facts: Sequence[Fact]
    state: ParentState
    refused: dict[int, OrchestratorError]


def intervene(state: ParentState, groups: Iterable[Sequence[Command]], earliest: int) -> Intervention:
    """Decide groups of commands one after the other, each all or none; none of their facts is before `earliest`.

    `earliest` is in microseconds since 1970: what happened meanwhile may be later than what was asked.
    """
    turn = Turn(state)
    refused: dict[int, OrchestratorError] = {}
    for number, group in enumerate(groups):
        mark = turn.mark()
        try:
            for command in group:
                later = command if command.at >= earliest else command.model_copy(update={"at": earliest})
                turn.take(later)
        except OrchestratorError as error:
            refused[number] = error
            turn.back_to(mark)
    return Intervention(turn.facts, turn.state, refused)
