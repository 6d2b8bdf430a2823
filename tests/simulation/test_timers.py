"""Simulated timers keep what real ones keep: none rings before its time."""

from __future__ import annotations

from random import Random

from actors.simulated import Scheduler
from tests.simulation.faults import Faults, FaultyMeddler

WAITS = 5_000
MICROSECOND = 1e-6


def test_a_timer_rings_when_its_time_has_come_by_the_clock_that_is_asked_then() -> None:
    scheduler, chance = Scheduler(0), Random(0)
    scheduler.meddler = FaultyMeddler(Faults(), chance)
    runtime = scheduler.runtime("p1")
    early = []
    for _ in range(WAITS):
        seconds = chance.randrange(1, 5_000_000) * MICROSECOND
        due_at = runtime.monotonic() + seconds

        def ring(due_at: float = due_at) -> None:
            if runtime.monotonic() < due_at:
                early.append(due_at)

        scheduler.call_later(seconds, ring, runtime)
        scheduler.step()
    assert not early
