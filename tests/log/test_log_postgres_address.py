"""What a PostgreSQL URL means, and that its password is nowhere to be seen."""

from __future__ import annotations

import subprocess
import sys

import pytest

from events.errors import UsageError
from events.log import open_log
from events.log.postgres_address import parsed, without_password
from events.log.postgres_tables import as_sql


@pytest.mark.parametrize(
    ("url", "hosts", "location"),
    [
        ("postgresql://u@h/d", (("h", "5432"),), "postgresql://u@h/d"),
        ("postgres://u:secret@h:7/d", (("h", "7"),), "postgresql://u@h:7/d"),
        ("postgresql://u@[::1]:7/d", (("::1", "7"),), "postgresql://u@[::1]:7/d"),
        ("postgresql://u@a,b:7/d", (("a", "5432"), ("b", "7")), "postgresql://u@a,b:7/d"),
        ("postgresql://u@/d?host=/run/pg&port=7", (("/run/pg", "7"),), "postgresql://u@/d?host=/run/pg&port=7"),
        ("postgresql://u%40x:p%2Fw@h/d%20e?schema=s", (("h", "5432"),), "postgresql://u%40x@h/d%20e?schema=s"),
    ],
)
def test_a_url_names_hosts_and_a_location_without_its_password(
    url: str, hosts: tuple[tuple[str, str], ...], location: str
) -> None:
    address = parsed(url)
    assert (address.hosts, address.location) == (hosts, location)
    assert parsed(address.location)._replace(password=address.password) == address


def test_what_stands_in_a_url_is_decoded() -> None:
    address = parsed("postgresql://u%40x:p%2Fw@h/d%20e?schema=a%22b&sslmode=require")
    assert (address.user, address.password, address.database) == ("u@x", "p/w", "d e")
    assert (address.schema, address.more) == ('a"b', {"sslmode": "require"})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://h/d", "name the user"),
        ("postgresql://u:secret@h", "name the user and the database"),
        ("postgresql://u:secret@/d", "name the host"),
        ("postgresql://u:secret@h/d?host=/x", "name the host"),
        ("postgresql://u:secret@h/d/e", "name the user and the database"),
        ("postgresql://u:secret@h:x/d", "is no host"),
        ("postgresql://u:secret@h:99999/d", "is no host"),
        ("postgresql://u:secret@a,/d", "is no host"),
        ("postgresql+psycopg://u:secret@h/d", "without the name of a driver"),
        ("postgresql://u:secret@h/d?options=-c%20fsync%3Doff", "options cannot be given there"),
        ("postgresql://u:secret@h/d?service=x", "service cannot be given there"),
        ("postgresql://u:secret@h/d?schema=a&schema=b", "schema is given twice"),
        ("postgresql://u:secret@h/d?schema=", "schema is given without a value"),
        ("postgresql://u:secret@h/d?schema=pg_catalog", "cannot be the schema"),
        ("postgresql://u:secret@h/d?schema=" + "x" * 64, "cannot be the schema"),
        ("postgresql://u:secret@h/d?schema=a%00b", "cannot be the schema"),
        ("postgresql://u:secret@h/d%00", "zero byte"),
        ("postgresql://u:secret@h/d?nonsense", "bad query field"),
        ("postgresql://u:secret@[::1/d", "not a URL"),
    ],
)
def test_a_url_that_names_no_store_is_refused_and_its_password_not_shown(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        open_log(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("runs.db", "runs.db"),
        ("a:b@c", "a:b@c"),
        ("postgresql://u:secret@h/d?schema=s", "postgresql://u@h/d?schema=s"),
        ("postgresql://u:se:cr@h/d", "postgresql://u@h/d"),
        ("postgresql://u@h/d?password=secret&schema=s", "postgresql://u@h/d?schema=s"),
        ("postgresql://u@h/d?sslpassword=secret", "postgresql://u@h/d"),
        ("mysql://u:secret@h/d", "mysql://u@h/d"),
    ],
)
def test_a_place_is_shown_without_its_password(place: str, shown: str) -> None:
    assert without_password(place) == shown


def test_without_the_extra_there_is_one_error_that_names_it() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from orchestrator import MissingExtraError, Orchestrator\n"
        "try: Orchestrator('postgresql://u:secret@h/d')\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.startswith("postgresql://u@h/d: a PostgreSQL store needs psycopg: pip install ")
    assert "'parallel-orchestrator[postgres]'" in done.stdout


def test_nothing_of_postgresql_is_imported_by_who_does_not_use_it() -> None:
    code = "import sys, orchestrator; orchestrator.Orchestrator('memory:').close(); print('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_names_are_quoted_in_the_sql_for_administrators() -> None:
    sql = as_sql('s"; DROP TABLE x; --', 'r"; --')
    assert '"s""; DROP TABLE x; --"' in sql
    assert '"r""; --"' in sql
