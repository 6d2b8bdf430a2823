"""All the bugs that are planted, by name."""

from __future__ import annotations

from typing import Final

from tests.simulation.planted import FIRST
from tests.simulation.planted_lives import LIVES
from tests.simulation.planted_snapshots import SNAPSHOTS
from tests.simulation.planted_throttles import THROTTLES
from tests.simulation.planted_views import VIEWS

BUGS: Final = {**FIRST, **LIVES, **THROTTLES, **VIEWS, **SNAPSHOTS}
