"""A PostgreSQL store whose server, connections or network go away: nothing is lost, and no call hangs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

import psycopg
import pytest
from tests.support.loopback import Loopback
from tests.support.postgres_server import Postgres

from events.errors import StoreBusyError, StoreError, StoreUnavailableError
from events.log import Batch, Conflict, Written
from events.log.postgres import PostgresRecorder
from events.log.postgres_append import LOCK
from events.log.recorder import Source

A, B = ("A", b"a"), ("B", b"b")
SECONDS = 6.0
"""What a call has in these tests."""
SLACK = 1.5
"""How much a loaded machine may add."""


@pytest.fixture
def loopback(postgres_server: Postgres) -> Iterator[Loopback]:
    made = Loopback(postgres_server.socket)
    yield made
    made.close()


@pytest.fixture
def schema(postgres_server: Postgres, postgres_url: str) -> str:
    return postgres_url.rpartition("=")[2]


@pytest.fixture
def far(loopback: Loopback, schema: str) -> Iterator[PostgresRecorder]:
    """A recorder that reaches its server through the loopback."""
    url = f"postgresql://postgres@127.0.0.1:{loopback.port}/postgres?schema={schema}"
    with PostgresRecorder(url, busy_timeout_seconds=SECONDS) as made:
        yield made


@contextmanager
def ends_in_time(seconds: float = SECONDS) -> Iterator[None]:
    started = monotonic()
    yield
    assert monotonic() - started < seconds + SLACK


def terminate(server: Postgres, *, but: int = 0) -> int:
    """Terminate all connections of the tests' stores; return how many."""
    with server.admin() as admin:
        return len(
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'orchestrator' AND pid <> %s",
                (but,),
            ).fetchall()
        )


def of_commit(data: bytes) -> bool:
    """Whether the answer to a COMMIT is in what the server sends."""
    return b"COMMIT\0" in data


# A commit whose answer does not come


@pytest.mark.parametrize("how", ["cut", "swallow"])
def test_a_commit_whose_answer_is_lost_is_found_to_be_kept(far: PostgresRecorder, loopback: Loopback, how: str) -> None:
    far.append([Batch("p", 0, [A])])
    lost = Event()

    def judge(side: bytes, data: bytes) -> str:
        if side == b"server" and of_commit(data) and not lost.is_set():
            lost.set()
            return how
        return "pass"

    loopback.judge = judge
    with ends_in_time():
        (verdict,) = far.append([Batch("p", 1, [A, B])])
    assert lost.is_set()
    assert isinstance(verdict, Written)
    assert verdict.positions == range(2, 4)
    assert far.head("p") == verdict.head
    assert not far.changed_elsewhere()
    assert list(far.flaws()) == []


@pytest.mark.parametrize("how", ["cut", "swallow"])
def test_a_commit_that_never_arrived_is_done_again(far: PostgresRecorder, loopback: Loopback, how: str) -> None:
    far.append([Batch("p", 0, [A])])
    lost = Event()

    def judge(side: bytes, data: bytes) -> str:
        if side == b"client" and b"COMMIT\0" in data and not lost.is_set():
            lost.set()
            return how
        return "pass"

    loopback.judge = judge
    with ends_in_time():
        (verdict,) = far.append([Batch("p", 1, [A, B])])
    assert lost.is_set()
    assert isinstance(verdict, Written)
    assert [row.version for row in far.rows("p")] == [1, 2, 3]
    assert [row.position for row in far.page(0)] == [1, 2, 3]


def test_what_was_decided_after_a_look_is_settled_in_the_same_way(far: PostgresRecorder, loopback: Loopback) -> None:
    far.append([Batch("p", 0, [A])])
    lost = Event()

    def judge(side: bytes, data: bytes) -> str:
        if of_commit(data) and side == b"server" and not lost.is_set():
            lost.set()
            return "cut"
        return "pass"

    loopback.judge = judge
    seen: list[int] = []

    def decide(source: Source) -> Batch:
        seen.append(version_in(source))
        return Batch("p", seen[-1], [B])

    verdict = far.append_after_look(decide)
    assert lost.is_set()
    assert isinstance(verdict, Written)
    assert (verdict.head.version, seen) == (2, [1])


def version_in(source: Source) -> int:
    head = source.head("p")
    return 0 if head is None else head.version


def test_whoever_cannot_find_out_says_so_in_time_and_nobody_meets_a_conflict_of_their_own(
    far: PostgresRecorder, loopback: Loopback, postgres_url: str
) -> None:
    far.append([Batch("p", 0, [A])])

    def judge(side: bytes, data: bytes) -> str:
        if side == b"server" and of_commit(data):
            loopback.partition()
            return "swallow"
        return "pass"

    loopback.judge = judge
    with ends_in_time(), pytest.raises(StoreUnavailableError, match="could not be found out"):
        far.append([Batch("p", 1, [B])])
    loopback.heal()
    with ends_in_time():
        head = far.head("p")
    assert head is not None
    assert head.version == 2, "the answer was swallowed, not the commit"
    (verdict,) = far.append([Batch("p", 2, [A])])
    assert isinstance(verdict, Written)


# A silent partition


def test_no_call_outlasts_its_deadline_in_a_silent_partition(far: PostgresRecorder, loopback: Loopback) -> None:
    far.append([Batch("p", 0, [A])])
    loopback.partition()
    calls = [
        lambda: far.append([Batch("p", 1, [A])]),
        lambda: far.append_after_look(lambda source: Batch("p", 1, [A])),
        lambda: far.head("p"),
        lambda: far.page(0),
        far.last_position,
        lambda: far.changed_parents(0),
        lambda: far.payloads().put("x" * 3_000_000),
    ]
    with ThreadPoolExecutor(len(calls)) as pool:
        started = monotonic()
        for done in [pool.submit(call) for call in calls]:
            with pytest.raises(StoreError):
                done.result(timeout=SECONDS * 2)
        assert monotonic() - started < SECONDS + SLACK
    loopback.heal()
    with ends_in_time():
        (verdict,) = far.append([Batch("p", 1, [B])])
    assert isinstance(verdict, Written)
    assert [row.type for row in far.rows("p")] == ["A", "B"]


def test_a_partition_that_ends_is_got_over_without_a_word(far: PostgresRecorder, loopback: Loopback) -> None:
    far.append([Batch("p", 0, [A])])
    swallowed = Event()

    def judge(side: bytes, data: bytes) -> str:
        swallowed.set()
        return "swallow"

    loopback.judge = judge
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(far.head, "p")
        assert swallowed.wait(SECONDS)
        loopback.heal()
        loopback.cut()
        head = reading.result(timeout=SECONDS * 2)
    assert head is not None
    assert head.version == 1


def test_a_subscription_goes_on_after_a_partition(far: PostgresRecorder, loopback: Loopback, postgres_url: str) -> None:
    with PostgresRecorder(postgres_url) as near, far.subscribe() as subscription:
        near.append([Batch("p", 0, [A])])
        assert next(subscription).id == 1
        loopback.partition()
        near.append([Batch("p", 1, [B])])
        loopback.heal()
        loopback.cut()
        assert next(subscription).id == 2


def test_a_network_without_encryption_is_refused_where_it_was_asked_for(loopback: Loopback, schema: str) -> None:
    url = f"postgresql://postgres@127.0.0.1:{loopback.port}/postgres?schema={schema}&sslmode=require"
    with pytest.raises(StoreUnavailableError, match="does not support SSL"):
        PostgresRecorder(url, busy_timeout_seconds=3)


# Terminated backends, and a server that is stopped at once


class Load:
    """Writers that append to streams of their own and to a shared one, and remember what they were told."""

    def __init__(self, recorder: PostgresRecorder, count: int) -> None:
        self.recorder = recorder
        self.conflicts: list[str] = []
        self.errors: list[StoreError] = []
        self.written: dict[str, int] = {}
        self.longest = 0.0
        self._over = Event()
        self._threads = [Thread(target=self._write, args=(f"own{number}",)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _write(self, name: str) -> None:
        version = 0
        while not self._over.is_set():
            started = monotonic()
            try:
                (verdict,) = self.recorder.append([Batch(name, version, [A, B])])
            except StoreError as error:
                self.errors.append(error)
                head = self.recorder.head(name)
                version = 0 if head is None else head.version
                continue
            finally:
                self.longest = max(self.longest, monotonic() - started)
            if isinstance(verdict, Conflict):
                self.conflicts.append(name)
                return
            version = self.written[name] = verdict.head.version

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def check(self, seconds: float) -> None:
        assert self.conflicts == []
        assert self.longest < seconds + SLACK
        for name, version in self.written.items():
            assert [row.version for row in self.recorder.rows(name)][:version] == list(range(1, version + 1))
        assert [row.position for row in self.recorder.page(0, limit=10**9)] == list(
            range(1, self.recorder.last_position() + 1)
        )
        assert list(self.recorder.flaws()) == []


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fault-rounds"))


def test_all_backends_terminated_every_so_often_under_load(
    postgres_server: Postgres, postgres_url: str, rounds: int
) -> None:
    with PostgresRecorder(postgres_url, busy_timeout_seconds=SECONDS) as recorder:
        load = Load(recorder, 4)
        killed, pause = 0, Event()
        for _ in range(10 * rounds):
            pause.wait(0.4)
            killed += terminate(postgres_server)
        load.stop()
        assert killed > 10 * rounds
        assert load.errors == []
        load.check(SECONDS)


def test_a_server_that_is_stopped_at_once_and_started_again(
    postgres_server: Postgres, postgres_url: str, rounds: int
) -> None:
    with PostgresRecorder(postgres_url, busy_timeout_seconds=20.0) as recorder:
        load = Load(recorder, 4)
        for _ in range(2 * rounds):
            before = recorder.last_position()
            while recorder.last_position() < before + 20:
                pass
            postgres_server.crash()
            postgres_server.start()
        before = recorder.last_position()
        while recorder.last_position() < before + 20:
            pass
        load.stop()
        assert load.errors == []
        load.check(20.0)


# Locks, limits, and what the server refuses


def test_a_lock_that_somebody_holds_is_waited_for_until_the_deadline(
    postgres: PostgresRecorder, postgres_server: Postgres, postgres_url: str
) -> None:
    with postgres_server.admin() as other, PostgresRecorder(postgres_url, busy_timeout_seconds=2.0) as hasty:
        other.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK, postgres.address.key))
        with ends_in_time(2.0), pytest.raises(StoreBusyError, match="another program holds its lock"):
            hasty.append([Batch("p", 0, [A])])
        assert postgres.last_position() == 0, "whoever reads waits for nobody"
    (verdict,) = postgres.append([Batch("p", 0, [A])])
    assert isinstance(verdict, Written)


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_only_chance_prevented_is_done_again(
    postgres: PostgresRecorder, postgres_server: Postgres, schema: str, code: str
) -> None:
    """A trigger, put there after the store was opened, gives up the first two transactions."""
    with postgres_server.admin() as admin:
        admin.execute(f'SET search_path = "{schema}"'.encode())
        admin.execute("CREATE SEQUENCE tries")
        admin.execute(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries') < 3 THEN"
            f" RAISE EXCEPTION 'made by a test' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$".encode()
        )
        admin.execute("CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()")
        (verdict,) = postgres.append([Batch("p", 0, [A])])
        assert isinstance(verdict, Written)
        assert verdict.positions == range(1, 2), "a transaction that is given up takes no position"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", "StoreFullError", "disk or a quota is full"),
        ("53400", "StoreFullError", "a limit of the server"),
        ("58030", "StoreUnavailableError", "disk reports an error"),
        ("XX001", "StoreDamagedError", "finds its data damaged"),
        ("42501", "StoreUnavailableError", "may not do that"),
        ("57014", "StoreBusyError", "longer than the call"),
    ],
)
def test_what_the_server_refuses_leaves_nothing_and_the_next_append_works(
    postgres: PostgresRecorder, postgres_server: Postgres, schema: str, code: str, kind: str, words: str
) -> None:
    with postgres_server.admin() as admin:
        admin.execute(f'SET search_path = "{schema}"'.encode())
        admin.execute(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION 'made by a test' USING ERRCODE = '{code}'; END $$".encode()
        )
        admin.execute("CREATE TRIGGER refuse BEFORE INSERT ON parents FOR EACH ROW EXECUTE FUNCTION refuse()")
        with pytest.raises(StoreError, match=words) as caught:
            postgres.append([Batch("p", 0, [A])])
        assert type(caught.value).__name__ == kind
        assert postgres.location in str(caught.value)
        assert (postgres.last_position(), postgres.parents()) == (0, [])
        admin.execute("DROP TRIGGER refuse ON parents")
    (verdict,) = postgres.append([Batch("p", 0, [A])])
    assert isinstance(verdict, Written)
    assert verdict.positions == range(1, 2)


def test_a_server_without_a_free_connection_is_waited_for(
    postgres: PostgresRecorder, postgres_server: Postgres
) -> None:
    postgres.append([Batch("p", 0, [A])])
    held: list[psycopg.Connection[tuple[object, ...]]] = []
    with postgres_server.admin() as admin:
        admin.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 1")
        try:
            held.append(psycopg.connect(host=str(postgres_server.folder), user="narrow", dbname="postgres"))
            url = postgres_server.url(postgres.address.schema, user="narrow")
            with ends_in_time(4.0), pytest.raises(StoreUnavailableError, match="too many connections"):
                PostgresRecorder(url, busy_timeout_seconds=4.0)
        finally:
            for each in held:
                each.close()
            admin.execute("DROP ROLE narrow")


def test_tables_are_read_again_after_their_connection_was_lost(
    postgres: PostgresRecorder, postgres_server: Postgres
) -> None:
    tables = postgres.tables()
    for _ in range(3):
        with tables.snapshot() as session:
            assert session.query("SELECT 1") == [(1,)]
        with tables.snapshot() as session, tables.snapshot() as another:
            assert (session.query("SELECT 2"), another.query("SELECT 3")) == ([(2,)], [(3,)])
        assert terminate(postgres_server) > 0

    def cut_off() -> None:
        with tables.snapshot() as session:
            terminate(postgres_server)
            session.query("SELECT 1")

    with pytest.raises(StoreError):
        cut_off()
    with tables.snapshot() as session:
        assert session.query("SELECT 1") == [(1,)]
