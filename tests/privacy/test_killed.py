"""kill -9 at any instant of a redaction or of an archiving: nothing is lost that was to stay; it can be done again."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from events.log import open_log
from events.log.archive_file import check_archive
from events.log.audit import Audit
from orchestrator import Orchestrator
from tests.privacy.stores import KEYS, MARK, holders, made, wrapped
from tests.privacy.test_archives import filled

ROUNDS = 12


def killed(what: str, path: Path, after_seconds: float) -> bool:
    """Let a process do it and kill it after a while; whether it was done before."""
    words = [sys.executable, "-m", "tests.privacy.victim", what, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdin is not None
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        victim.stdin.write("\n")
        victim.stdin.flush()
        sleep(after_seconds)  # the instant is what is drawn; nothing is waited for
        victim.kill()
        return victim.stdout.read() == "done\n"


def copied(path: Path, folder: Path) -> Path:
    folder.mkdir()
    shutil.copytree(f"{path}.payloads", folder / f"{path.name}.payloads")
    return Path(shutil.copy(path, folder / path.name))


@pytest.mark.timeout(300)
def test_a_redaction_is_done_whole_or_not_at_all(tmp_path: Path) -> None:
    seed = random.randrange(10**9)
    print("seed", seed)
    draw = random.Random(seed)
    original = made(tmp_path / "s.db")
    key = wrapped(original, "r")
    done = 0
    for number in range(ROUNDS):
        path = copied(original, tmp_path / str(number))
        done += killed("redact", path, draw.uniform(0.0, 0.15))
        with open_log(path) as log:
            assert list(Audit(log).verify()) == []
            states = {type(record.fact).__name__ for each in ("r", "r/inner") for record in log.read(each)}
            redacted = ["Redacted" in [record.type for record in log.read(each)] for each in ("r", "r/inner")]
        assert redacted in ([True, True], [False, False]), states
        with Orchestrator(path, keyring=KEYS) as orchestrator:
            if redacted == [False, False]:
                assert MARK in orchestrator.get("r").result(timeout=10).outputs["small"]
            orchestrator.get("r").redact("once more")
        assert holders(path, key[:24]) == []
        assert [file for file in Path(f"{path}.payloads").rglob("*") if file.is_file()] == []
    print("done before the kill:", done, "of", ROUNDS)


@pytest.mark.timeout(300)
def test_an_archiving_loses_nothing(tmp_path: Path) -> None:
    seed = random.randrange(10**9)
    print("seed", seed)
    draw = random.Random(seed)
    original = tmp_path / "s.db"
    filled(original)
    runs = {"old", "old/inner", "secret", "secret/inner", "last"}
    partly = 0
    for number in range(ROUNDS):
        path = copied(original, tmp_path / str(number))
        killed("archive", path, draw.uniform(0.0, 0.4))
        file = path.with_name("archive.jsonl")
        archived = set()
        if file.exists():
            check_archive(file)
            archived = {line["run"] for line in map(json.loads, file.read_text().splitlines()) if "run" in line}
        with open_log(path) as log:
            assert list(Audit(log).verify()) == []
            left = set(log.recorder.ids())
            proofs = list(log.recorder.all_dropped())
        assert left | archived >= runs
        assert {proof.parent_id for proof in proofs} == runs - left
        partly += bool(proofs) and bool(left & runs)
        with Orchestrator(path) as orchestrator:
            again = orchestrator.archive(0, path.with_name("again.jsonl"), drop=True)
            assert set(() if again is None else again.runs) == left & runs
            assert [view.id for view in orchestrator.list()] == ["open"]
        with open_log(path) as log:
            assert list(Audit(log).verify()) == []
    print("killed with some dropped:", partly, "of", ROUNDS)
