"""More commands than one spawner begins alone: a second one, and what becomes of it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.executors.spawner_link import SpawnerLink, SpawnerSettings
from actors.executors.spawners import SECOND_AFTER, Spawners

if TYPE_CHECKING:
    from tests.executors.conftest import Desk


@pytest.fixture
def busy(desk: Desk, eventually: Callable[..., None]) -> Desk:
    """A desk whose executor has begun so many commands that it has a second spawner."""
    names = [f"early-{number}" for number in range(SECOND_AFTER)]
    desk.submit(*(desk.work("true", name) for name in names))
    for name in names:
        desk.ending(name)
    desk.submit(desk.work("exec sleep 1000", "one"), desk.work("exec sleep 1000", "other"))
    eventually(lambda: all(len(children(link)) == 1 for link in spawners(desk)))
    return desk


def spawners(desk: Desk) -> list[SpawnerLink]:
    return desk.executor._spawners.links


def children(link: SpawnerLink) -> list[int]:
    """Return the process ids of the commands that a spawner runs."""
    return [int(pid) for pid in Path(f"/proc/{link.process_id}/task/{link.process_id}/children").read_text().split()]


def test_few_commands_have_one_spawner(desk: Desk) -> None:
    names = [str(number) for number in range(SECOND_AFTER)]
    desk.submit(*(desk.work("true", name) for name in names))
    assert {desk.ending(name).outcome for name in names} == {"succeeded"}
    assert len(spawners(desk)) == 1
    assert desk.run("true", "next").outcome == "succeeded"
    assert len(spawners(desk)) == 1  # nothing else ran, so that one was free


def test_commands_are_dealt_out_to_two(busy: Desk) -> None:
    assert len({link.process_id for link in spawners(busy)}) == 2
    names = [f"late-{number}" for number in range(500)]
    busy.submit(*(busy.work(f"echo {name}; echo {name} >&2", name) for name in names))
    for name in names:
        ending = busy.ending(name)
        assert json.loads(ending.output or "") == {"exit_status": 0, "stdout": f"{name}\n", "stderr": f"{name}\n"}
    assert [len(children(link)) for link in spawners(busy)] == [1, 1]


@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_is_killed_takes_its_own_commands_along_alone(
    busy: Desk, gone: Callable[[int], bool], eventually: Callable[..., None], victim: int
) -> None:
    dying, living = spawners(busy)[victim], spawners(busy)[1 - victim]
    running, spared = children(dying), children(living)
    os.kill(dying.process_id, signal.SIGKILL)
    lost, kept = ("one", "other") if victim == 0 else ("other", "one")
    assert busy.ending(lost).lost == "the spawner process died (signal 9)"
    eventually(lambda: all(map(gone, running)))
    assert not busy.endings[kept]
    assert not any(map(gone, spared))
    assert busy.run("echo on", "next").outcome == "succeeded"
    busy.executor.cancel([busy.key(kept)], reason="enough")
    assert busy.ending(kept).outcome == "cancelled"


def test_both_are_killed_and_begun_anew(busy: Desk) -> None:
    before = {link.process_id for link in spawners(busy)}
    for link in spawners(busy):
        os.kill(link.process_id, signal.SIGKILL)
    assert busy.ending("one").lost
    assert busy.ending("other").lost
    assert busy.run("true", "next").outcome == "succeeded"
    assert before.isdisjoint({link.process_id for link in spawners(busy)})


def test_closing_leaves_nothing_of_both(busy: Desk, gone: Callable[[int], bool]) -> None:
    links = spawners(busy)
    processes = [pid for link in links for pid in (link.process_id, *children(link))]
    busy.executor.close(grace_seconds=0.5)
    assert {busy.ending(name).lost for name in ("one", "other")} == {"the orchestrator was closed"}
    assert all(map(gone, processes))
    assert not any(link.thread.is_alive() for link in links)


def test_closing_from_within_a_done_of_either(busy: Desk, eventually: Callable[..., None]) -> None:
    links = spawners(busy)
    busy.executor.submit([busy.work("true", "last")], lambda *_: busy.executor.close(grace_seconds=1))
    assert {busy.ending(name).lost for name in ("one", "other")} == {"the orchestrator was closed"}
    eventually(lambda: not any(link.thread.is_alive() for link in links))


def test_both_have_the_variables_of_the_first(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for link in spawners(busy):
        os.kill(link.process_id, signal.SIGKILL)
    assert busy.ending("one").lost
    assert busy.ending("other").lost
    monkeypatch.setenv("COLOUR", "red")
    busy.submit(busy.work('[ "$COLOUR" = red ] && exec sleep 1000', "a"))
    busy.executor.cancel([busy.key("a")], reason="enough")
    assert busy.ending("a").outcome == "cancelled"
    monkeypatch.setenv("COLOUR", "blue")
    names = [f"late-{number}" for number in range(50)]
    busy.submit(*(busy.work('[ "$COLOUR" ] && echo $COLOUR', name) for name in names))
    colours = [json.loads(busy.ending(name).output or "")["stdout"] for name in names]
    assert len(set(colours)) == 1
    assert len(spawners(busy)) == 2


def test_where_no_second_one_can_be_started_the_first_does_it_all() -> None:
    """The kernel may have no process left for us (RLIMIT_NPROC does not hold for root, so we say so ourselves)."""
    over = threading.Event()

    def start(settings: SpawnerSettings) -> SpawnerLink:
        started.append(None)
        if len(started) > 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return SpawnerLink(settings, on_replies=lambda _: None, on_end=lambda *_: over.set())

    started: list[None] = []
    settings = SpawnerSettings(dict(os.environ), None, "/tmp", 100, keep_whole=False)
    crowd = Spawners(lambda: settings, start)
    links = {crowd.next() for _ in range(SECOND_AFTER + 10)}
    assert crowd.links == list(links)
    assert len(links) == 1
    assert len(started) == 2
    links.pop().close()
    assert over.is_set()
