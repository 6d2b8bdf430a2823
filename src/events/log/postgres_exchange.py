"""Many statements in one exchange with the server: all are sent, then all answers are read.

The database's own library can do that and psycopg's `pipeline` does it too, but goes through its machinery, and often
to the server and back, for each statement: measured, an append took three times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from events.log.postgres_connection import Connection, Packed

_BINARY: Final = 1
_TEXT: Final = 0

Value = Packed | bytes | int | str
Send = Callable[[PGconn], None]


class Call(NamedTuple):
    """A statement to be sent: SQL without values, or the name of one that was prepared on this connection."""

    statement: bytes
    values: Sequence[Value] | None = None


def prepare(connection: Connection, statements: Mapping[bytes, bytes]) -> None:
    """Have the server keep statements by their names, for this connection."""

    def send(pgconn: PGconn) -> None:
        for name, statement in statements.items():
            pgconn.send_prepare(name, statement)

    # psycopg would drop all that are prepared, ours too, when one of its own is rolled back.
    connection.prepare_threshold = None
    _raise_first(_exchanged(connection, send, []))


def exchange(connection: Connection, calls: Sequence[Call], answers: list[PGresult] | None = None) -> list[PGresult]:
    """Send statements and return the server's answers to them. `answers` takes them as they arrive, whatever follows.

    Raises:
        psycopg.Error: a statement failed, so that none after it was done; or the connection was lost.
    """

    def send(pgconn: PGconn) -> None:
        for statement, values in calls:
            if values is None:
                pgconn.send_query_params(statement, None, result_format=_BINARY)
            else:
                encoded, formats = zip(*map(_encoded, values), strict=True)
                pgconn.send_query_prepared(statement, encoded, formats, result_format=_BINARY)

    return _raise_first(_exchanged(connection, send, [] if answers is None else answers))


def _encoded(value: Value) -> tuple[bytes, int]:
    if isinstance(value, Packed):
        return value.packed, _BINARY
    return (value if isinstance(value, bytes) else str(value).encode()), _BINARY if isinstance(value, bytes) else _TEXT


def _exchanged(connection: Connection, send: Send, answers: list[PGresult]) -> list[PGresult]:
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    try:
        send(pgconn)
        pgconn.pipeline_sync()
        connection.wait(_answers(pgconn, answers))
    finally:
        with suppress(psycopg.OperationalError):  # it was lost in the middle, and its status says so
            pgconn.exit_pipeline_mode()
    return answers


def _answers(pgconn: PGconn, answers: list[PGresult]) -> PQGen[None]:
    """Send what waits to be sent, and read all answers up to the end of the exchange."""
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            pgconn.consume_input()
    while True:
        while pgconn.is_busy():
            if (yield Wait.R):
                pgconn.consume_input()
        answer = pgconn.get_result()
        if answer is None:
            continue
        if answer.status == ExecStatus.PIPELINE_SYNC:
            return
        answers.append(answer)
        if answer.status == ExecStatus.FATAL_ERROR and pgconn.status == ConnStatus.BAD:
            return


def _raise_first(answers: list[PGresult]) -> list[PGresult]:
    for answer in answers:
        if answer.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(answer, encoding="utf-8")
    return answers
