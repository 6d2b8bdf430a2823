"""eventsourcing's own contract suites, run on our recorders."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import AggregateRecorder, StoredEvent
from eventsourcing.tests import persistence as suites
from tests.support.postgres_server import Postgres

from events.log import MemoryRecorder, Recorder, SQLiteRecorder
from events.log.postgres import PostgresRecorder


class TextIds(suites.RecorderTestCase, ABC):
    """Our parents' ids are text."""

    postgres: Postgres

    @pytest.fixture(autouse=True)
    def _with_server(self, request: pytest.FixtureRequest) -> None:
        """These suites are of unittest's kind; a server is there for those that need one."""
        if "Postgres" in type(self).__name__:
            self.postgres = request.getfixturevalue("postgres_server")

    def new_originator_id(self) -> str:
        return str(uuid4())

    def make_sqlite(self) -> Recorder:
        folder = self.enterContext(TemporaryDirectory())
        return self.enterContext(SQLiteRecorder(Path(folder) / "store.db"))

    def make_postgres(self) -> Recorder:
        return self.enterContext(PostgresRecorder(self.postgres.url()))

    def make_memory(self) -> Recorder:
        return self.enterContext(MemoryRecorder())


class AsAggregateRecorder(AggregateRecorder):
    """An application recorder in the role of an aggregate recorder, which returns no positions."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        self.recorder.insert_events(stored_events, **kwargs)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        return self.recorder.select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)


class TestSQLiteAsApplicationRecorder(TextIds, suites.ApplicationRecorderTestCase[Recorder]):
    def create_recorder(self) -> Recorder:
        return self.make_sqlite()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestMemoryAsApplicationRecorder(TextIds, suites.ApplicationRecorderTestCase[Recorder]):
    def create_recorder(self) -> Recorder:
        return self.make_memory()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestSQLiteAsAggregateRecorder(TextIds, suites.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return AsAggregateRecorder(self.make_sqlite())


class TestMemoryAsAggregateRecorder(TextIds, suites.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return AsAggregateRecorder(self.make_memory())


class TestSQLiteDoesNotInterleave(TextIds, suites.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> Recorder:
        return self.make_sqlite()


class TestMemoryDoesNotInterleave(TextIds, suites.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> Recorder:
        return self.make_memory()


class TestPostgresAsApplicationRecorder(TextIds, suites.ApplicationRecorderTestCase[Recorder]):
    def create_recorder(self) -> Recorder:
        return self.make_postgres()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestPostgresAsAggregateRecorder(TextIds, suites.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return AsAggregateRecorder(self.make_postgres())


class TestPostgresDoesNotInterleave(TextIds, suites.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> Recorder:
        return self.make_postgres()
