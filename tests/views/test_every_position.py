"""Every view at every position is what the events up to there make of it, whatever becomes of the projector."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, note, settings

from events.facts import Fact
from events.log import open_log
from events.log.recent import Recent
from tests.events.histories import SEEDS
from tests.support.postgres_server import Postgres
from tests.views.crowd import crowds, live


@pytest.mark.parametrize("remembers", [False, True], ids=["read", "remembered"])
@pytest.mark.parametrize("kind", ["sqlite", "memory", "postgres"])
def test_a_view_at_any_position_is_the_fold_up_to_there(
    kind: str, remembers: bool, request: pytest.FixtureRequest
) -> None:
    """Random histories, random batches, and random stops, restarts and rebuilds of those who keep the views."""
    server: Postgres | None = request.getfixturevalue("postgres_server") if kind == "postgres" else None

    @settings(
        deadline=None,
        print_blob=True,
        max_examples=request.config.getoption("--view-histories") // (4 if server is None else 16) or 1,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories=crowds(), seed=SEEDS)
    def holds(histories: Sequence[Sequence[Fact]], seed: int) -> None:
        note(f"seed {seed}")
        with TemporaryDirectory() as folder, ExitStack() as opened:
            place: str | Path = Path(folder) / "runs.db" if kind == "sqlite" else "memory:"
            if server is not None:
                place = opened.enter_context(server.schema())
            log = opened.enter_context(open_log(place))
            log.recent = Recent() if remembers else None
            live(log, histories, Random(seed))

    holds()
