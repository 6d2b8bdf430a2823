"""`backup` and `restore`: consistent while a real process writes, whole or not there, and gone on with from there."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from events.log import FactBatch, open_log
from events.log.audit import Audit
from tests.cli.driver import CommandLine
from tests.log.test_log_export import FACTS, with_payloads
from tests.support.waiting import until


def last_position(store: Path) -> int:
    with open_log(store, must_exist=True) as log:
        assert list(Audit(log).verify()) == []
        return log.last_position()


def test_backups_under_load_are_sound_and_an_unfinished_run_goes_on_from_one(cli: CommandLine) -> None:
    items = [f"{number}" for number in range(1000)]
    going = cli.begin("map", "--id", "busy", "-j4", "--quiet", "sleep 0.05; test {}", ":::", *items)
    cli.wait_for("busy", "ChildFinished", 10)
    positions = []
    for number in range(3):
        done = cli.run("backup", f"copy{number}.db")
        assert (done.status, done.text) == (0, ""), done.errors
        positions.append(last_position(cli.folder / f"copy{number}.db"))
        assert f"up to position {positions[-1]:,}" in done.errors
    assert going.process.poll() is None, "it was under way all the time"
    going.signal(signal.SIGKILL)
    going.end()
    assert positions == sorted(set(positions)), "each is further on than the one before"
    status = cli.ask("status", "busy", "--json", "--store", "copy0.db").json
    assert status["status"] == "running"
    assert status["position"] == positions[0]
    resumed = cli.run("resume", "busy", "--store", "copy0.db", "--quiet", "-j32")
    assert resumed.status == 0
    assert cli.ask("status", "busy", "--json", "--store", "copy0.db").json["counts"]["succeeded"] == len(items)
    assert cli.run("audit", "verify", "--store", "copy0.db").status == 0
    assert list(cli.folder.glob(".*part*")) == []


def big(store: Path, runs: int) -> None:
    with open_log(store) as log:
        for number in range(runs):
            text = json.dumps(f"{number}" + "x" * 70_000)
            log.append([FactBatch(f"{number}", 0, with_payloads(log, text, text))])
            log.append([FactBatch(f"more {number} {more}", 0, FACTS) for more in range(8)])


def begun(target: Path) -> bool:
    return target.exists() or any(target.parent.glob(f".{target.name}.*.part"))


def test_a_backup_that_is_killed_leaves_nothing_under_its_name(cli: CommandLine) -> None:
    """Killed at any instant: there is no file of the name, or the whole one, and the next try comes through."""
    big(cli.store, 20)
    expected, seed = last_position(cli.store), random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for number in range(3):
        target = cli.folder / f"{number}.db"
        going = cli.begin("backup", target.name)
        until(partial(begun, target))
        time.sleep(chance.random() * 0.3)  # at no particular instant
        going.signal(signal.SIGKILL)
        going.end()
        if target.exists():
            assert last_position(target) == expected
        else:
            assert cli.run("backup", target.name).status == 0
            assert last_position(target) == expected


def test_payload_files_go_along_and_positions_go_on(cli: CommandLine, tmp_path: Path) -> None:
    big(cli.store, 3)
    before = last_position(cli.store)
    assert cli.ask("backup", "copy.db").status == 0
    assert len(list(Path(f"{cli.folder}/copy.db.payloads").glob("*/*"))) == 3
    assert (cli.folder / "copy.db").stat().st_mode & 0o777 == 0o600
    restored = cli.ask("restore", "copy.db", "--store", "sqlite:///back.db")
    assert (restored.status, restored.text) == (0, "")
    with open_log(cli.folder / "back.db") as log:
        assert list(Audit(log).verify()) == []
        (verdict,) = log.append([FactBatch("new", 0, FACTS)])
        assert verdict.positions[0] == before + 1  # type: ignore[union-attr]
    with closing(sqlite3.connect(cli.folder / "copy.db")) as raw:
        assert raw.execute("SELECT seq FROM sqlite_sequence").fetchone() == (before,)


def test_nothing_is_written_over(cli: CommandLine) -> None:
    big(cli.store, 1)
    (cli.folder / "there.db").write_text("mine")
    (cli.folder / "link.db").symlink_to("nowhere")
    (cli.folder / "old.db-wal").write_text("of a store that was there")
    for name in ("there.db", "link.db", "old.db", "orchestrator.db"):
        done = cli.ask("backup", name)
        assert (done.status, done.text, done.errors.count("\n")) == (2, "", 1)
    assert (cli.folder / "there.db").read_text() == "mine"
    assert cli.ask("restore", "orchestrator.db", "--store", "there.db").status == 2
    assert cli.ask("restore", "orchestrator.db").status == 2
    assert cli.ask("backup", "none/copy.db").status == 3
    assert cli.ask("restore", "none.db", "--store", "new.db").status == 3
    assert cli.ask("restore", "orchestrator.db", "--store", "memory:").status == 2
    assert not (cli.folder / "new.db").exists()


def test_the_store_itself_is_no_target_by_whatever_name(cli: CommandLine) -> None:
    """While somebody has it open there is a file for what it writes beside it, which nobody is told to move away."""
    folder = cli.folder
    big(cli.store, 1)
    (folder / "inner").mkdir()
    (folder / "soft.db").symlink_to(cli.store)
    (folder / "hard.db").hardlink_to(cli.store)
    (folder / "away").symlink_to(folder)
    whole = ("orchestrator.db", "inner/../orchestrator.db", "soft.db", "hard.db", "away/orchestrator.db")
    beside = ("orchestrator.db-wal", "orchestrator.db-shm", "away/orchestrator.db-journal", "orchestrator.db.payloads")
    with open_log(cli.store) as log:
        log.append([FactBatch("open", 0, FACTS)])
        assert (folder / "orchestrator.db-wal").exists()
        for name in (*whole, *beside):
            what = "the store itself" if name in whole else "a part of the store itself"
            told = f"{name}: this is {what}, which is in use; give another name"
            for command in (["backup", name], ["audit", "export", "-o", name]):
                done = cli.ask(*command)
                assert (done.status, done.text, done.errors) == (2, "", f"orchestrator: error: {told}\n")
        assert cli.ask("backup", "copy.db").status == 0
        done = cli.ask("restore", "copy.db")
        assert (done.status, "there is something of that name" in done.errors) == (2, True), done.errors
    assert last_position(cli.store)


@pytest.mark.parametrize("damage", ["row", "payload"])
def test_a_damaged_store_gives_no_backup(cli: CommandLine, damage: str) -> None:
    big(cli.store, 1)
    if damage == "row":
        with closing(sqlite3.connect(cli.store)) as raw, raw:
            raw.execute("UPDATE events SET data = zeroblob(2) WHERE position = 5")
    else:
        next(Path(f"{cli.store}.payloads").glob("*/*")).write_text("other")
    done = cli.ask("backup", "copy.db")
    assert (done.status, done.text, done.errors.count("\n")) == (3, "", 1)
    assert "it is damaged, so copy.db was not made" in done.errors
    assert not (cli.folder / "copy.db").exists()
    assert list(cli.folder.glob(".*")) == []


def test_the_copy_of_a_sealed_store_is_sealed(cli: CommandLine) -> None:
    (cli.folder / "audit.key").write_text("a key that nobody else has")
    assert cli.run("map", "--key-file", "audit.key", "echo", ":::", "1").status == 0
    assert cli.ask("backup", "copy.db", "--key-file", "audit.key").status == 0
    assert cli.ask("audit", "verify", "--store", "copy.db", "--key-file", "audit.key").status == 0
    assert cli.ask("backup", "other.db").status == 0


def test_a_sealed_store_in_postgresql_and_its_backup(cli: CommandLine, postgres_url: str, tmp_path: Path) -> None:
    (key := tmp_path / "audit.key").write_text("a key that nobody else has")
    there, sealed = ("--store", postgres_url), ("--key-file", str(key))
    assert cli.run("map", *there, "--id", "one", "--quiet", "echo {}", ":::", "1", "2").status == 0
    assert cli.ask("audit", "seal", *there, *sealed).lines[-1].startswith("sealed with the key of the fingerprint")
    refused = cli.run("map", *there, "echo", ":::", "1")
    assert (refused.status, "it is sealed" in refused.errors) == (3, True)
    assert cli.run("map", *there, *sealed, "--id", "two", "--quiet", "echo {}", ":::", "3").status == 0
    assert cli.ask("audit", "verify", *there, *sealed).status == 0
    done = cli.run("backup", "copy.db", *there, *sealed)
    told = "2 runs with 22 events, up to position 22\n"
    assert (done.status, done.errors) == (0, f"copy.db: {told}")
    assert cli.ask("audit", "verify", "--store", "copy.db", *sealed).status == 0
    other = ("--store", f"{postgres_url}_back")
    back = cli.run("restore", "copy.db", *other, *sealed)
    assert (back.status, back.errors.endswith(told)) == (0, True), back.errors
    again = cli.run("restore", "copy.db", *other, *sealed)
    assert (again.status, "restore into an empty store" in again.errors) == (2, True)
    assert cli.run("map", *other, *sealed, "--id", "three", "--quiet", "echo {}", ":::", "4").status == 0
    assert cli.ask("status", "two", "--json", *other).json == cli.ask("status", "two", "--json", *there).json
    assert cli.ask("audit", "verify", *other, *sealed).status == 0
    assert cli.ask("doctor", *other, *sealed).status == 0
