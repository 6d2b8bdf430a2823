"""All scenarios, one file each, in the order in which they are played and shown."""

from __future__ import annotations

from typing import Final

from benchmarks.scenario import Scenario
from benchmarks.scenarios import (
    commands,
    control,
    coroutines,
    disk,
    fan_out,
    feeding,
    floor,
    imports,
    many_runs,
    million,
    pages,
    postgres,
    questions,
    race,
    reopening,
    replay,
    seals,
    simulator,
    single,
    views,
    waits,
)

_ALL: Final = (
    imports,
    floor,
    single,
    race,
    waits,
    coroutines,
    fan_out,
    many_runs,
    disk,
    views,
    commands,
    postgres,
    questions,
    control,
    seals,
    simulator,
    feeding,
    reopening,
    replay,
    pages,
    million,
)

SCENARIOS: Final[dict[str, Scenario]] = {module.SCENARIO.name: module.SCENARIO for module in _ALL}
