"""How far the views are, asked while somebody is only just making them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from events.errors import StoreError
from events.log import open_log
from events.projections.builtin import BUILT_IN
from events.projections.checkpoints import Checkpoints
from events.projections.engine import ProjectionEngine


def test_views_that_are_made_while_somebody_looks_are_not_taken_for_damaged_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_log(tmp_path / "runs.db") as log, open_log(tmp_path / "runs.db") as another:
        tables = log.recorder.tables()
        read = tables.read
        missed = []

        def read_too_early(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            try:
                return read(statement, values)
            except StoreError as error:
                missed.append(error)
                ProjectionEngine(another, BUILT_IN).step()  # the tables are there as soon as it has been told so
                raise

        monkeypatch.setattr(tables, "read", read_too_early)
        found = Checkpoints(tables).all()
    assert len(missed) == 1
    assert {row.name for row in found} == {projection.name for projection in BUILT_IN}


def test_a_store_without_views_has_no_checkpoints(tmp_path: Path) -> None:
    with open_log(tmp_path / "runs.db") as log:
        assert Checkpoints(log.recorder.tables()).all() == []
