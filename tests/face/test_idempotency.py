"""The same id: the same content gives the same run, other content is refused and says what differs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import Child, ContentConflictError, Limits, Orchestrator, Parallel, Retry, Threshold
from tests.face import tasks, typed_tasks
from tests.support.waiting import until


@pytest.fixture
def orchestrator(tmp_path: Path) -> Iterator[Orchestrator]:
    with Orchestrator(tmp_path / "runs.db", max_workers=4, limits=Limits(inline_bytes_max=100)) as made:
        yield made


def refusal(orchestrator: Orchestrator, asked: Parallel, run_id: str = "r") -> str:
    """Return what is said of an id that stands for something else."""
    with pytest.raises(ContentConflictError) as caught:
        orchestrator.start(asked, id=run_id)
    text = str(caught.value)
    start = f"run {run_id!r}: a run of this id exists with other content: "
    end = ". Use another id, or the very same content"
    assert text.startswith(start), text
    assert text.endswith(end), text
    return text[len(start) : -len(end)]


def squares(*numbers: int) -> list[Child]:
    return [tasks.square.child(x=number).with_id(f"c{index}") for index, number in enumerate(numbers)]


def test_the_same_content_gives_the_run_that_is_over(orchestrator: Orchestrator) -> None:
    asked = Parallel(children=squares(1, 2))
    first = orchestrator.start(asked, id="r")
    first.settle(timeout=20)
    version = first.status().version
    again = orchestrator.start(asked, id="r")
    assert again.settle(timeout=20).outputs == {"c0": 1, "c1": 4}
    assert again.status().version == version, "nothing was added to the record"


def test_the_same_content_gives_the_run_that_goes_on(orchestrator: Orchestrator, tmp_path: Path) -> None:
    gate = str(tmp_path)
    asked = Parallel(children=[tasks.wait_at.child(gate=gate)])
    first = orchestrator.start(asked, id="r")
    until(lambda: tasks.CALLS[f"{gate}/begun"] == 1)
    again = orchestrator.start(asked, id="r")
    tasks.GATES[gate].set()
    assert first.settle(timeout=20).outputs == again.settle(timeout=20).outputs == {"wait_at-0": gate}
    assert tasks.CALLS[f"{gate}/begun"] == 1


SAME = """
import sys
from orchestrator import Orchestrator, Parallel
from tests.face import tasks
from tests.face.test_idempotency import squares
with Orchestrator(sys.argv[1], max_workers=2) as orchestrator:
    run = orchestrator.start(Parallel(children=squares(*range(30)), max_workers=3), id="r")
    print(sum(run.settle(timeout=40).outputs.values()))
"""


def test_many_processes_may_start_the_same_run_at_once(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    command = [sys.executable, "-c", SAME, str(store)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) for _ in range(3)]
    assert [starter.communicate(timeout=60)[0] for starter in starters] == [f"{sum(n * n for n in range(30))}\n"] * 3
    assert [starter.returncode for starter in starters] == [0] * 3
    with Orchestrator(store) as orchestrator:
        assert [run.id for run in orchestrator.list()] == ["r"]
        started = [event.data["child_id"] for event in orchestrator.get("r").history() if event.type == "ChildStarted"]
        assert len(started) == len(set(started)) == 30, "no child ran twice"
        again = orchestrator.start(Parallel(children=squares(*range(30)), max_workers=3), id="r")
        assert again.status().settled, "after the end, from yet another process"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Parallel(children=squares(1), strategy="any"), "strategy was all and now is any"),
        (
            Parallel(children=squares(1), strategy=Threshold(percent=50)),
            "strategy was all and now is threshold(percent=50.0)",
        ),
        (Parallel(children=squares(1), max_workers=2), "max_workers was 4 and now is 2"),
        (Parallel(children=squares(1), max_workers=4), "max_workers, which was given once and left out once"),
        (Parallel(children=squares(1), timeout=5), "timeout_seconds was not given and now is 5.0"),
        (Parallel(children=squares(1), on_decided="drain"), "on_decided was cancel and now is drain"),
        (Parallel(children=squares(1), priority=3, weight=2), "weight was 1 and now is 2; priority was 0 and now is 3"),
        (Parallel(children=squares(1), metadata={"a": 1}), 'metadata was not given and now is {"a":1}'),
        (Parallel(children=[]), "it had 1 child and now has 0; 1 child missing now: 'c0'"),
        (Parallel(children=squares(1, 2)), "it had 1 child and now has 2; 1 child new: 'c1'"),
        (Parallel(children=squares(3)), """1 child changed: 'c0' (input was {"x":1} and now is {"x":3})"""),
        (
            Parallel(children=[tasks.echo.child(value=1).with_id("c0")]),
            """1 child changed: 'c0' (task was 'square' and now is 'echo', input was {"x":1} and now is {"value":1})""",
        ),
        (
            Parallel(children=squares(1), child_timeout=2, retry=Retry(max_attempts=2)),
            "1 child changed: 'c0' (timeout_seconds was not given and now is 2.0, "
            "max_attempts was not given and now is 2, initial_seconds was not given and now is 0.0, "
            "backoff was not given and now is 2.0, max_seconds was not given and now is 3600.0)",
        ),
    ],
    ids=range(13),
)
def test_other_content_is_refused_and_says_what_differs(orchestrator: Orchestrator, asked: Parallel, said: str) -> None:
    orchestrator.start(Parallel(children=squares(1)), id="r").settle(timeout=20)
    assert refusal(orchestrator, asked) == said


def test_of_many_children_the_first_few_are_named(orchestrator: Orchestrator) -> None:
    run = orchestrator.start(Parallel(children=squares(*range(10))), id="r")
    assert refusal(orchestrator, Parallel(children=squares(*range(5, 10), 1, 2))) == (
        "it had 10 children and now has 7; 3 children missing now: 'c7', 'c8', 'c9'; 7 children changed: "
        """'c0' (input was {"x":0} and now is {"x":5}), 'c1' (input was {"x":1} and now is {"x":6}), """
        """'c2' (input was {"x":2} and now is {"x":7}), and 4 more"""
    )
    assert refusal(orchestrator, Parallel(children=squares(*range(10))[::-1])).startswith(
        "10 children changed: 'c9' (index was 9 and now is 0)"
    )
    run.settle(timeout=20)


def test_long_inputs_are_shown_short(orchestrator: Orchestrator) -> None:
    def asked(letter: str, length: int) -> Parallel:
        return Parallel(children=[typed_tasks.measure.child(text=letter * length)])

    orchestrator.start(asked("a", 85), id="short").settle(timeout=20)
    assert f'{{"text":"{"b" * 71}…' in refusal(orchestrator, asked("b", 85), "short")
    orchestrator.start(asked("a", 5_000), id="r").settle(timeout=20)
    said = refusal(orchestrator, asked("b", 6_000))
    assert "(input was 5,011 bytes with the hash " in said
    assert "and now is 6,011 bytes with the hash " in said


def test_steps_say_what_differs_too(orchestrator: Orchestrator) -> None:
    orchestrator.create_state(Parallel(), id="r")
    orchestrator.create_state(Parallel(), id="r")
    with pytest.raises(ContentConflictError, match="strategy was all and now is any"):
        orchestrator.create_state(Parallel(strategy="any"), id="r")
    orchestrator.prepare_children("r", squares(1, 2))
    with pytest.raises(ContentConflictError, match=r"1 child changed: 'c1' \(input was .*2. and now is .*3"):
        orchestrator.prepare_children("r", squares(1, 3))
    assert orchestrator.get("r").status().counts.total == 2
