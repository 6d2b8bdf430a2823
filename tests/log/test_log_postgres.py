"""What a PostgreSQL store is beyond what every recorder promises: how it is made, who may do what, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import psycopg
import pytest
from tests.events.scenario import finish, give_up, parent, start, take
from tests.log.conftest import WaitUntil
from tests.support.postgres_server import Postgres

from events.errors import (
    NotAStoreError,
    StoreDamagedError,
    StoreNotFoundError,
    StoreUnavailableError,
    StoreVersionError,
    UsageError,
)
from events.log import Batch, Conflict, EventLog, FactBatch, Written, open_log
from events.log.audit import Audit
from events.log.postgres import PostgresRecorder
from events.log.postgres_tables import TABLES, as_sql

A, B = ("A", b"a"), ("B", b"b")
FACTS = parent("a", "b").given(take(), start("a"), start("b"), finish("a"), finish("b"), give_up()).facts
Admin = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def schema(postgres_url: str) -> str:
    return postgres_url.rpartition("=")[2]


@pytest.fixture
def admin(postgres_server: Postgres, schema: str) -> Iterator[Admin]:
    """A connection that may do anything, in the schema of the test's store."""
    with postgres_server.admin() as made:
        made.execute(f'SET search_path = "{schema}"'.encode())
        yield made


@pytest.fixture
def role(postgres_server: Postgres) -> Iterator[str]:
    """A role that may do nothing yet."""
    name = f"r{postgres_server.new_schema()}"
    with postgres_server.admin() as made:
        made.execute(f"CREATE ROLE {name} LOGIN".encode())
        yield name
        made.execute(f"DROP OWNED BY {name}".encode())
        made.execute(f"DROP ROLE {name}".encode())


@contextmanager
def setting(server: Postgres, name: str, value: str) -> Iterator[None]:
    """Run the server with another setting."""

    def reload(admin: Admin, wanted: str) -> None:
        admin.execute("SELECT pg_reload_conf()")
        deadline = monotonic() + 30
        while admin.execute(f"SHOW {name}".encode()).fetchall() != [(wanted,)]:
            assert monotonic() < deadline

    with server.admin() as admin:
        admin.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        reload(admin, value)
        try:
            yield
        finally:
            admin.execute(f"ALTER SYSTEM RESET {name}".encode())
            reload(admin, "on")


# Making and finding one


def test_a_store_is_made_where_there_is_none_unless_it_must_exist(postgres_url: str) -> None:
    with pytest.raises(StoreNotFoundError, match="there is no store"):
        open_log(postgres_url, must_exist=True)
    with open_log(postgres_url) as log:
        log.append([FactBatch("p", 0, FACTS)])
    with open_log(postgres_url, must_exist=True) as again:
        assert [recorded.fact for recorded in again.read("p")] == list(FACTS)


def test_many_who_make_one_at_once_make_one(postgres_url: str) -> None:
    def make(number: int) -> bool:
        with PostgresRecorder(postgres_url) as recorder:
            return isinstance(recorder.append([Batch(f"p{number}", 0, [A])])[0], Written)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(make, range(6)))
    with PostgresRecorder(postgres_url) as recorder:
        assert len(recorder.parents()) == 6
        assert list(recorder.flaws()) == []


def test_a_database_that_is_not_there(postgres_server: Postgres) -> None:
    with pytest.raises(StoreNotFoundError, match="there is no such database"):
        open_log(postgres_server.url(database="nowhere"))


def test_a_server_that_is_not_there_is_given_up_soon() -> None:
    started = monotonic()
    with pytest.raises(StoreUnavailableError, match="refused"):
        open_log("postgresql://u:secret@127.0.0.1:1/d")
    assert monotonic() - started < 8


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (("CREATE TABLE customers(id int)",), "another program's"),
        (("CREATE TABLE store(x int)",), "another program's"),
        ((TABLES["store"],), "another program's"),
        ((TABLES["store"], "INSERT INTO store VALUES ('x', 1)"), "another program's"),
        ((TABLES["store"], "INSERT INTO store VALUES ('parallel-orchestrator', 1)"), "its table parents is not"),
    ],
)
def test_another_programs_schema_is_left_alone(
    admin: Admin, postgres_url: str, schema: str, statements: tuple[str, ...], words: str
) -> None:
    admin.execute(f'CREATE SCHEMA "{schema}"'.encode())
    for statement in statements:
        admin.execute(statement.encode())
    tables = admin.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
    with pytest.raises(NotAStoreError, match=words):
        open_log(postgres_url)
    assert admin.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall() == tables


def test_a_newer_releases_store_is_left_to_it(postgres: PostgresRecorder, postgres_url: str, admin: Admin) -> None:
    admin.execute("UPDATE store SET format = 2")
    with pytest.raises(StoreVersionError, match="format 2"):
        open_log(postgres_url)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE events SET UNLOGGED",
        "ALTER TABLE events ENABLE ROW LEVEL SECURITY",
        "CREATE RULE lose AS ON INSERT TO events DO INSTEAD NOTHING",
        "ALTER TABLE events DROP CONSTRAINT events_parent_version_key",
        "ALTER TABLE events ALTER data TYPE text USING 'x'",
        "ALTER TABLE parents ADD extra int",
        "DROP TABLE payloads",
    ],
)
def test_a_store_whose_tables_were_meddled_with_is_refused(
    postgres: PostgresRecorder, postgres_url: str, admin: Admin, statement: str
) -> None:
    admin.execute(statement.encode())
    with pytest.raises(NotAStoreError, match="is not that of a store"):
        open_log(postgres_url)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_would_lose_events_is_refused_with_what_to_do(
    postgres_server: Postgres, postgres_url: str, name: str
) -> None:
    with setting(postgres_server, name, "off"), pytest.raises(StoreUnavailableError, match=f"set {name} = on"):
        open_log(postgres_url)


def test_commits_are_durable_whatever_a_role_has_set(postgres_server: Postgres, postgres_url: str, role: str) -> None:
    with postgres_server.admin() as admin:
        admin.execute(f"GRANT CREATE ON DATABASE postgres TO {role}".encode())
        admin.execute(f"ALTER ROLE {role} SET synchronous_commit = off".encode())
    with PostgresRecorder(postgres_url.replace("//postgres@", f"//{role}@")) as recorder:
        assert recorder._read("SHOW synchronous_commit", ()) == [("on",)]
        assert recorder._read("SHOW search_path", ()) == [(f'"{recorder.address.schema}", pg_temp',)]


def test_what_waits_for_no_disk_is_the_hint_alone(postgres: PostgresRecorder) -> None:
    for version in range(4):
        postgres.append([Batch("p", version, [A])])
        connection = postgres._writer._connection
        assert connection is not None
        assert connection.rows("SHOW synchronous_commit") == [("on",)]


def test_a_password_is_checked_and_never_shown(postgres_server: Postgres, postgres_url: str) -> None:
    with postgres_server.admin() as admin:
        admin.execute("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'right-one'")
    try:
        right = postgres_url.replace("//postgres@", "//guarded:right-one@")
        with PostgresRecorder(right) as recorder:
            assert "right-one" not in recorder.location
        with pytest.raises(StoreUnavailableError, match="password authentication failed") as caught:
            PostgresRecorder(right.replace("right", "wrong"), busy_timeout_seconds=2)
        assert "wrong-one" not in str(caught.value)
        code = "import sys; from events.log import open_log; open_log(sys.argv[1]).close()"
        command = [sys.executable, "-c", code, postgres_url.replace("//postgres@", "//guarded@")]
        done = subprocess.run(command, env={**os.environ, "PGPASSWORD": "right-one"}, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        with postgres_server.admin() as admin:
            admin.execute("DROP OWNED BY guarded CASCADE")
            admin.execute("DROP ROLE guarded")


HOSTILE = {
    "PGHOST": "/nowhere",
    "PGHOSTADDR": "127.0.0.2",
    "PGPORT": "1",
    "PGDATABASE": "nowhere",
    "PGUSER": "nobody",
    "PGOPTIONS": "-c search_path=hostile -c synchronous_commit=off -c default_transaction_read_only=on",
    "PGSSLMODE": "verify-full",
    "PGREQUIRESSL": "1",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCLIENTENCODING": "LATIN1",
    "PGCONNECT_TIMEOUT": "1",
    "PGAPPNAME": "hostile",
    "PGDATESTYLE": "German",
    "PGTZ": "Asia/Tokyo",
    "PGGSSENCMODE": "require",
    "PGREQUIREAUTH": "gss",
    "PGCHANNELBINDING": "require",
    "PGMAXPROTOCOLVERSION": "3.2",
    "PGSERVICE": "hostile",
}


def test_the_environment_cannot_move_the_store(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    services = tmp_path_factory.mktemp("services") / "services.conf"
    services.write_text("[hostile]\nhost=/nowhere\ndbname=nowhere\nuser=nobody\noptions=-c fsync=off\n")
    code = (
        "import sys\nfrom events.log import open_log\nfrom events.log.postgres import PostgresRecorder\n"
        "with PostgresRecorder(sys.argv[1]) as recorder:\n"
        "    print(recorder._read('SELECT current_user, current_database(), current_schema()', ()),"
        " recorder._read('SHOW synchronous_commit', ()), recorder._read('SHOW client_encoding', ()))"
    )
    environment = {**os.environ, **HOSTILE, "PGSERVICEFILE": str(services)}
    done = subprocess.run([sys.executable, "-c", code, postgres_url], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    schema = postgres_url.rpartition("=")[2]
    assert done.stdout == f"[('postgres', 'postgres', '{schema}')] [('on',)] [('UTF8',)]\n"


# Roles


def test_a_role_that_may_only_append(
    admin: Admin, postgres_server: Postgres, postgres_url: str, schema: str, role: str
) -> None:
    url = postgres_url.replace("//postgres@", f"//{role}@")
    with pytest.raises(StoreUnavailableError, match="may not make one"):
        open_log(url)
    admin.execute(as_sql(schema, role).encode())
    with open_log(url) as log:
        log.append([FactBatch("p", 0, FACTS[:2])])
        (verdict,) = log.append([FactBatch("p", 2, FACTS[2:])])
        assert isinstance(verdict, Written)
        ref = log.payloads.put("x" * 100)
        assert log.payloads.get(ref) == "x" * 100
        assert list(Audit(log).verify()) == []
    with psycopg.connect(host=str(postgres_server.folder), user=role, dbname="postgres", autocommit=True) as raw:
        for statement in (
            "UPDATE {}.events SET type = 'x'",
            "DELETE FROM {}.events",
            "TRUNCATE {}.events",
            "DELETE FROM {}.parents",
            "UPDATE {}.parents SET parent_id = 'x'",
            "DELETE FROM {}.payloads",
            "UPDATE {}.store SET format = 2",
            "DROP TABLE {}.events",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                raw.execute(statement.format(f'"{schema}"').encode())


def test_a_role_that_may_only_read_can_ask_and_not_write(
    postgres: PostgresRecorder, admin: Admin, postgres_url: str, schema: str, role: str
) -> None:
    postgres.append([Batch("p", 0, [A])])
    admin.execute(f'GRANT USAGE ON SCHEMA "{schema}" TO {role}'.encode())
    admin.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO {role}'.encode())
    with PostgresRecorder(postgres_url.replace("//postgres@", f"//{role}@"), must_exist=True) as reader:
        assert [row.type for row in reader.rows("p")] == ["A"]
        with pytest.raises(StoreUnavailableError, match="may not do that"):
            reader.append([Batch("p", 1, [B])])
    assert postgres.last_position() == 1


# Hearing of others


def test_others_are_heard_of_at_once_and_by_looking(
    postgres: PostgresRecorder, postgres_url: str, wait_until: WaitUntil
) -> None:
    heard: list[list[str]] = []
    postgres.on_change(lambda changed: heard.append(list(changed)))
    wait_until(lambda: heard)
    assert heard == [[]], "when it begins to listen, it looks what was missed"
    with PostgresRecorder(postgres_url) as other:
        other.append([Batch("p", 0, [A])])
        wait_until(lambda: heard[1:])
        assert heard[1:] == [["p"]]
        assert postgres.changed_elsewhere()
        assert not postgres.changed_elsewhere()
        postgres.append([Batch("p", 1, [A])])
        assert not postgres.changed_elsewhere()
        other.append([Batch("p", 2, [A])])
        postgres.append([Batch("p", 3, [A])])
        assert postgres.changed_elsewhere(), "what came before our own append is not hidden by it"
        assert not postgres.changed_elsewhere()


def test_whoever_listens_does_so_again_after_the_connection_was_lost(
    postgres: PostgresRecorder, postgres_url: str, admin: Admin, wait_until: WaitUntil
) -> None:
    heard: list[list[str]] = []
    postgres.on_change(lambda changed: heard.append(list(changed)))
    wait_until(lambda: heard)
    listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%' AND pid <> %s"
    assert admin.execute(listening, (0,)).fetchall()
    before = len(heard)
    wait_until(lambda: len(heard) > before)
    with PostgresRecorder(postgres_url) as other:
        before = len(heard)
        other.append([Batch("p", 0, [A])])
        wait_until(lambda: len(heard) > before)


# Damage


@pytest.fixture
def log(postgres: PostgresRecorder) -> EventLog:
    """A log of three parents that are written by turns."""
    made = EventLog(postgres)
    for version, fact in enumerate(FACTS):
        made.append([FactBatch(name, version, [fact]) for name in ("p", "q", "r")])
    return made


TAMPERED = {
    "a changed byte": "UPDATE events SET data = set_byte(data, 5, 65) WHERE position = 7",
    "a changed type": "UPDATE events SET type = 'ChildStarted' WHERE position = 7",
    "a changed hash": "UPDATE events SET hash = decode(repeat('00', 32), 'hex') WHERE position = 7",
    "a deleted row": "DELETE FROM events WHERE position = 7",
    "a cut tail": "DELETE FROM events WHERE position > (SELECT max(position) - 3 FROM events)",
    "a row of another parent": "UPDATE events SET parent = 2, version = 99 WHERE position = 7",
    "an added row": "INSERT INTO events SELECT 999, parent, 99, type, data, hash FROM events WHERE position = 7",
    "swapped rows": "UPDATE events SET version = 103 - version - 96 WHERE parent = 1 AND version IN (3, 4)",
    "a deleted head": "DELETE FROM parents WHERE parent_id = 'p'",
    "a changed head": "UPDATE parents SET version = version - 1 WHERE parent_id = 'p'",
    "a counter put back": "UPDATE store SET position = position - 3",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_altered_is_found(log: EventLog, admin: Admin, what: str) -> None:
    assert list(Audit(log).verify()) == []
    if what == "swapped rows":
        admin.execute("UPDATE events SET version = -3 WHERE parent = 1 AND version = 3")
        admin.execute("UPDATE events SET version = 3 WHERE parent = 1 AND version = 4")
        admin.execute("UPDATE events SET version = 4 WHERE parent = 1 AND version = -3")
    else:
        assert admin.execute(TAMPERED[what].encode()).rowcount > 0
    findings = list(Audit(log).verify())
    named = {finding.id for finding in findings}
    if what == "a cut tail":
        assert named == {None, "p", "q", "r"}
        return
    assert named <= ({None, "p", "q"} if what == "a row of another parent" else {None, "p"})
    assert "p" in named or what in ("a deleted head", "a counter put back")
    if what not in ("a deleted head", "a counter put back", "a changed type"):
        with pytest.raises(StoreDamagedError):
            list(log.read("p"))
    assert len(list(log.read("r"))) == len(FACTS), "the others go on"


def test_rows_that_no_head_knows_keep_only_their_own_parent_back(postgres: PostgresRecorder, admin: Admin) -> None:
    postgres.append([Batch("p", 0, [A]), Batch("q", 0, [A])])
    admin.execute("INSERT INTO events SELECT 99, parent, 2, type, data, hash FROM events WHERE position = 1")
    verdicts = postgres.append([Batch("p", 1, [A]), Batch("q", 1, [A]), Batch("r", 0, [A])])
    assert [type(verdict) for verdict in verdicts] == [Conflict, Written, Written]
    assert [row.position for row in postgres.rows("q")] == [1 + 1, 100]


def test_a_payload_that_was_altered_is_found_and_put_right(postgres: PostgresRecorder, admin: Admin) -> None:
    payloads = postgres.payloads()
    ref = payloads.put("é" * 1_500_000)
    assert admin.execute("SELECT count(*) FROM payloads").fetchall() == [(3,)]
    assert payloads.get(ref) == "é" * 1_500_000
    admin.execute("UPDATE payloads SET data = set_byte(data, 5, 65) WHERE part = 1")
    with pytest.raises(StoreDamagedError, match="is not what was written"):
        payloads.get(ref)
    assert payloads.put("é" * 1_500_000) == ref
    assert payloads.get(ref) == "é" * 1_500_000
    admin.execute("DELETE FROM payloads")
    with pytest.raises(StoreDamagedError, match="is missing"):
        payloads.get(ref)


def test_a_row_of_a_payload_that_was_blown_up_costs_no_memory(postgres: PostgresRecorder, admin: Admin) -> None:
    ref = postgres.payloads().put("x")
    admin.execute("UPDATE payloads SET data = decode(repeat('00', 50000000), 'hex')")
    with pytest.raises(StoreDamagedError, match="is not what was written"):
        postgres.payloads().get(ref)


def test_an_id_that_no_index_can_hold_is_refused(postgres: PostgresRecorder) -> None:
    name = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(4_000))
    with pytest.raises(UsageError, match="longer than PostgreSQL can keep"):
        postgres.append([Batch(name, 0, [A])])
    assert postgres.last_position() == 0


def test_positions_and_all_else_survive_dump_and_restore(
    log: EventLog, postgres: PostgresRecorder, postgres_server: Postgres, admin: Admin, schema: str
) -> None:
    before = postgres.page(0)
    tools, folder = postgres_server.binaries, str(postgres_server.folder)
    dump = subprocess.run(
        [tools / "pg_dump", "-h", folder, "-U", "postgres", "-n", schema, "postgres"], capture_output=True, text=True
    )
    assert (dump.returncode, dump.stderr) == (0, "")
    postgres.close()
    admin.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())
    restore = subprocess.run(
        [tools / "psql", "-h", folder, "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1", "postgres"],
        input=dump.stdout,
        capture_output=True,
        text=True,
    )
    assert (restore.returncode, restore.stderr) == (0, "")
    with PostgresRecorder(postgres_server.url(schema), must_exist=True) as restored:
        assert restored.page(0) == before
        assert list(Audit(EventLog(restored)).verify()) == []
        (verdict,) = restored.append([Batch("p", len(FACTS), [A])])
        assert isinstance(verdict, Written)
        assert verdict.positions.start == len(before) + 1
