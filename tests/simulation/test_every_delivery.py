"""One quiet machine, crashed after every single delivery: each time the run goes on to the same end."""

from __future__ import annotations

from random import Random

import pytest

from actors.simulated import Scheduler
from events.commands import ChildSpec, CloseMembership, Command, CreateChildren, CreateParent, PrepareChildren
from events.strategy import ALL
from tests.simulation.disk import Disk
from tests.simulation.faults import Faults, FaultyMeddler
from tests.simulation.process import Process
from tests.simulation.watcher import Watcher


class Quiet:
    """A machine on which nothing goes wrong but what the test does."""

    def __init__(self, seed: int) -> None:
        self.scheduler = Scheduler(seed)
        self.meddler = self.scheduler.meddler = FaultyMeddler(Faults(), Random(seed))
        self.disk = Disk()
        self.watcher = Watcher(3, self.disk, lambda: self.scheduler.elapsed_us, lambda _: False, ())
        self.lives = 0
        self.process = self.boot()

    def boot(self) -> Process:
        self.lives += 1
        name = f"life-{self.lives}"
        self.process = Process(
            self.scheduler,
            self.disk,
            self.meddler,
            self.watcher,
            name=name,
            max_workers=3,
            owner_alive=lambda owner: owner == name,
        )
        return self.process

    def settled(self) -> bool:
        if self.watcher.violation is not None:
            raise self.watcher.violation
        return self.watcher.settled("a")


def creation(children: int) -> tuple[Command, ...]:
    specs = tuple(ChildSpec(child_id=f"c{index}", task="simulated", input="{}") for index in range(children))
    create = CreateParent(at=0, strategy=ALL, max_workers=2, on_decided="cancel", content="simulated")
    return (create, PrepareChildren(at=0, children=specs), CreateChildren(at=0), CloseMembership(at=0))


@pytest.mark.parametrize("seed", range(3))
def test_a_crash_after_any_delivery_loses_nothing_and_finished_children_stay_finished(seed: int) -> None:
    steps = 0
    while True:
        quiet = Quiet(seed)
        quiet.process.claim("a", creation(4))
        for _ in range(steps):
            quiet.scheduler.step()
        done = quiet.settled()
        finished = set(quiet.watcher.finished)
        quiet.process.crash()
        quiet.boot().claim("a", creation(4))
        quiet.scheduler.run_until(quiet.settled, steps_max=5_000)
        assert finished <= quiet.watcher.finished, f"crash after step {steps}"
        assert [outcome for _, _, outcome, _ in quiet.watcher.finished] == ["succeeded"] * 4
        if done:
            return
        steps += 1


def test_a_paused_process_does_nothing_and_goes_on() -> None:
    quiet = Quiet(1)
    quiet.process.claim("a", creation(4))
    for _ in range(30):
        quiet.scheduler.step()
    version = quiet.watcher.version("a")
    quiet.process.runtime.pause()
    for _ in range(200):
        quiet.scheduler.step()
    assert quiet.watcher.version("a") == version
    quiet.process.runtime.resume()
    quiet.scheduler.run_until(quiet.settled, steps_max=5_000)
