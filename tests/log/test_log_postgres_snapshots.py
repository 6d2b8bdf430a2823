"""Snapshots in PostgreSQL, where somebody can write what they like, and where a role may not do everything."""

from __future__ import annotations

from threading import Thread

import pytest
from tests.log.test_log_snapshots import EARLY, FACTS, LATE, filled, keep
from tests.support.postgres_server import Admin, Postgres

from events.errors import StoreDamagedError
from events.log import EventLog, FactBatch
from events.log.audit import Audit
from events.log.dropped import Gone
from events.log.folding import folded
from events.log.postgres import PostgresRecorder
from events.log.postgres_tables import as_sql


@pytest.fixture
def log(postgres: PostgresRecorder) -> EventLog:
    return filled(EventLog(postgres))


@pytest.mark.parametrize(
    "change",
    [
        "position = 1",
        "at = -1",
        "hash = '\\x00'",
        "digest = repeat('a', 20000000)::bytea",
        "hash = repeat('a', 20000000)::bytea",
        "code = repeat('a', 20000000)",
        "body = repeat('a', 20000000)::bytea",
        "version = 9223372036854775807",
        "position = -9223372036854775808",
    ],
)
def test_no_value_in_a_row_does_harm(log: EventLog, admin: Admin, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.log.snapshots.STORED_BYTES_MAX", 10_000_000)
    admin.execute("".join(("UPDATE snapshots SET ", change, f" WHERE version = {LATE}")).encode())
    assert folded(log, "p").snapshot == EARLY
    [finding] = Audit(log).verify()
    assert finding.id == "p"
    assert "snapshot" in finding.problem


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE snapshots RENAME COLUMN body TO soul",
        "ALTER TABLE snapshots ADD COLUMN more TEXT",
        "CREATE RULE r AS ON INSERT TO snapshots DO ALSO DELETE FROM events",
        "DROP TABLE snapshots; CREATE VIEW snapshots AS SELECT * FROM parents",
    ],
)
def test_a_table_that_is_not_ours_is_not_used_and_named(
    log: EventLog, admin: Admin, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    for statement in change.split(";"):
        admin.execute(statement.encode())
    assert folded(log, "p").snapshot == 0
    assert any("its snapshots cannot be used" in each.getMessage() for each in caplog.records)
    for act in (lambda: keep(log, LATE), lambda: log.recorder.drop_snapshots("p")):
        with pytest.raises(StoreDamagedError, match="table snapshots is not the one"):
            act()
    findings = list(Audit(log).verify())
    assert {finding.id for finding in findings} == {None, "p", "q"}
    assert len(log.parents()) == 2


def test_snapshots_of_no_run_and_of_another_one_are_found(log: EventLog, admin: Admin) -> None:
    admin.execute("UPDATE snapshots SET parent = 77 WHERE version = %s", (EARLY,))
    [finding] = Audit(log).verify()
    assert (finding.id, finding.problem) == (None, "a snapshot belongs to no run (key 77)")
    admin.execute("UPDATE snapshots SET parent = 2 WHERE version = %s", (LATE,))
    assert folded(log, "q").snapshot == 0
    assert [finding.id for finding in Audit(log).verify()] == [None, "q"]


def test_a_role_that_may_make_no_tables_keeps_none_and_reads_what_it_may(
    postgres_server: Postgres, postgres: PostgresRecorder, postgres_url: str, admin: Admin
) -> None:
    schema, role = postgres_url.rpartition("=")[2], "snapless"
    admin.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        for line in as_sql(schema, role).splitlines():
            if line.startswith("GRANT"):
                admin.execute(line.encode())
        with PostgresRecorder(postgres_url.replace("//postgres@", f"//{role}@")) as recorder:
            log = filled(EventLog(recorder))
            assert folded(log, "p").snapshot == 0
            owner = EventLog(postgres)
            assert keep(owner, LATE)
            assert folded(owner, "p").snapshot == LATE
            assert folded(log, "p").snapshot == 0, "it may not even look"
            assert list(Audit(log).verify()) == []
            admin.execute(f"GRANT SELECT ON snapshots TO {role}".encode())
            assert folded(log, "p").snapshot == LATE
    finally:
        admin.execute(f"DROP OWNED BY {role}".encode())
        admin.execute(f"DROP ROLE {role}".encode())


def test_whoever_appends_does_not_wait_for_a_snapshot(
    log: EventLog, postgres: PostgresRecorder, postgres_url: str
) -> None:
    with PostgresRecorder(postgres_url) as other:
        keeping = Thread(target=keep, args=(EventLog(other), LATE))
        with postgres.tables().transaction():
            keeping.start()
            log.append([FactBatch("r", 0, FACTS[:2])])
            assert keeping.is_alive(), "it waits for whoever writes tables beside the events"
        keeping.join(30)
    assert folded(log, "p").snapshot == LATE


def test_a_run_that_is_dropped_leaves_no_snapshot_behind(log: EventLog, postgres: PostgresRecorder) -> None:
    head = log.head("p")
    assert head is not None
    assert postgres.drop([Gone("p", head, "[]")], 1, bytes(32))
    assert postgres.snapshots("p") == []
    assert not keep(log, LATE)
    assert [place for place in postgres.flaws() if "snapshot" in place.problem] == []
