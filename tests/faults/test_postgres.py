"""Runs in real processes on a PostgreSQL whose connections are terminated and which is stopped at once."""

from __future__ import annotations

import random
import signal
from threading import Event

from events.facts import ChildFinished
from events.log import open_log
from events.log.audit import Audit
from tests.face.owner import RUN_ID
from tests.faults import processes
from tests.faults.table import Tally
from tests.support.loopback import Loopback
from tests.support.postgres_server import Postgres

TERMINATED = "PostgreSQL: all connections terminated every 0.4 s"
STOPPED = "PostgreSQL: stopped at once and started again"
KILLED = "PostgreSQL: SIGKILL of the owner"
PARTED = "PostgreSQL: a silent partition of three seconds"


def owner(place: str, children: int) -> list[object]:
    return ["-m", "tests.face.owner", place, children]


def progressed(place: str, count: int) -> None:
    """Wait until so many more children have ended, or the run is settled."""
    with open_log(place, must_exist=True) as log:
        recorder = log.recorder

        def ended() -> int:
            return recorder.tally(RUN_ID, 2**62).get("ChildFinished", 0)

        goal = ended() + count
        processes.until(lambda: ended() >= goal or recorder.stream(RUN_ID, types=("ParentSettled",)), what="children")


def check(place: str, children: int) -> None:
    """Every child succeeded, and nothing is wrong with the record."""
    with open_log(place, must_exist=True) as log:
        audit = Audit(log)
        assert list(audit.verify()) == []
        assert audit.bounded().most_running <= 16
        outcomes = [record.fact for record in log.read(RUN_ID) if isinstance(record.fact, ChildFinished)]
        assert len(outcomes) == children
        assert {outcome.outcome for outcome in outcomes} == {"succeeded"}


def test_a_run_goes_on_while_all_connections_are_terminated(
    postgres_server: Postgres, postgres_url: str, rounds: int, tally: Tally
) -> None:
    children, killed = 3_000 * rounds, 0
    with processes.started(owner(postgres_url, children)) as process:
        process.hear(b"begun")
        with postgres_server.admin() as admin:
            for _ in range(6 * rounds):
                Event().wait(0.4)  # the rhythm of the attack, not a wait for anything
                killed += len(
                    admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orchestrator'"
                    ).fetchall()
                )
        ended = process.end().no_traceback()
    assert (ended.status, ended.output.split().count(b"succeeded")) == (0, 1), ended
    check(postgres_url, children)
    tally(TERMINATED, faults=killed, completed=1)


def test_a_run_goes_on_after_the_server_was_stopped_at_once(
    postgres_server: Postgres, postgres_url: str, rounds: int, tally: Tally
) -> None:
    children = 1_500 * rounds
    with processes.started(owner(postgres_url, children)) as process:
        process.hear(b"begun")
        for _ in range(2 * rounds):
            progressed(postgres_url, 100)
            postgres_server.crash()
            postgres_server.start()
        ended = process.end().no_traceback()
    assert (ended.status, ended.output.split().count(b"succeeded")) == (0, 1), ended
    check(postgres_url, children)
    tally(STOPPED, faults=2 * rounds, completed=1)


def test_a_run_whose_owner_is_killed_is_gone_on_with(
    postgres_url: str, rounds: int, chance: random.Random, tally: Tally
) -> None:
    children, kills = 400 * rounds, 2 * rounds
    for _ in range(kills):
        with processes.started(owner(postgres_url, children)) as process:
            process.hear(b"begun")
            progressed(postgres_url, chance.randrange(1, 120))
            process.signal(signal.SIGKILL)
            process.end()
    ended = processes.run(owner(postgres_url, children)).no_traceback()
    assert (ended.status, ended.output.split().count(b"succeeded")) == (0, 1), ended
    check(postgres_url, children)
    tally(KILLED, faults=kills, completed=1)


def test_a_run_goes_on_after_a_silent_partition(
    postgres_server: Postgres, postgres_url: str, rounds: int, tally: Tally
) -> None:
    schema = postgres_url.rpartition("=")[2]
    loopback, children = Loopback(postgres_server.socket), 500 * rounds
    place = f"postgresql://postgres@127.0.0.1:{loopback.port}/postgres?schema={schema}"
    try:
        with processes.started(owner(place, children)) as process:
            process.hear(b"begun")
            for _ in range(rounds):
                progressed(postgres_url, 100)
                loopback.partition()
                Event().wait(3.0)  # how long it lasts
                loopback.heal()
            ended = process.end().no_traceback()
    finally:
        loopback.close()
    assert (ended.status, ended.output.split().count(b"succeeded")) == (0, 1), ended
    check(postgres_url, children)
    tally(PARTED, faults=rounds, completed=1)
