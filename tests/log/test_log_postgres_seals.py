"""Seals in PostgreSQL: with a key, whatever is done to the tables by hand is found, hashes made anew included."""

from __future__ import annotations

from typing import LiteralString

import pytest
from tests.log.test_log_seals import COUNT, FACTS, KEY, OTHER, found, seal_runs
from tests.support.postgres_server import Admin, Postgres

from events.errors import AuditKeyError, StoreDamagedError, StoreUnavailableError, UsageError
from events.log import FactBatch, Written, open_log
from events.log.chain import START, link
from events.log.dropped import Gone
from events.log.postgres_tables import as_sql


@pytest.fixture
def sealed(postgres_url: str) -> str:
    seal_runs(postgres_url)
    return postgres_url


def rehash(admin: Admin) -> None:
    """Do what whoever forges a store would do: make all hashes, heads and the counter anew."""
    for key, name in admin.execute("SELECT parent, parent_id FROM parents").fetchall():
        digest, version = START, 0
        rows = "SELECT position, type, data FROM events WHERE parent = %s ORDER BY version"
        for version, (position, kind, data) in enumerate(admin.execute(rows, (key,)).fetchall(), 1):
            digest = link(digest, str(name), version, str(kind), bytes(data))  # type: ignore[call-overload]
            admin.execute("UPDATE events SET version = -%s, hash = %s WHERE position = %s", (version, digest, position))
        admin.execute("UPDATE events SET version = -version WHERE parent = %s", (key,))
        head = (version, version, digest, key)
        admin.execute("UPDATE parents SET count = %s, version = %s, hash = %s WHERE parent = %s", head)
    admin.execute("UPDATE store SET position = (SELECT max(position) FROM events)")


def close_gaps(admin: Admin) -> None:
    """Give all events positions without a gap, as they were never covered by a hash."""
    old = [number for (number,) in admin.execute("SELECT position FROM events ORDER BY position").fetchall()]
    for new, number in enumerate(old, 1):
        admin.execute("UPDATE events SET position = %s WHERE position = %s", (new, number))


def test_a_sealed_store_is_sound_with_and_without_its_key(sealed: str) -> None:
    assert found(sealed) == []
    assert found(sealed, None) == []
    with open_log(sealed, audit_key=KEY) as log:
        assert len(list(log.read("q"))) == COUNT
        assert log.head("z") is None


def test_another_key_is_told_from_damage(sealed: str) -> None:
    with pytest.raises(AuditKeyError, match=f"fingerprint {KEY.fingerprint.hex()}"):
        found(sealed, OTHER)
    with pytest.raises(AuditKeyError, match="another audit key"):
        open_log(sealed, audit_key=OTHER)


def test_nothing_is_written_to_a_sealed_store_without_its_key(sealed: str) -> None:
    with open_log(sealed) as log:
        with pytest.raises(AuditKeyError, match="it is sealed"):
            log.append([FactBatch("t", 0, FACTS)])
        with pytest.raises(AuditKeyError, match="--key-file"):
            log.decide("s", COUNT, lambda _: FACTS[:1], missed_max=1)
        with pytest.raises(AuditKeyError, match="it is sealed"):
            log.recorder.fill(iter(()))
        assert len(list(log.read("s"))) == COUNT
    assert found(sealed) == []


def test_a_store_with_events_is_sealed_on_request_alone(postgres_url: str) -> None:
    with open_log(postgres_url) as log:
        log.append([FactBatch("p", 0, FACTS)])
    (finding,) = found(postgres_url)
    assert finding[0] is None
    assert "it has no seals" in finding[3]
    with pytest.raises(AuditKeyError, match="it has no seals"):
        open_log(postgres_url, audit_key=KEY)
    open_log(postgres_url, audit_key=KEY, seal_anew=True).close()
    assert found(postgres_url) == []
    open_log(postgres_url, audit_key=OTHER, seal_anew=True).close()
    assert found(postgres_url, OTHER) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET data = '\\x00' WHERE position = 3", "DELETE FROM events WHERE position = 3"]
)
def test_a_damaged_store_is_not_sealed(postgres_url: str, admin: Admin, statement: str) -> None:
    with open_log(postgres_url) as log:
        log.append([FactBatch("p", 0, FACTS)])
    admin.execute(statement.encode())
    with pytest.raises(StoreDamagedError):
        open_log(postgres_url, audit_key=KEY, seal_anew=True)
    assert admin.execute("SELECT to_regclass('store_seal')").fetchone() == (None,)


PUT = (
    "UPDATE events SET data = convert_to(replace(convert_from(data, 'UTF8'), '{}', '{}'), 'UTF8')"
    " WHERE parent = 2 AND {}"
)
REMOVE = ["DELETE FROM events WHERE parent = 4", "DELETE FROM parents WHERE parent = 4"]
ADD = (
    "INSERT INTO events(position, parent, version, type, data, hash) SELECT position + 14, {}, {}, type,"
    " convert_to(replace(convert_from(data, 'UTF8'), '\"epoch\":1', '{}'), 'UTF8'), hash"
    " FROM events WHERE parent = 4{}"
)
FORGED: dict[str, tuple[list[str], str | None, int | None, str]] = {
    "a changed byte in a payload": (
        [PUT.format("me", "us", "type = 'OwnershipTaken'")],
        *("q", COUNT, "its seal does not fit"),
    ),
    "a changed time": ([PUT.format("17000", "18000", "version > 0")], "q", COUNT, "its seal does not fit"),
    "a changed type": (["UPDATE events SET type = 'Resumed' WHERE position = 14"], "q", None, ""),
    "a cut tail": (["DELETE FROM events WHERE parent = 4 AND version = 14"], "s", COUNT, "the last ones were cut off"),
    "an added row": (
        [ADD.format("4", "15", '"epoch":2', " AND type = 'OwnershipTaken'")],
        *("s", COUNT + 1, "nothing from here on is"),
    ),
    "a removed run": (
        ["DELETE FROM seals WHERE parent = 4", *REMOVE],
        *(None, None, "4 runs with 56 events up to position 56, there are seals of 3 runs with 42 events up to"),
    ),
    "a run that was removed without its seal": (REMOVE, None, None, "1 run that was sealed is gone"),
    "a run that was added": (
        ["INSERT INTO parents VALUES (5, 'new', 0, 0, '')", ADD.format("5", "version", '"epoch":1', "")],
        *("new", 1, "it has no seal"),
    ),
    "a run of another name": (["UPDATE parents SET parent_id = 'x' WHERE parent = 2"], "x", COUNT, "does not fit"),
    "a row moved to another run": (
        ["UPDATE events SET parent = 4, version = 15 WHERE parent = 1 AND version = 14"],
        *("p", COUNT, "cut off"),
    ),
    "two rows of different runs in each other's place": (
        [
            "UPDATE events SET position = -8 WHERE position = 7",
            "UPDATE events SET position = 7 WHERE position = 8",
            "UPDATE events SET position = 8 WHERE position = -8",
        ],
        *("p", COUNT, "moved to other positions"),
    ),
    "a seal that was removed": (["DELETE FROM seals WHERE parent = 3"], "r", 1, "it has no seal"),
    "all seals removed": (["DROP TABLE store_seal", "DROP TABLE seals"], None, None, "it has no seals"),
    "the seal of the store removed": (["DELETE FROM store_seal"], None, None, "does not fit"),
    "numbers of a seal": (["UPDATE seals SET count = -1 WHERE parent = 3"], "r", COUNT, "does not fit"),
    "numbers of the store": (["UPDATE store_seal SET runs = 3"], None, None, "does not fit"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forger_without_the_key_is_found(sealed: str, admin: Admin, name: str) -> None:
    statements, run_id, version, problem = FORGED[name]
    for statement in statements:
        admin.execute(statement.encode())
    rehash(admin)
    if "moved" not in name and "place" not in name:
        close_gaps(admin)
        rehash(admin)
    findings = found(sealed)
    assert any(one[0] == run_id and version in (None, one[1]) and problem in one[3] for one in findings), findings


PUT_BACK: tuple[LiteralString, ...] = (
    "DELETE FROM seals WHERE parent = 2",
    "DELETE FROM parents WHERE parent = 2",
    "INSERT INTO seals SELECT * FROM old_seals WHERE parent = 2",
    "INSERT INTO parents SELECT * FROM old_parents WHERE parent = 2",
    "DROP TABLE old_seals",
    "DROP TABLE old_parents",
)


def test_an_older_state_of_one_run_is_found(postgres_url: str, admin: Admin) -> None:
    """Whoever keeps rows, head and seal of a run, and puts them back later, has all that fits but the sum."""
    with open_log(postgres_url, audit_key=KEY) as log:
        log.append([FactBatch("p", 0, FACTS), FactBatch("q", 0, FACTS[:6])])
        for table in ("seals", "parents"):
            admin.execute(f"CREATE TABLE old_{table} AS TABLE {table}".encode())
        log.append([FactBatch("q", 6, FACTS[6:])])
    admin.execute("DELETE FROM events WHERE parent = 2 AND version > 6")
    for statement in PUT_BACK:
        admin.execute(statement)
    admin.execute("UPDATE store SET position = (SELECT max(position) FROM events)")
    (finding,) = found(postgres_url)
    assert finding[0] is None
    assert "sealed with 2 runs with 28 events up to position 28" in finding[3]


def test_a_writer_with_the_key_never_seals_what_somebody_else_wrote(sealed: str, admin: Admin) -> None:
    admin.execute(PUT.format("me", "us", "type = 'OwnershipTaken'").encode())
    rehash(admin)
    with open_log(sealed, audit_key=KEY) as log:
        verdicts = log.append([FactBatch("q", COUNT, FACTS[5:6]), FactBatch("t", 0, FACTS)])
        assert [isinstance(verdict, Written) for verdict in verdicts] == [False, True]
        with pytest.raises(StoreDamagedError, match=r"run 'q': its seal does not fit"):
            list(log.read("q"))
        assert len(list(log.read("p"))) == COUNT
    assert [one[0] for one in found(sealed)] == ["q"]


def test_a_writer_with_the_key_stops_where_the_seal_of_the_store_was_altered(sealed: str, admin: Admin) -> None:
    with open_log(sealed, audit_key=KEY) as log:
        admin.execute("UPDATE store_seal SET events = events - 1")
        with pytest.raises(StoreDamagedError, match="the seal of the store does not fit"):
            log.append([FactBatch("t", 0, FACTS)])
        for statement in ("DELETE FROM store_seal", "DROP TABLE store_seal"):
            admin.execute(statement.encode())
            with pytest.raises(StoreDamagedError, match="was removed"):
                log.append([FactBatch("t", 0, FACTS)])


def test_many_runs_in_one_append_and_many_batches_of_one_run(postgres_url: str) -> None:
    names = [f"p{number}" for number in range(150)]
    with open_log(postgres_url, audit_key=KEY) as log:
        log.append([FactBatch(name, 0, FACTS[:3]) for name in names])
        log.append([FactBatch(name, at, FACTS[at:upto]) for name in names for at, upto in ((3, 5), (5, COUNT))])
        log.append([FactBatch(name, 0, FACTS[:1]) for name in names])
    assert found(postgres_url) == []


def test_writers_with_the_key_by_turns_and_after_the_server_ended_their_connections(
    postgres_url: str, admin: Admin
) -> None:
    with open_log(postgres_url, audit_key=KEY) as one, open_log(postgres_url, audit_key=KEY) as other:
        for version, fact in enumerate(FACTS):
            one.append([FactBatch("p", version, [fact])])
            other.append([FactBatch("q", version, [fact])])
            if version % 5 == 0:
                ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                admin.execute(f"{ours} AND application_name = 'orchestrator'".encode())
        decided = one.decide("r", 0, lambda _: FACTS, missed_max=1)
        assert decided is not None
    assert found(postgres_url) == []


def test_nothing_of_a_sealed_store_is_dropped(sealed: str) -> None:
    with open_log(sealed, audit_key=KEY) as log:
        head = log.head("s")
        assert head is not None
        with pytest.raises(UsageError, match="nothing can be dropped"):
            log.recorder.drop([Gone("s", head, "[]")], 1, bytes(32))


def test_a_role_that_may_only_append_needs_the_tables_made_and_granted(
    postgres_server: Postgres, postgres_url: str, admin: Admin
) -> None:
    schema, role = postgres_url.rpartition("=")[2], "sealer"
    url = postgres_url.replace("//postgres@", f"//{role}@")
    admin.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        admin.execute(as_sql(schema, role).encode())
        with pytest.raises(StoreUnavailableError, match="may not do that"):
            open_log(url, audit_key=KEY)
        open_log(postgres_url, audit_key=KEY).close()
        admin.execute(f"GRANT SELECT, INSERT, UPDATE ON seals, store_seal TO {role}".encode())
        with open_log(url, audit_key=KEY) as log:
            log.append([FactBatch("p", 0, FACTS)])
        assert found(url) == []
        with open_log(url) as log, pytest.raises(AuditKeyError, match="it is sealed"):
            log.append([FactBatch("q", 0, FACTS)])
    finally:
        admin.execute(f"DROP OWNED BY {role}".encode())
        admin.execute(f"DROP ROLE {role}".encode())
