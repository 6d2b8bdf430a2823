"""What the threat model promises of files, processes and descriptors. Each line of it names one of these tests."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import Child, Orchestrator, Parallel
from tests.cli.driver import CommandLine
from tests.support.waiting import until

SRC = Path(__file__).resolve().parents[2] / "src"


def _modes(folder: Path, pattern: str) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob(pattern)}


def test_all_files_of_a_store_are_the_owners_alone_even_with_umask_0(cli: CommandLine) -> None:
    before = os.umask(0)
    try:
        with Orchestrator(cli.store) as orchestrator:
            orchestrator.start(Parallel(children=[Child(command="true")]), id="r").settle(timeout=30)
            modes = _modes(cli.folder, "orchestrator.db*")
    finally:
        os.umask(before)
    assert set(modes) == {"orchestrator.db", "orchestrator.db-wal", "orchestrator.db-shm"}
    assert set(modes.values()) == {0o600}


def test_a_store_is_never_made_over_what_somebody_else_puts_there(cli: CommandLine) -> None:
    """A link that leads to another file is followed to it, once, and that file is refused, not written over."""
    victim = cli.folder / "victim"
    victim.write_text("precious")
    cli.store.symlink_to(victim)
    assert cli.ask("map", "true", ":::", "1").status == 3
    assert victim.read_text() == "precious"


def test_what_commands_print_is_kept_in_files_without_a_name(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = cli.folder / "tmp"
    temporary.mkdir()
    going = cli.begin("map", "--id", "r", f"seq 100000; ls {temporary}; sleep 60 # {{}}", ":::", "1")
    cli.wait_for("r", "ChildStarted")
    assert list(temporary.iterdir()) == []
    going.signal(2)
    going.end()
    assert list(temporary.iterdir()) == []


def test_a_command_inherits_three_descriptors_and_nothing_of_ours(cli: CommandLine) -> None:
    """Neither the store nor the socket to the spawner: a command cannot write to them but by their paths."""
    done = cli.run("map", "ls /proc/$$/fd; cat; : {}", ":::", "1", items=b"secret input")
    assert done.status == 0
    assert done.output.split() == [b"0", b"1", b"2"]


def test_the_spawner_shows_no_command_on_its_command_line(cli: CommandLine) -> None:
    with Orchestrator(cli.store) as orchestrator:
        run = orchestrator.start(Parallel(children=[Child(command="sleep 30 # s3cret")]), id="r")
        commands = orchestrator._engine.executors.commands
        until(lambda: commands.spawner_process_id is not None, what="a spawner")
        spawner = commands.spawner_process_id
        words = Path(f"/proc/{spawner}/cmdline").read_bytes()
        mode = stat.S_IMODE(Path(f"/proc/{spawner}/environ").stat().st_mode)
        run.cancel()
    assert b"s3cret" not in words
    assert mode & 0o077 == 0, "the environment of a process is its user's alone"


STARTERS = ("Popen", "run", "call", "check_call", "check_output", "system", "popen", "posix_spawn", "execv", "execve")


def test_every_process_is_started_without_a_shell_but_the_users_own_command() -> None:
    found = []
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STARTERS:
                holder = ast.unparse(node.func.value)
                if holder in ("subprocess", "os"):
                    found.append((str(path.relative_to(SRC)), f"{holder}.{node.func.attr}"))
    assert found == [
        ("actors/executors/process_link.py", "subprocess.Popen"),
        ("actors/executors/spawner.py", "os.posix_spawn"),
        ("actors/executors/spawner_link.py", "subprocess.Popen"),
    ]


def test_the_spawner_imports_nothing_from_the_current_folder_or_the_users_paths(cli: CommandLine) -> None:
    for name in ("actors", "selectors", "heapq", "sitecustomize", "usercustomize"):
        (cli.folder / f"{name}.py").write_text("open('owned', 'w')\n")
    with Orchestrator(cli.store) as orchestrator:
        before = Path.cwd()
        os.chdir(cli.folder)
        try:
            run = orchestrator.start(Parallel(children=[Child(command="true")]), id="r")
            assert run.settle(timeout=30).status == "succeeded"
        finally:
            os.chdir(before)
    assert not (cli.folder / "owned").exists()


def test_the_console_script_imports_nothing_from_the_current_folder(cli: CommandLine) -> None:
    for name in ("yaml", "rich", "pydantic", "sqlite3", "actors", "events"):
        (cli.folder / f"{name}.py").write_text("open('owned', 'w')\n")
    (cli.folder / "plan.yaml").write_text("tasks: [{id: a, run: 'true'}]\n")
    script = Path(sys.executable).with_name("orchestrator")
    done = subprocess.run(
        [script, "run", "plan.yaml"], cwd=cli.folder, env=cli.environment, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not (cli.folder / "owned").exists()


def test_a_plan_imports_only_what_it_names_and_runs_only_tasks(cli: CommandLine) -> None:
    (cli.folder / "mine.py").write_text(
        "from orchestrator import task\nplain = print\n@task\ndef fine() -> None: ...\n"
    )
    for use in ("os:system", "mine:plain"):
        (cli.folder / "plan.yaml").write_text(f"tasks: [{{id: a, use: '{use}'}}]\n")
        done = cli.run("run", "plan.yaml")
        assert done.status == 2
        assert "only functions marked @task can be named" in done.errors
    assert not cli.store.exists()


def test_what_a_child_prints_is_passed_on_as_it_is(cli: CommandLine) -> None:
    """The contract: a child's own output belongs to it, escapes and all. `children` shows it safely."""
    done = cli.run("map", "--id", "r", "printf '\\033[31m'; : {}", ":::", "1")
    assert done.output == b"\x1b[31m"
    assert "\x1b" not in cli.ask("children", "r").text


def test_secrets_in_an_address_are_not_repeated(cli: CommandLine) -> None:
    done = cli.ask("list", "--store", "postgresql://me:s3cret@127.0.0.1:1/db")
    assert done.status == 3, "nobody listens there"
    assert "s3cret" not in done.errors


def test_payloads_are_in_the_store_in_plain_text(cli: CommandLine) -> None:
    """Honest, not wished for: who can read the file reads everything."""
    assert cli.run("map", "true", ":::", "s3cret").status == 0
    assert b"s3cret" in cli.store.read_bytes()


def test_who_can_write_the_store_can_forge_it(cli: CommandLine) -> None:
    """Honest, not wished for: a stream that is rewritten with fitting hashes is taken for what it says."""
    from tests.hostile.forgery import encoded, forge, honest_history

    facts = [(name, {**fields}) for name, fields in honest_history()]
    facts[1][1]["input"] = '{"command":"echo forged","input":{}}'
    forge(cli.store, encoded(facts))
    assert "forged" in cli.ask("children", "r").text
