"""Keys, `redact` and `archive` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.driver import CommandLine


@pytest.fixture
def key(cli: CommandLine) -> Path:
    path = cli.store.with_name("keys")
    path.write_bytes(bytes(range(32)))
    return path


def test_an_encrypted_run_from_its_start_to_its_redaction(cli: CommandLine, key: Path) -> None:
    keys = ("--encryption-key-file", str(key))
    assert cli.ask("map", "--id", "r", "--quiet", *keys, "echo hush-{}; test {} != b", ":::", "a", "b").status == 1
    assert b"hush" not in cli.store.read_bytes()
    shown = cli.ask("children", "r")
    assert (shown.status, shown.text.count("(encrypted)")) == (0, 2)
    assert "hush-a" in cli.ask("children", "r", *keys).text
    first, second = cli.ask("children", "r", "--json").objects
    assert (first["output"], second["error"]) == (None, None)
    assert ["input"] in [event["data"].get("encrypted") for event in cli.ask("events", "r", "--json").objects]
    assert cli.ask("status", "r").status == 0
    refused = cli.ask("redrive", "r")
    assert refused.status == 3
    assert "--encryption-key-file" in refused.errors
    assert cli.ask("redrive", "r", "--quiet", *keys).status == 1
    assert cli.ask("redact", "r", "--reason", "asked for").status == 0
    assert cli.ask("redact", "r", "--json").objects[0]["settled"] is True
    assert cli.ask("children", "r", *keys).text.count("(redacted)") == 2
    assert cli.ask("audit", "verify").status == 0
    for words in (("explain", "r"), ("replay", "r", "--json"), ("list",), ("events", "r"), ("diff", "r", "1", "9")):
        assert cli.ask(*words).status == 0, words


def test_the_environment_names_the_keys(cli: CommandLine, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_ENCRYPTION_KEY_FILE", str(key))
    assert cli.ask("map", "--id", "r", "--quiet", "echo hush-{}", ":::", "a").status == 0
    assert "hush-a" in cli.ask("children", "r").text
    assert b"hush" not in cli.store.read_bytes()
    monkeypatch.setenv("ORCHESTRATOR_ENCRYPTION_KEY_FILE", str(key.with_name("missing")))
    refused = cli.ask("map", "--id", "s", "--quiet", "echo {}", ":::", "a")
    assert (refused.status, refused.text) == (2, "")
    assert "cannot be read" in refused.errors


def test_a_run_in_clear_cannot_be_redacted(cli: CommandLine) -> None:
    assert cli.ask("map", "--id", "r", "--quiet", "true", ":::", "a").status == 0
    refused = cli.ask("redact", "r")
    assert refused.status == 2
    assert "archive --drop" in refused.errors
    assert cli.ask("redact", "nobody").status == 4


def test_archiving(cli: CommandLine) -> None:
    assert cli.ask("map", "--id", "r", "--quiet", "true", ":::", "a").status == 0
    assert cli.ask("archive", "--older-than", "1d", "--drop").errors.startswith("nothing to archive")
    assert cli.ask("archive", "--older-than", "1d", "--json").text == "null\n"
    to = cli.store.with_name("a.jsonl")
    done = cli.ask("archive", "--older-than", "1ms", "--to", str(to), "--drop", "--json").objects[0]
    assert (done["path"], done["runs"], done["dropped"]) == (str(to), ["r"], ["r"])
    assert json.loads(to.read_text().splitlines()[-1])["events"] == done["events"]
    assert cli.ask("status", "r").status == 4
    again = cli.ask("map", "--id", "r", "--quiet", "true", ":::", "a")
    assert again.status == 4
    assert "archived and dropped" in again.errors
    assert cli.ask("archive", "--older-than", "nonsense").status == 2


def test_long_texts_are_compressed(cli: CommandLine) -> None:
    command = "yes word | head -c 20000; : {}"
    assert cli.ask("map", "--id", "r", "--quiet", "--compress", command, ":::", "a").status == 0
    assert cli.store.read_bytes().count(b"word") < 100
    assert "word" in cli.ask("children", "r", "--json").objects[0]["output"]["stdout"]
