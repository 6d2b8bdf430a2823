"""Connections to a PostgreSQL store: how they are opened, kept from waiting for ever, and made durable."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, ClassVar, Final, LiteralString, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import Dumper
from psycopg.pq import Conninfo, Format, TransactionStatus
from psycopg.rows import TupleRow

from events.errors import StoreUnavailableError
from events.log.postgres_address import Address
from events.log.postgres_deadline import Deadline
from events.log.postgres_errors import OverdueError, is_passing

T = TypeVar("T")

_CONNECT_SECONDS: Final = 10.0
_SHORTEST_CONNECT_SECONDS: Final = 2.0
"""The database's library waits that long at least, so nothing is begun with less left."""
_OLDEST_SERVER: Final = 140_000
_TRANSACTION_TIMEOUT_SERVER: Final = 170_000
_NOT_SET: Final = re.compile("password|passfile|service|servicefile|scram_.*|oauth_.*|sslpassword")
"""What may come from elsewhere: secrets, which are no place. A service may be named, and has nothing else to say."""
_PLAIN: Final = {
    "gssencmode": "disable",
    "sslcertmode": "allow",
    "require_auth": "none,password,md5,gss,sspi,scram-sha-256",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
}
"""What those options are where nobody says anything that may not be empty."""
_SETTINGS: Final = """
    SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
      current_setting('server_encoding'), backend_start, pg_is_in_recovery()
    FROM pg_stat_activity WHERE pid = pg_backend_pid()"""


class Packed:
    """An array in the database's binary form, made without asking the type of each of its elements."""

    __slots__ = ("packed",)
    element: ClassVar[int]

    def __init__(self, count: int, elements: bytes) -> None:
        self.packed = struct.pack("!iiIii", 1, 0, self.element, count, 1) + elements if count else self._empty()

    def _empty(self) -> bytes:
        return struct.pack("!iiI", 0, 0, self.element)


class Numbers(Packed):
    """An array of 64-bit numbers."""

    element = 20

    def __init__(self, values: Sequence[int]) -> None:
        pairs: list[int] = [8] * (2 * len(values))
        pairs[1::2] = values
        super().__init__(len(values), struct.pack("!" + "iq" * len(values), *pairs))


class Blobs(Packed):
    """An array of byte strings."""

    element = 17

    def __init__(self, values: Sequence[bytes]) -> None:
        length = struct.Struct("!i").pack
        super().__init__(len(values), b"".join([part for value in values for part in (length(len(value)), value)]))


class Texts(Blobs):
    """An array of texts, given in UTF-8."""

    element = 25


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Packed) -> bytes:
        return obj.packed


class _NumbersDumper(_PackedDumper):
    oid = 1016


class _BlobsDumper(_PackedDumper):
    oid = 1001


class _TextsDumper(_PackedDumper):
    oid = 1009


class Connection(psycopg.Connection[TupleRow]):
    """A connection in autocommit mode on which nothing waits past the deadline of the call that uses it."""

    deadline: Deadline
    """That of the call that has the connection now."""
    process: tuple[int, object] = (0, None)
    """The number of its server process, and when that began, which together name it for ever."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:  # noqa: ARG002 - ours counts
        """Wait for the server. Raises OverdueError where it has not answered when the deadline passes."""
        if self._seconds_each is not None:
            self.deadline = Deadline(self._seconds_each)
        return super().wait(_guarded(gen, self.deadline), max(0.001, min(interval, self.deadline.remaining_seconds())))

    _seconds_each: float | None = None

    def take_long(self, seconds_each: float) -> None:
        """From now on let transactions take as long as they need: each exchange with the server has so many seconds."""
        self._seconds_each = seconds_each
        self.execute("SET idle_in_transaction_session_timeout = 0")
        if self.info.server_version >= _TRANSACTION_TIMEOUT_SERVER:
            self.execute("SET transaction_timeout = 0")

    @property
    def is_lost(self) -> bool:
        """Whether nobody knows what the server did with what was last sent to it, or nothing can be sent any more."""
        return self.closed or self.pgconn.transaction_status in {TransactionStatus.UNKNOWN, TransactionStatus.ACTIVE}

    def drop(self) -> None:
        """Let go of it without another word, which never waits."""
        with suppress(psycopg.Error):
            self.close()

    def rows(self, statement: LiteralString, values: Sequence[Any] = ()) -> list[Any]:
        """Return all rows that a statement yields."""
        return self.execute(statement, values, binary=True).fetchall()


def _guarded(waiting: PQGen[T], deadline: Deadline) -> Generator[Any, Any, T]:
    """Pass on what the library waits for, until the deadline."""
    try:
        wanted = next(waiting)
        while True:
            ready = yield wanted
            if deadline.has_passed():
                waiting.close()
                raise OverdueError(f"the server has not answered for {deadline.waited_seconds():.1f} seconds")
            wanted = waiting.send(ready)
    except StopIteration as end:
        value: T = end.value
        return value


def open_connection(address: Address, deadline: Deadline, *, seconds: float) -> Connection:
    """Open a connection to the first host of an address that has what was asked for, and make its commits durable.

    `seconds` is the most that any statement over it may take.

    Raises:
        psycopg.OperationalError: there is none to be had.
        StoreUnavailableError: the server does not keep what it commits through a crash, or is too old.
    """
    error: psycopg.Error | None = None
    for host, port, number in _places(address, deadline):
        left = deadline.remaining_seconds()
        if left < _SHORTEST_CONNECT_SECONDS:
            break
        try:
            return _prepared(_connected(address, (host, port, number), left), address, deadline, seconds)
        except psycopg.Error as failed:
            error = failed
            if not is_passing(failed):
                raise
    raise error or OverdueError(f"no connection to the server within {deadline.waited_seconds():.1f} seconds")


def _places(address: Address, deadline: Deadline) -> Iterator[tuple[str, str, str]]:
    """Yield the hosts with their ports and numbers; nothing for those whose names cannot be resolved in time."""
    unknown: Exception | None = None
    found = False
    for host, port in address.hosts:
        if host.startswith("/"):
            found = True
            yield host, port, ""
            continue
        try:
            numbers = _resolved(host, deadline)
        except OSError as error:
            unknown = error
            continue
        for number in numbers:
            found = True
            yield host, port, number
    if not found and unknown is not None:
        raise psycopg.OperationalError(f"the host's name cannot be resolved ({unknown})") from unknown


def _resolved(host: str, deadline: Deadline) -> list[str]:
    """Return a host's addresses. The system's resolver knows no deadline, so it is asked in a thread of its own.

    Raises:
        OSError: it has none, or they could not be found out in time.
    """
    answers: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
            answers.put(list(dict.fromkeys(str(place[0]) for *_, place in found)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.001, deadline.remaining_seconds()))
    except Empty:
        raise OSError("no answer in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _connected(address: Address, place: tuple[str, str, str], left_seconds: float) -> Connection:
    """Connect, with every option of the database's library set, so that the environment has no say."""
    host, port, number = place
    options = {
        name: _PLAIN.get(name, (option.compiled or b"").decode())
        for option in Conninfo.get_defaults()
        if not _NOT_SET.fullmatch(name := option.keyword.decode())
    }
    given: dict[str, str] = {
        "host": host,
        "hostaddr": number,
        "port": port,
        "dbname": address.database,
        "user": address.user,
        "application_name": "orchestrator",
        "client_encoding": "UTF8",
        "connect_timeout": str(int(min(left_seconds, _CONNECT_SECONDS))),
        "tcp_user_timeout": str(int(_CONNECT_SECONDS * 1000)),
        "keepalives": "1",
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "3",
        **address.more,
    }
    if address.password is not None:
        given["password"] = address.password
    text = psycopg.conninfo.make_conninfo("", **(options | given))
    return Connection.connect(text, autocommit=True, prepare_threshold=2)


def _prepared(connection: Connection, address: Address, deadline: Deadline, seconds: float) -> Connection:
    """Set what holds for the whole session, and make sure that a commit is durable."""
    with ExitStack() as unless_sound:
        unless_sound.callback(connection.drop)
        connection.deadline = deadline
        if connection.info.server_version < _OLDEST_SERVER:
            raise StoreUnavailableError(f"{address.location}: the server is older than PostgreSQL 14; use a newer one")
        for kind, dumper in ((Numbers, _NumbersDumper), (Blobs, _BlobsDumper), (Texts, _TextsDumper)):
            connection.adapters.register_dumper(kind, dumper)
        milliseconds = str(int(seconds * 1000))
        session = {
            "search_path": f'"{address.schema.replace(chr(34), chr(34) * 2)}", pg_temp',
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": str(int(max(1.0, seconds / 3) * 1000)),
            "default_transaction_isolation": "read committed",
            "row_security": "off",  # which makes hidden rows an error
            "jit": "off",
        }
        if connection.info.server_version >= _TRANSACTION_TIMEOUT_SERVER:
            session["transaction_timeout"] = milliseconds
        connection.execute(
            "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS new(name, value)",
            (list(session), list(session.values())),
        )
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit')"
            " <> 'remote_apply'"
        )
        _check(connection, address.location)
        unless_sound.pop_all()
    return connection


def _check(connection: Connection, location: str) -> None:
    """Make sure that the server keeps what it commits.

    Raises:
        StoreUnavailableError: it does not, and the message says which setting to change.
    """
    [(fsync, full_pages, synchronous, encoding, started, standby)] = connection.rows(_SETTINGS)
    connection.process = (connection.info.backend_pid, started)
    if encoding != "UTF8":
        raise StoreUnavailableError(f"{location}: the database is encoded in {encoding}; make one in UTF8")
    for name, value in (("fsync", fsync), ("full_page_writes", full_pages)):
        if value != "on" and not standby:
            raise StoreUnavailableError(
                f"{location}: the server runs with {name} = {value}, so events would not survive a power loss;"
                f" set {name} = on in postgresql.conf and reload it"
            )
    if synchronous not in {"on", "remote_apply"}:
        raise StoreUnavailableError(
            f"{location}: the server does not accept synchronous_commit = on (it answers {synchronous}),"
            " so events would not survive a power loss"
        )
