"""What `--json` prints, word by word."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.cli.driver import CommandLine

STATUS = [
    *("id", "status", "settled", "strategy", "counts", "position", "version", "decided_by"),
    *("created_at", "started_at", "decided_at", "settled_at"),
]
COUNTS = ["total", "pending", "running", "succeeded", "failed", "timed_out", "cancelled", "skipped"]
CHILD = ["id", "index", "status", "attempts", "output", "error", "started_at", "finished_at"]
EVENT = ["position", "version", "type", "at", "data", "hash"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A store with one run, whose second child failed."""
    words = ("map", "--id", "r", "-j1", "--threshold", "50%", "--on-decided", "continue", "echo {}; exit {}")
    with CommandLine(tmp_path_factory.mktemp("ran")) as cli:
        assert cli.run(*words, ":::", "0", "1", "0").status == 0
        yield cli


def test_status(ran: CommandLine) -> None:
    done = ran.ask("status", "r", "--json")
    assert (done.status, done.errors, len(done.lines)) == (0, "", 1)
    view = done.json
    assert list(view) == STATUS
    assert list(view["counts"]) == COUNTS
    assert view["strategy"] == {"kind": "threshold", "required": 2}
    assert view["counts"] == dict.fromkeys(COUNTS, 0) | {"total": 3, "succeeded": 2, "failed": 1}
    assert (view["id"], view["status"], view["settled"], view["decided_by"]) == ("r", "succeeded", True, "3")
    moments = [datetime.fromisoformat(view[name]) for name in STATUS if name.endswith("_at")]
    assert moments == sorted(moments)
    assert all(moment.tzinfo == UTC for moment in moments)


def test_the_final_status_is_all_that_map_prints(cli: CommandLine) -> None:
    done = cli.run("map", "--id", "s", "--json", "echo {}; echo {} >&2", ":::", "a")
    assert done.json == cli.status("s")
    assert done.errors.startswith("a\n"), "what children say on standard error is kept"


def test_children(ran: CommandLine) -> None:
    first, second, _ = ran.ask("children", "r", "--json").objects
    assert list(first) == CHILD
    assert (first["id"], first["index"], first["status"], first["attempts"]) == ("1", 0, "succeeded", 1)
    assert first["output"] == {"exit_status": 0, "stdout": "0\n", "stderr": ""}
    assert first["error"] is None
    assert second["output"] is None
    assert second["error"]["message"] == "exit status 1"
    assert second["error"]["stdout"] == "1\n"
    assert second["started_at"] < second["finished_at"]


def test_children_of_one_outcome(ran: CommandLine) -> None:
    for option in ("--status", "--outcome"):
        assert [child["id"] for child in ran.ask("children", "r", option, "succeeded", "--json").objects] == ["1", "3"]
    assert ran.ask("children", "r", "--status", "pending", "--json").text == ""


def test_events(ran: CommandLine) -> None:
    events = ran.ask("events", "r", "--json").objects
    assert all(list(event) == EVENT for event in events)
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    positions = [event["position"] for event in events]
    assert positions == sorted(set(positions))
    assert (events[0]["type"], events[-1]["type"]) == ("ParentCreated", "ParentSettled")
    assert all(len(event["hash"]) == 64 and event["at"].endswith("Z") for event in events)
    assert all("at" not in event["data"] for event in events)


def test_list(cli: CommandLine) -> None:
    cli.run("map", "--id", "r", "true", ":::", "1")
    cli.run("map", "--id", "s", "false", ":::", "1")
    assert [run["id"] for run in cli.ask("list", "--json").objects] == ["r", "s"]
    assert cli.ask("list", "--json").objects[0] == cli.status("r")
    assert [run["id"] for run in cli.ask("list", "--status", "failed", "--json").objects] == ["s"]
    assert [run["id"] for run in cli.ask("list", "--limit", "1", "--json").objects] == ["s"], "the latest"
    assert cli.ask("list", "--limit", "0", "--json").text == ""


def test_status_at_any_position_is_what_it_was(ran: CommandLine) -> None:
    events = ran.ask("events", "r", "--json").objects
    before = ran.ask("status", "r", "--at", "1", "--json").json
    assert (before["status"], before["counts"]["total"], before["position"]) == ("pending", 0, 1)
    middle = next(event for event in events if event["type"] == "ChildFinished")
    at_position = ran.ask("status", "r", "--at", str(middle["position"]), "--json").json
    assert (at_position["status"], at_position["position"]) == ("running", middle["position"])
    at_time = ran.ask("status", "r", "--at", events[-1]["at"], "--json").json
    assert at_time == ran.status("r")


def test_a_time_without_a_zone_is_local(ran: CommandLine) -> None:
    created = datetime.fromisoformat(ran.status("r")["created_at"])
    local = created.replace(tzinfo=None).isoformat()
    utc = ran.run("status", "r", "--at", local, "--json", TZ="UTC")
    assert (utc.status, utc.json["status"]) == (0, "pending")
    east = ran.run("status", "r", "--at", local, "--json", TZ="XST-5")
    assert (east.status, east.text) == (4, ""), "five hours earlier there was no such run"


def test_cancel(ran: CommandLine) -> None:
    done = ran.ask("cancel", "r", "--json")
    assert (done.status, done.json) == (0, ran.status("r"))


def test_schema(cli: CommandLine) -> None:
    schema = cli.ask("schema")
    assert (schema.status, schema.errors) == (0, "")
    assert schema.json["type"] == "object"
    assert "tasks" in schema.json["properties"]


def test_schema_of_a_postgresql_store_is_sql(cli: CommandLine) -> None:
    """Nothing is connected to, and the password is nowhere in it."""
    sql = cli.ask("schema", "--store", "postgresql://runner:hunter2@127.0.0.1:1/runs?schema=jobs")
    assert (sql.status, sql.errors) == (0, "")
    assert sql.text.startswith('BEGIN;\nCREATE SCHEMA IF NOT EXISTS "jobs";\n')
    assert 'GRANT INSERT ON "jobs".events, "jobs".parents, "jobs".payloads TO "runner";' in sql.text
    assert "hunter2" not in sql.text
    other = cli.ask("schema", "--store", "postgresql://admin@h/runs", "--role", "some one")
    assert 'TO "some one";' in other.text
    assert cli.ask("schema", "--store", "runs.db").status == 2


def test_events_are_legible_to_people(ran: CommandLine) -> None:
    failed = [line for line in ran.ask("events", "r").lines if "ChildFinished" in line and "failed" in line]
    assert failed
    assert all('"error": {"type": "CommandFailed", "message": "exit status ' in line for line in failed)
