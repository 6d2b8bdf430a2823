"""Closing an orchestrator: all executors are asked before any is waited for, so their waits do not add up."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator import Child, Orchestrator, Parallel, Task, TaskRegistry, current_child
from orchestrator.tasks import TaskSettings
from tests.support.waiting import until

SHUTDOWN_SECONDS = 20.0


def listen(begun: str, asked: str) -> str:
    """Run until it is asked to stop, and let others see that it was."""
    Path(begun).touch()
    assert current_child().cancelled.wait(60)
    Path(asked).touch()
    return "asked"


def wait_for(begun: str, asked: str) -> str:
    """Wait for another one to be asked to stop; listen to nobody."""
    Path(begun).touch()
    until(Path(asked).exists, timeout_seconds=60, what="the other one to be asked")
    return "seen"


@pytest.mark.parametrize("executor", ["processes", "pool"])
def test_the_others_are_asked_to_stop_while_a_thread_is_waited_for(executor: str, tmp_path: Path) -> None:
    tasks = TaskRegistry()
    tasks.add(Task(listen, "listen", TaskSettings(executor=executor)))
    tasks.add(Task(wait_for, "wait_for", TaskSettings(executor="threads")))
    asked = str(tmp_path / "asked")
    inputs = {name: {"begun": str(tmp_path / name), "asked": asked} for name in ("listen", "wait_for")}
    children = [Child(id=name, task=name, input=given) for name, given in inputs.items()]
    with ThreadPoolExecutor(1) as pool:
        orchestrator = Orchestrator(
            tmp_path / "runs.db", tasks=tasks, shutdown_seconds=SHUTDOWN_SECONDS, executors={"pool": pool}
        )
        with orchestrator:
            orchestrator.start(Parallel(children=children), id="r")
            until(lambda: all((tmp_path / name).exists() for name in inputs), timeout_seconds=60)
            began = time.monotonic()
        took_seconds = time.monotonic() - began
    assert took_seconds < SHUTDOWN_SECONDS, "nobody had to wait for the end of the time"
    with Orchestrator(tmp_path / "runs.db", tasks=TaskRegistry()) as orchestrator:
        outputs = {child.id: child.output for child in orchestrator.get("r").children()}
    assert outputs == {"listen": "asked", "wait_for": "seen"}
