"""The environment: it can name the store, and nothing else. It never redirects the log and never causes an import."""

from __future__ import annotations

import pytest

from tests.cli.driver import CommandLine
from tests.hostile.checks import calm, decent

TRAP = "from pathlib import Path\nPath('owned').touch()\nUTC = POPOMapper = SQLiteFactory = Cipher = None\n"

LIBRARY = {
    "TZINFO_TOPIC": "trap:UTC",
    "PERSISTENCE_MODULE": "trap",
    "INFRASTRUCTURE_FACTORY": "trap:SQLiteFactory",
    "MAPPER_TOPIC": "trap:POPOMapper",
    "TRANSCODER_TOPIC": "trap:UTC",
    "COMPRESSOR_TOPIC": "trap",
    "CIPHER_TOPIC": "trap:Cipher",
    "CIPHER_KEY": "x",
    "SQLITE_DBNAME": "theirs.db",
    "SQLITE_LOCK_TIMEOUT": "x",
    "IS_SNAPSHOTTING_ENABLED": "x",
    "AGGREGATE_CACHE_MAXSIZE": "x",
    "POSTGRES_DBNAME": "x",
    "PYDANTIC_DISABLE_PLUGINS": "x",
    "PYDANTIC_ERRORS_INCLUDE_URL": "x",
}
"""What eventsourcing and pydantic read of the environment, or once read."""

SURROUNDINGS: dict[str, dict[str, str]] = {
    "the variables of the libraries, and of shells": {
        **LIBRARY,
        "SHELL": "/bin/false",
        "BASH_ENV": "trap.py",
        "ENV": "trap.py",
        "IFS": "x",
        "ORCHESTRATOR_KEY": "x/y",
        "ORCHESTRATOR_ATTEMPT": "-1",
        "ORCHESTRATOR_SPAWNER": "x",
        "a b": "c",
        "\x1b[31m": "\x1b[2J",
        "x\ny": "z\n",
        "\udcff": "\udcff",
    },
    "no language, no home": {
        "LANG": "C",
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "PYTHONWARNINGS": "error",
        "HOME": "/dev/null",
        "XDG_CONFIG_HOME": "/dev/null",
        "USER": "",
        "LOGNAME": "",
        "TZ": "\x1b]0;x\x07",
        "TERM": "dumb",
        "COLUMNS": "0",
        "NO_COLOR": "",
        "FORCE_COLOR": "1",
        "TTY_COMPATIBLE": "1",
    },
    "an encoding with escapes of its own": {
        "PYTHONIOENCODING": "iso2022_jp",
        "LANG": "\x1b[31m",
        "LC_ALL": "xx_YY.nothing",
        "HOME": "",
        "TERM": "x" * 5_000,
        "COLUMNS": "9" * 400,
        "LINES": "-1",
    },
    "an encoding that is not ASCII": {"PYTHONIOENCODING": "utf-16"},
}


@pytest.mark.parametrize("what", SURROUNDINGS)
def test_a_run_goes_as_ever(cli: CommandLine, what: str) -> None:
    environment = {"PYTHONPATH": str(cli.folder), **SURROUNDINGS[what]}
    (cli.folder / "trap.py").write_text(TRAP)
    cli.environment |= environment
    done = cli.run("map", "--id", "r", "test -n {}", ":::", "é", "\x1b[31m")
    assert (done.status, done.output) == (0, b""), done
    calm(done.errors)
    assert "Traceback" not in done.errors
    assert {path.name for path in cli.folder.iterdir()} <= {"trap.py", "orchestrator.db", "__pycache__"}
    assert not (cli.folder / "owned").exists()
    assert cli.ask("status", "r", "--json").json["status"] == "succeeded"


def test_no_command_but_the_users_own_needs_a_path(cli: CommandLine) -> None:
    """What we start ourselves is named by its full path."""
    done = cli.run("map", "exit 0 # {}", ":::", "1", PATH="")
    assert done.status == 0, done


PLACES = {
    "\x1b[31m.db": 0,
    "a?b#c%41.db": 0,
    "x" * 300: 3,
    "no/such/folder.db": 3,
    "file:x?mode=memory": 2,
    ":memory:": 2,
}


@pytest.mark.parametrize("place", PLACES, ids=ascii)
def test_the_store_that_the_environment_names(cli: CommandLine, place: str) -> None:
    done = cli.run("map", "--id", "r", "true", ":::", "1", ORCHESTRATOR_STORE=place)
    decent(done)
    assert done.status == PLACES[place]
    assert [path.name for path in cli.folder.iterdir()] == ([place] if done.status == 0 else [])
