"""Stores in PostgreSQL as files and back: imports, backups under load, restores; all of it or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import LiteralString

import pytest
from tests.log.test_log_export import FACTS, IN_PARTS, KEY, LARGE, with_payloads
from tests.log.test_log_snapshots import LATE, keep
from tests.log.test_log_snapshots import filled as with_snapshots
from tests.support.postgres_server import Postgres

from events.errors import AuditKeyError, StoreDamagedError, StoreError, StoreUnavailableError, UsageError
from events.log import EventLog, FactBatch, open_log, postgres_backup
from events.log.audit import Audit
from events.log.backups import back_up, restore
from events.log.dropped import Gone
from events.log.exporting import export
from events.log.folding import folded
from events.log.importing import import_export
from events.log.keyring import Keyring, WrappedKey
from events.log.postgres_connection import Connection
from events.payload_files import PayloadRef


def fill(log: EventLog) -> None:
    """Three runs written by turns, one whose payloads lie apart, and one that was dropped."""
    for version, fact in enumerate(FACTS):
        log.append([FactBatch(name, version, [fact]) for name in ("p", "q/\n:ü", "r")])
    log.append([FactBatch("large", 0, with_payloads(log, LARGE, IN_PARTS))])
    log.append([FactBatch("gone", 0, FACTS)])


@pytest.fixture
def url(postgres_url: str) -> str:
    with open_log(postgres_url) as log:
        fill(log)
        head = log.head("gone")
        assert head is not None
        first = log.last_position() - len(FACTS) + 1
        assert log.recorder.drop([Gone("gone", head, f"[[{first},{log.last_position()}]]")], 1, bytes(32))
    return postgres_url


@pytest.fixture
def another(postgres_server: Postgres) -> Iterator[str]:
    """The URL of one more store that is not there yet."""
    with postgres_server.schema() as made:
        yield made


def assert_same(one: EventLog, other: EventLog) -> None:
    """Hold two logs against each other, to the byte, and see that positions go on in both."""
    assert list(other.recorder.page(0, limit=10**6)) == list(one.recorder.page(0, limit=10**6))
    assert other.parents() == one.parents()
    assert list(other.recorder.all_dropped()) == list(one.recorder.all_dropped())
    assert other.last_position() == one.last_position()
    assert list(Audit(other).verify()) == []
    positions = [log.append([FactBatch("new", 0, FACTS)])[0].positions for log in (one, other)]  # type: ignore[union-attr]
    assert positions[0] == positions[1]
    assert list(Audit(other).verify()) == []


def test_an_export_of_a_file_is_imported_and_is_the_same_to_the_byte(path: Path, postgres_url: str) -> None:
    with open_log(path) as log:
        fill(log)
        (file := path.with_suffix(".jsonl")).write_bytes(b"".join(export(log, "0.1.0")))
        with open_log(postgres_url) as other:
            import_export(file, other)
            assert b"".join(export(other, "0.1.0")) == file.read_bytes()
            assert_same(log, other)
            with pytest.raises(UsageError, match="import into an empty store"):
                import_export(file, other)


def test_an_altered_export_leaves_nothing(path: Path, postgres_url: str) -> None:
    with open_log(path) as log:
        fill(log)
        lines = b"".join(export(log, "0.1.0")).splitlines(keepends=True)
    (file := path.with_suffix(".jsonl")).write_bytes(b"".join([*lines[:-3], *lines[-2:]]))
    with open_log(postgres_url) as other:
        with pytest.raises(StoreDamagedError):
            import_export(file, other)
        assert (other.last_position(), other.parents()) == (0, [])


def test_a_sealed_store_is_imported_into(path: Path, postgres_url: str) -> None:
    with open_log(path) as log:
        fill(log)
        (file := path.with_suffix(".jsonl")).write_bytes(b"".join(export(log, "0.1.0")))
    with open_log(postgres_url, audit_key=KEY) as other:
        import_export(file, other)
        other.append([FactBatch("new", 0, FACTS)])
        assert list(Audit(other, key=KEY).verify()) == []


def test_a_backup_is_the_store_and_so_is_what_is_restored(url: str, another: str, path: Path) -> None:
    with open_log(url) as log:
        done = back_up(log, path)
        assert (done.runs, done.position) == (4, log.last_position())
        with open_log(path) as copy:
            with open_log(another) as back:
                assert restore(copy, back) == done
            assert_same(log, copy)
        with open_log(another) as back:
            refs = [(child, ref) for child, ref in payloads(back)]
            assert [back.payload("large", child, "output", ref) for child, ref in refs] == [LARGE, IN_PARTS]
            assert list(Audit(back).verify()) == []
            (verdict,) = back.append([FactBatch("new", 0, FACTS)])
            assert verdict.positions[0] == done.position + 1  # type: ignore[union-attr]


def payloads(log: EventLog) -> Iterator[tuple[str, PayloadRef]]:
    for record in log.read("large"):
        ref = getattr(record.fact, "output_file", None)
        if ref is not None:
            yield record.fact.child_id, ref  # type: ignore[attr-defined]


def test_a_file_moves_to_postgresql_with_snapshots_seals_and_keys(path: Path, postgres_url: str) -> None:
    with open_log(path, audit_key=KEY) as log:
        with_snapshots(log)
        log.recorder.add_keys([WrappedKey("secret", "k", b"w" * 60)])
        with open_log(postgres_url) as other:
            restore(log, other, key=KEY)
            assert [*other.recorder.snapshots("p")] == [*log.recorder.snapshots("p")]
            assert folded(other, "p").snapshot == LATE
            assert other.recorder.key_of("secret") == log.recorder.key_of("secret")
            with pytest.raises(AuditKeyError):
                other.append([FactBatch("t", 0, FACTS)])
    with open_log(postgres_url, audit_key=KEY) as other:
        other.append([FactBatch("t", 0, FACTS)])
        assert keep(other, LATE)
        assert list(Audit(other, key=KEY).verify()) == []
        back_up(other, copy := path.with_name("copy.db"), key=KEY)
    with open_log(copy, audit_key=KEY) as again:
        again.append([FactBatch("u", 0, FACTS)])
        assert list(Audit(again, key=KEY).verify()) == []


def test_encrypted_runs_go_along(postgres_url: str, another: str, path: Path) -> None:
    keyring = Keyring({"k": bytes(range(32))})
    with open_log(postgres_url, keyring=keyring) as log:
        log.append([FactBatch("p", 0, FACTS)])
        back_up(log, path)
    with open_log(path) as copy, open_log(another, keyring=keyring) as back:
        restore(copy, back)
        assert [record.fact for record in back.read("p")] == list(FACTS)


def test_backups_under_load_are_sound(postgres_url: str, tmp_path: Path) -> None:
    enough, begun = Event(), Event()
    with open_log(postgres_url) as log, open_log(postgres_url) as other:

        def write() -> None:
            for number in count():
                other.append([FactBatch(f"run-{number}", 0, FACTS), FactBatch(f"also-{number}", 0, FACTS[:3])])
                begun.set()
                if enough.is_set():
                    return

        with ThreadPoolExecutor() as pool:
            writing = pool.submit(write)
            try:
                assert begun.wait(30)
                positions = [back_up(log, tmp_path / f"{number}.db").position for number in range(4)]
            finally:
                enough.set()
            writing.result(30)
    assert positions == sorted(positions)
    assert all(position % (len(FACTS) + 3) == 0 for position in positions), "no half transaction"


def test_a_backup_is_of_one_instant_and_nobody_who_appends_waits_for_it(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_table = postgres_backup._save_table

    def slowly(connection: Connection, file: sqlite3.Connection, table: LiteralString) -> None:
        save_table(connection, file, table)
        log.append([FactBatch(f"after {table}", 0, FACTS)])

    monkeypatch.setattr(postgres_backup, "_save_table", slowly)
    with open_log(url) as log:
        before = log.last_position()
        assert back_up(log, path).position == before
        assert log.last_position() > before
        back_up(log, path.with_name("later.db"))
    with open_log(path) as copy:
        assert [name for name, _ in copy.parents()] == ["p", "q/\n:ü", "r", "large"]


@pytest.mark.parametrize(
    "damage", ["UPDATE events SET data = '\\x00' WHERE position = 3", "DELETE FROM events WHERE position = 3"]
)
def test_a_damaged_store_gives_no_backup(url: str, postgres_server: Postgres, path: Path, damage: str) -> None:
    with postgres_server.admin() as admin:
        admin.execute(f'SET search_path = "{url.rpartition("=")[2]}"'.encode())
        admin.execute(damage.encode())
    with open_log(url) as log, pytest.raises(StoreDamagedError, match="was not made"):
        back_up(log, path)
    assert list(path.parent.glob(f"*{path.name}*")) == []


def test_nothing_is_restored_over_anything_or_from_what_is_damaged(url: str, another: str, path: Path) -> None:
    with open_log(path) as file:
        fill(file)
        with open_log(url) as log, pytest.raises(UsageError, match="restore into an empty store"):
            restore(file, log)
        with open_log(another) as log, open_log(url) as no_file, pytest.raises(UsageError, match="a backup is a file"):
            restore(no_file, log)
        with open_log("memory:") as memory:
            with pytest.raises(UsageError, match="nothing can be restored into a store of this kind"):
                restore(file, memory)
            with pytest.raises(UsageError, match="it is in memory"):
                back_up(memory, path.with_name("no.db"))
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE events SET hash = zeroblob(32) WHERE position = 5")
        with open_log(another) as log:
            with pytest.raises(StoreDamagedError, match="nothing was restored"):
                restore(file, log)
            assert (log.last_position(), log.parents()) == (0, [])


def test_a_restore_whose_connection_is_lost_leaves_nothing(another: str, path: Path, postgres_server: Postgres) -> None:
    with open_log(path) as file, open_log(another) as log, postgres_server.admin() as admin:
        fill(file)
        with postgres_server.admin() as holder:
            holder.execute("BEGIN")
            holder.execute(f'LOCK TABLE "{another.rpartition("=")[2]}".events'.encode())  # so that it stops half-way
            failures: list[StoreError] = []
            restoring = Thread(target=lambda: failures.append(failure_of(lambda: log.recorder.load(path))))
            restoring.start()
            ended: Sequence[object] = ()
            while not ended:
                ended = admin.execute(WAITING).fetchall()
            holder.execute("ROLLBACK")
        restoring.join(30)
        assert isinstance(failures[0], StoreUnavailableError)
        assert (log.last_position(), log.parents()) == (0, [])
        log.recorder.load(path)
        assert log.last_position() == file.last_position()


WAITING = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'orchestrator' AND wait_event_type = 'Lock'"""


def failure_of(act: Callable[[], object]) -> StoreError:
    with pytest.raises(StoreError) as caught:
        act()
    return caught.value
