"""The table of docs/lifecycle.md, walked whole: every command in every state does what its line says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, get_args

import pytest

from events.commands import Command, CreateParent
from events.decide import _HANDLERS, decide
from events.errors import OrchestratorError
from events.facts import ChildLimits
from events.state import Phase
from events.strategy import ANY, OnDecided, Strategy
from tests.events.scenario import (
    AT,
    SECOND,
    Given,
    cancel,
    cancel_child,
    change,
    close,
    create,
    expire,
    finish,
    give_up,
    late,
    lose,
    names,
    parent,
    pass_deadline,
    pause,
    prepare,
    progress,
    redact,
    redrive,
    release,
    respond,
    resume,
    skip,
    spec,
    start,
    take,
)

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "lifecycle.md"
LIMITS: Final = ChildLimits(max_attempts=2, initial_seconds=10.0, queue_timeout_seconds=5.0, total_timeout_seconds=60.0)
CHILD: Final = spec("a", LIMITS)
SOME: Final = Strategy(kind="threshold", percent=1.0)
LATER: Final = AT + SECOND
"""When each command is given; what happened before happened at AT."""


def owned(*, on_decided: OnDecided = "cancel") -> Given:
    """Return a parent that somebody works on, with the child `a` and two others, of which `b` runs."""
    made = parent(CHILD, "b", "c", strategy=ANY, on_decided=on_decided, timeout_seconds=99.0)
    return made.given(take(), start("b"))


def decided(*, on_decided: OnDecided = "cancel") -> Given:
    """Return one that is decided while `c` runs on."""
    return owned(on_decided=on_decided).given(start("c"), finish("b"))


def settled() -> Given:
    made = parent(CHILD, "b", timeout_seconds=99.0).given(take(), start("a"), start("b"))
    return made.given(finish("b"), finish("a", "cancelled"))


STATES: Final[dict[str, Callable[[], Given]]] = {
    "child prepared": lambda: parent("b", still_open=True, timeout_seconds=99.0).given(
        take(), start("b"), prepare(CHILD)
    ),
    "child waiting, untouched": owned,
    "child waiting again, not due": lambda: owned().given(start("a"), finish("a", "failed")),
    "child waiting again, due": lambda: owned().given(start("a"), lose("a")),
    "child running": lambda: owned().given(start("a")),
    "child running, a parent itself": lambda: parent(
        spec("a", LIMITS, "parallel"), "b", strategy=ANY, timeout_seconds=99.0
    ).given(take(), start("a").model_copy(update={"worker": "nested"})),
    "child running, asked to stop": lambda: owned().given(start("a"), cancel_child("a")),
    "child succeeded": lambda: parent(CHILD, "b", timeout_seconds=99.0).given(take(), start("a"), finish("a")),
    "child failed": lambda: owned().given(
        start("a"), finish("a", "failed"), start("a", at=AT + 20 * SECOND), finish("a", "failed", 2)
    ),
    "child timed out": lambda: owned().given(expire("a")),
    "child cancelled": lambda: owned().given(cancel_child("a")),
    "child skipped": lambda: decided().given(skip()),
    "parent none": Given,
    "parent open, without children": lambda: Given().given(create(timeout_seconds=99.0)),
    "parent pending": lambda: parent(CHILD, "b", timeout_seconds=99.0),
    "parent running": lambda: parent(CHILD, "b", timeout_seconds=99.0).given(start("b")),
    "parent paused": lambda: owned().given(pause()),
    "parent decided, halting": decided,
    "parent decided, going on": lambda: decided(on_decided="continue"),
    "parent settled": settled,
    "parent redriven": lambda: settled().given(redrive()),
    "parent redacted": lambda: settled().given(redact()),
}


def attempt_of(state: Given) -> int:
    child = state.state.children.get("a")
    return max(1, 0 if child is None else child.attempts)


def same_again(state: Given, content: str) -> CreateParent:
    """Return the command that made the parent, or that makes it."""
    return create(timeout_seconds=99.0, content=content)


COMMANDS: Final[dict[str, Callable[[Given], Command]]] = {
    "CreateParent, the same content": lambda given: same_again(given, "content"),
    "CreateParent, other content": lambda given: same_again(given, "other"),
    "PrepareChildren, a new one": lambda _: prepare("new"),
    "CreateChildren": lambda _: release(),
    "CloseMembership": lambda _: close(arriving=True),
    "TakeOwnership": lambda _: take("you"),
    "ReleaseOwnership": lambda _: give_up(),
    "StartChild": lambda _: start("a"),
    "FinishAttempt, succeeded": lambda given: finish("a", attempt=attempt_of(given)),
    "FinishAttempt, failed": lambda given: finish("a", "failed", attempt_of(given)),
    "RecordResponse": lambda _: respond("a"),
    "LoseAttempt": lambda given: lose("a", attempt_of(given)),
    "RecordLateEnding": lambda given: late("a", attempt_of(given)),
    "ReportProgress": lambda given: progress("a", attempt=attempt_of(given)),
    "ExpireChild, queue": lambda _: expire("a"),
    "ExpireChild, total": lambda _: expire("a", "total"),
    "CancelChild": lambda _: cancel_child("a"),
    "SkipChildren": lambda _: skip(),
    "Cancel": lambda _: cancel(),
    "PassDeadline": lambda _: pass_deadline(),
    "Pause": lambda _: pause(),
    "Resume": lambda _: resume(),
    "ChangeLimits, max_workers": lambda _: change(max_workers=3),
    "ChangeLimits, strategy": lambda _: change(strategy=SOME),
    "Redrive": lambda _: redrive(),
    "Redact": lambda _: redact(),
}


def answer(state: Given, command: Command) -> str:
    """Return what a command does, in the words of the table."""
    try:
        facts = decide(state.state, command.model_copy(update={"at": LATER}))
    except OrchestratorError as error:
        return f"says no: `{type(error).__name__}`"
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names(facts))) or "quiet"


def computed() -> dict[tuple[str, str], str]:
    """Return every answer there is, by command and state."""
    made = {name: make() for name, make in STATES.items()}
    return {
        (command, name): answer(given, ask(given)) for command, ask in COMMANDS.items() for name, given in made.items()
    }


def lines() -> list[str]:
    """Return the table as it should be: a line for each command and each thing that it does."""
    table: list[str] = []
    answers = computed()
    for command in COMMANDS:
        groups: dict[str, list[str]] = {}
        for name in STATES:
            groups.setdefault(answers[command, name], []).append(name)
        table += [f"| `{command}` | {said} | {'; '.join(states)} |" for said, states in groups.items()]
    return table


def documented() -> list[tuple[str, str, str]]:
    """Return command, state and answer of every cell on the page."""
    cells = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"\| `([A-Z][A-Za-z]+(?:, [a-z_ ]+)?)` \| (.+) \| ((?:child|parent) .+) \|", line)
        if found:
            cells += [(found[1], state, found[2]) for state in found[3].split("; ")]
    return cells


CELLS: Final = documented()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_in_every_state_what_the_table_says(command: str) -> None:
    said = {state: words for name, state, words in CELLS if name == command}
    assert said == {state: answer(made, COMMANDS[command](made)) for state, made in every_state().items()}


def every_state() -> dict[str, Given]:
    return {name: make() for name, make in STATES.items()}


def test_every_pair_of_state_and_command_is_there_once() -> None:
    assert sorted((command, state) for command, state, _ in CELLS) == sorted(
        (command, state) for command in COMMANDS for state in STATES
    )


def test_no_command_and_no_phase_is_forgotten() -> None:
    asked = {type(ask(settled())) for ask in COMMANDS.values()}
    assert asked == set(_HANDLERS) == set(Command.__subclasses__())
    made = [given.state for given in every_state().values() if given.state.exists]
    phases = {state.children["a"].phase for state in made if "a" in state.children}
    assert phases == set(get_args(Phase))


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_what_its_name_says(name: str) -> None:
    state = STATES[name]().state
    kind, what = name.split(" ", 1)
    if kind == "child":
        child = state.children["a"]
        assert child.phase.replace("_", " ") == what.split(" again")[0].split(",")[0]
        assert ("a" in state.asked_to_stop) == ("asked" in what)
        assert child.nested == ("itself" in what)
        assert ("again" in what) == ("a" in state.requeued)
    else:
        facts = (state.exists, state.paused, state.settled, state.halting, state.decision is not None)
        assert facts == {
            "none": (False, False, False, False, False),
            "paused": (True, True, False, False, False),
            "decided, halting": (True, False, False, True, True),
            "decided, going on": (True, False, False, False, True),
            "settled": (True, False, True, True, True),
            "redacted": (True, False, True, True, True),
        }.get(what, (True, False, False, False, False))
        assert (state.redrives > 0) == (what == "redriven")
        assert state.redacted == (what == "redacted")


if __name__ == "__main__":
    print("\n".join(lines()))
