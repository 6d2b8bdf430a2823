"""`doctor`: it says what is wrong and what to do, in a line each, and changes nothing."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import time
from collections import namedtuple
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from events.log import FactBatch, open_log
from orchestrator.doctor import files as store_files
from orchestrator.doctor.remark import size
from tests.cli.driver import CommandLine
from tests.log.test_log_export import FACTS, with_payloads

Usage = namedtuple("Usage", "total used free")


def remarks(cli: CommandLine, *words: str, status: int = 0) -> dict[str, list[Any]]:
    done = cli.ask("doctor", "--json", *words)
    assert (done.status, done.errors) == (status, "")
    found: dict[str, list[Any]] = {}
    for each in done.objects:
        assert set(each) == {"about", "verdict", "text", "advice"}
        assert (each["verdict"] == "ok") == (each["advice"] == ""), "what is not well has an advice"
        found.setdefault(each["about"], []).append(each)
    return found


def verdicts(found: dict[str, list[Any]], about: str) -> list[str]:
    return [each["verdict"] for each in found[about]]


def test_all_is_well(cli: CommandLine) -> None:
    cli.run("map", "--id", "fine", "echo", ":::", "1")
    before = cli.store.read_bytes()
    found = remarks(cli)
    assert {each["verdict"] for group in found.values() for each in group} == {"ok"}
    assert {"release", "python", "sqlite", "libraries", "store", "file", "disk", "settings", "runs"} <= set(found)
    assert "synchronous 2" in found["settings"][0]["text"]
    assert sqlite3.sqlite_version in found["sqlite"][0]["text"]
    assert cli.store.read_bytes() == before
    shown = cli.ask("doctor")
    assert (shown.status, shown.errors) == (0, "")
    assert all(line.startswith("ok    ") for line in shown.lines)


def test_no_store_is_no_failure_and_none_is_made(cli: CommandLine) -> None:
    found = remarks(cli)
    assert verdicts(found, "store") == ["warn"]
    assert list(cli.folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"junk", b"x" * 5000, b""])
def test_what_is_no_store_fails(cli: CommandLine, content: bytes) -> None:
    cli.store.write_bytes(content)
    done = cli.ask("doctor", "--json")
    last = done.objects[-1]
    assert (done.status, last["verdict"]) in [(3, "fail"), (0, "warn")]
    assert last["advice"]
    assert cli.store.read_bytes() == content


def test_a_run_that_nobody_works_on_is_told_with_the_command_that_goes_on_with_it(cli: CommandLine) -> None:
    going = cli.begin("map", "--id", "left alone", "-j2", "sleep 60; true", ":::", "1", "2", "3")
    cli.wait_for("left alone", "ChildStarted", 2)
    assert "run" not in remarks(cli), "while its owner lives, all is well"
    going.signal(signal.SIGKILL)
    going.end()
    found = remarks(cli)
    (told,) = found["run"]
    assert told["verdict"] == "warn"
    assert told["text"].startswith("left alone: nobody works on it, 2 children are open, the oldest one (1) since 20")
    assert shlex.split(told["advice"]) == ["orchestrator", "resume", "left alone"]
    assert "1 of them unfinished" in found["runs"][0]["text"]


def test_who_may_read_the_store(cli: CommandLine) -> None:
    cli.run("map", "echo", ":::", "1")
    cli.store.chmod(0o644)
    cli.folder.chmod(0o777)
    found = remarks(cli)
    assert verdicts(found, "file") == ["warn", "warn"]
    assert found["file"][0]["advice"] == f"chmod 600 {cli.store}"
    cli.folder.chmod(0o700)


@pytest.mark.parametrize(("free", "verdict", "status"), [(2**20, "fail", 3), (2**29, "warn", 0), (2**40, "ok", 0)])
def test_a_disk_that_fills_up(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str, status: int
) -> None:
    cli.run("map", "echo", ":::", "1")
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2**41, 2**41 - free, free))
    assert verdicts(remarks(cli, status=status), "disk") == [verdict]


def test_a_large_write_ahead_log(cli: CommandLine) -> None:
    cli.run("map", "echo", ":::", "1")
    with open_log(cli.store) as log:
        log.append([FactBatch("more", 0, FACTS)])
        assert verdicts(remarks(cli), "log") == ["ok"]
    log_file = Path(f"{cli.store}-wal")
    with log_file.open("wb") as file:
        file.truncate(2**29)  # a file with nothing in it but a length
    (remark,) = [store_files._write_ahead_log(cli.store)]
    assert (remark.verdict, "512.0 MiB" in remark.text) == ("warn", True)
    log_file.unlink()


def test_payload_files_that_nothing_refers_to(cli: CommandLine) -> None:
    with open_log(cli.store) as log:
        text = json.dumps("x" * 70_000)
        log.append([FactBatch("p", 0, with_payloads(log, text, text))])
        young, old = log.payloads.put(text + " "), log.payloads.put(text + "  ")
    folder = Path(f"{cli.store}.payloads")
    path = folder / old.sha256[:2] / old.sha256
    half = path.parent / ".half.part"
    half.write_text("half")
    past = time.time() - 86_400
    for each in (path, half):
        os.utime(each, (past, past))
    (told,) = remarks(cli)["payloads"]
    assert told["verdict"] == "warn"
    assert told["text"].startswith("2 of 4 files in orchestrator.db.payloads are referred to by no event, 68.4 KiB: ")
    assert young.sha256 not in told["text"]
    path.unlink()
    half.unlink()
    assert verdicts(remarks(cli), "payloads") == ["ok"]


def test_a_damaged_run_fails_and_the_others_are_looked_at(cli: CommandLine) -> None:
    with open_log(cli.store) as log:
        log.append([FactBatch("good", 0, FACTS[:7]), FactBatch("bad", 0, FACTS[:8])])
    with closing(sqlite3.connect(cli.store)) as raw, raw:
        raw.execute("UPDATE events SET data = zeroblob(2) WHERE parent = 2 AND type = 'ChildStarted'")
    found = remarks(cli, status=3)
    assert sorted(verdicts(found, "run")) == ["fail", "warn"]
    assert "audit verify" in next(each for each in found["run"] if each["verdict"] == "fail")["advice"]


def test_seals(cli: CommandLine) -> None:
    for name in ("audit", "other"):
        (cli.folder / f"{name}.key").write_text(f"the {name} key that nobody else has")
    cli.run("map", "--key-file", "audit.key", "echo", ":::", "1")
    assert "without its key" in remarks(cli)["seals"][0]["text"]
    assert verdicts(remarks(cli, "--key-file", "audit.key"), "seals") == ["ok"]
    assert verdicts(remarks(cli, "--key-file", "other.key", status=3), "seals") == ["fail"]
    with closing(sqlite3.connect(cli.store)) as raw, raw:
        raw.execute("UPDATE store_seal SET events = 1")
    assert verdicts(remarks(cli, "--key-file", "audit.key", status=3), "seals") == ["fail"]


def test_views_and_how_far_they_are_behind(cli: CommandLine) -> None:
    cli.run("map", "echo", ":::", "1")
    with closing(sqlite3.connect(cli.store)) as raw, raw:
        raw.execute("DROP TABLE IF EXISTS projections")
        raw.execute("CREATE TABLE projections(name TEXT, position BIGINT)")
        raw.execute("INSERT INTO projections VALUES ('runs', 2), ('odd', 'x')")
    told = {each["text"] for each in remarks(cli)["views"]}
    assert any(text.startswith("runs: at position 2, ") and text.endswith(" events behind") for text in told)


def test_sizes_are_shown_as_people_read_them() -> None:
    assert [size(number) for number in (0, 1023, 1024, 5 * 2**20, 3 * 2**30, 2**42)] == [
        *("0 bytes", "1,023 bytes", "1.0 KiB", "5.0 MiB", "3.0 GiB", "4.0 TiB"),
    ]
