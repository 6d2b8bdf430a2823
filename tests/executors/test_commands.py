"""Shell commands: how they end, and what is kept of what they print."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.executors.captured import CapturedOutput
from actors.executors.work import AttemptKey, Ending, Work

if TYPE_CHECKING:
    from tests.executors.conftest import Desk

MakeDesk = Callable[..., "Desk"]
MEBIBYTE = 1_048_576


def printed(ending: Ending) -> tuple[bytes, bytes]:
    """Return all that a command printed, and close it."""
    stdout, stderr = io.BytesIO(), io.BytesIO()
    assert isinstance(ending.raw, CapturedOutput)
    with ending.raw as raw:
        raw.copy_to(stdout, stderr)
    return stdout.getvalue(), stderr.getvalue()


# How commands end


def test_success_keeps_what_was_printed(desk: Desk) -> None:
    assert desk.output("echo out; echo err >&2") == {"exit_status": 0, "stdout": "out\n", "stderr": "err\n"}
    assert desk.ending().raw is None


@pytest.mark.parametrize(
    ("command", "message", "exit_status", "signal_name"),
    [
        ("exit 3", "exit status 3", 3, None),
        ("/no/such/program", "exit status 127", 127, None),
        ("kill -SEGV $$", "killed by SIGSEGV", None, "SIGSEGV"),
        ("kill -40 $$", "killed by signal 40", None, "signal 40"),
    ],
)
def test_failure(desk: Desk, command: str, message: str, exit_status: int, signal_name: str) -> None:
    assert desk.run(f"echo out; {command} 2>/dev/null").outcome == "failed"
    assert desk.error() == {
        "type": "CommandFailed",
        "message": message,
        "exit_status": exit_status,
        "signal": signal_name,
        "stdout": "out\n",
        "stderr": "",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (json.dumps({"command": "echo a\0b"}), "its command contains a NUL character"),
        (json.dumps({"command": 7}), "no text named 'command'"),
        (json.dumps(["echo"]), "no text named 'command'"),
        ("nonsense", "Expecting value"),
        (json.dumps({"command": "echo \ud800"}), "surrogates not allowed"),
        (json.dumps({"command": ": " + "x" * 140_000}), "Argument list too long"),
    ],
)
def test_what_cannot_be_run_fails_and_says_why(desk: Desk, text: str, complaint: str) -> None:
    desk.submit(Work(desk.key(), 0, "shell", text))
    assert desk.ending().outcome == "failed"
    assert desk.error()["type"] == "CommandNotStarted"
    assert complaint in desk.error()["message"]
    assert desk.run("echo on", "b").outcome == "succeeded"


def test_other_tasks_and_ids_with_nul_are_refused(desk: Desk) -> None:
    desk.submit(desk.work("true")._replace(task="checksum"), desk.work("true", "b\0"))
    assert "its task is 'checksum'" in desk.error()["message"]
    assert "its child id contains a NUL character" in desk.error("b\0")["message"]


# What commands find


def test_variables_and_folder(desk: Desk) -> None:
    names = "$ORCHESTRATOR_PARENT_ID $ORCHESTRATOR_CHILD_ID $ORCHESTRATOR_ATTEMPT $ORCHESTRATOR_KEY $HOME"
    work = desk.work(f'echo "{names}"; pwd', "b c=d")
    desk.submit(work._replace(key=AttemptKey("parent", "b c=d", 7)))
    output = json.loads(desk.ending("b c=d").output or "")
    assert output["stdout"] == f"parent b c=d 7 parent/b c=d {os.environ['HOME']}\n{Path.cwd()}\n"


def test_folder_is_that_of_the_executors_making(make_desk: MakeDesk, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    desk = make_desk()
    monkeypatch.chdir("/")
    assert desk.output("pwd")["stdout"] == f"{tmp_path}\n"


def test_undecodable_bytes_and_leading_dashes_arrive_as_they_are(make_desk: MakeDesk) -> None:
    desk = make_desk(keep_raw=True)
    command = os.fsdecode(b"printf %s 'a\xff\xfe b'")
    assert printed(desk.run(command)) == (b"a\xff\xfe b", b"")
    desk.run("-x", "b").raw.close()
    assert "-x: not found" in desk.error("b")["stderr"]


def test_no_input_no_terminal_no_signal_blocked_or_ignored(desk: Desk) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    try:
        assert desk.output("cat; (: < /dev/tty) 2>&1 | grep -c 'No such device'")["stdout"] == "1\n"
        assert desk.run("exec > /dev/null 2>&1; sleep 0.05", "silent").outcome == "succeeded"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    desk.submit(desk.work("grep -E 'Sig(Blk|Ign)' /proc/self/status", "b"))
    lines = json.loads(desk.ending("b").output or "")["stdout"].split()
    assert int(lines[1], 16) == 0
    assert not int(lines[3], 16) & (1 << (signal.SIGPIPE - 1))


def test_only_the_standard_streams_are_open(desk: Desk) -> None:
    output = desk.output("sleep 0; ls /proc/$$/fd")["stdout"].split()
    assert sorted(output) == ["0", "1", "2"]


# What they print


def test_output_is_whole_and_unmixed(make_desk: MakeDesk) -> None:
    desk = make_desk(keep_raw=True, output_bytes_max=1000)
    script = "i=0; while [ $i -lt 4 ]; do head -c {n} /dev/zero | tr '\\0' {c}; i=$((i+1)); done; echo {c} >&2"
    names = [f"{chr(97 + number % 26)}{number}" for number in range(50)]
    desk.submit(*(desk.work(script.format(n=MEBIBYTE // 4, c=name[0]), name) for name in names))
    for name in names:
        ending = desk.ending(name)
        stdout, stderr = printed(ending)
        assert stdout == name[0].encode() * MEBIBYTE
        assert stderr == name[0].encode() + b"\n"
        kept = json.loads(ending.output or "")
        assert kept == {"exit_status": 0, "stdout": name[0] * 1000, "stderr": f"{name[0]}\n", "truncated": True}


def test_output_that_is_cut_within_a_character(make_desk: MakeDesk) -> None:
    assert make_desk(output_bytes_max=4).output("printf 'a\u20ac\u20ac'")["stdout"] == "a\u20ac"
    assert make_desk(output_bytes_max=5).output("printf 'a\u20ac\u20ac'")["stdout"] == "a\u20ac"
    assert make_desk(output_bytes_max=0).output("echo a")["stdout"] == ""


def test_binary_output(make_desk: MakeDesk) -> None:
    desk = make_desk(keep_raw=True)
    ending = desk.run("printf '\\377\\000a\\303'")
    assert printed(ending) == (b"\xff\x00a\xc3", b"")
    assert json.loads(ending.output or "")["stdout"] == "\ufffd\x00a\ufffd"


def test_opening_the_standard_streams_anew_cuts_nothing(desk: Desk) -> None:
    output = desk.output("echo 1 >&2; echo 2 > /dev/stderr; echo 3 >&2; echo 4; echo 5 | tee /dev/stdout; echo 6")
    assert output["stderr"] == "1\n2\n3\n"
    assert output["stdout"].split() == ["4", "5", "5", "6"]


def test_output_that_cannot_be_kept_fails_the_command(make_desk: MakeDesk, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    desk = make_desk(keep_raw=True, output_bytes_max=10)
    ending = desk.run("yes")
    assert ending.outcome == "failed"
    assert desk.error()["message"] == "its output could not be kept: No such file or directory"
    with pytest.raises(OSError, match="could not be kept"):
        printed(ending)


def test_captured_output_can_be_copied_twice_and_closed_twice(make_desk: MakeDesk) -> None:
    desk = make_desk(keep_raw=True, output_bytes_max=3)
    raw = desk.run("echo whole").raw
    desk.executor.forget([desk.key()])
    desk.executor.close(grace_seconds=0)
    for _ in range(2):
        stdout = io.BytesIO()
        raw.copy_to(stdout, io.BytesIO())
        assert stdout.getvalue() == b"whole\n"
    raw.close()
    raw.close()
    with pytest.raises(ValueError, match="closed"):
        raw.copy_to(io.BytesIO(), io.BytesIO())


def test_captured_output_is_not_inherited(make_desk: MakeDesk) -> None:
    desk = make_desk(keep_raw=True, output_bytes_max=0)
    with desk.run("echo out; echo err >&2").raw:
        listing = ["ls", "-l", "/proc/self/fd"]
        assert "(deleted)" not in subprocess.run(listing, close_fds=False, capture_output=True, text=True).stdout


def test_nothing_starts_while_too_many_captured_outputs_are_open(make_desk: MakeDesk) -> None:
    desk = make_desk(keep_raw=True, raw_open_max=2)
    first, second = desk.run("echo 1", "1"), desk.run("echo 2", "2")
    desk.submit(desk.work("echo 3", "3"), desk.work("echo 4", "4"), desk.work("echo 5", "5"))
    desk.executor.cancel([desk.key("4")], reason="enough")
    assert desk.ending("4").outcome == "cancelled"
    assert not desk.endings["3"]
    first.raw.close()
    assert printed(desk.ending("3")) == (b"3\n", b"")
    desk.ending("5").raw.close()
    second.raw.close()


# Keys


def test_work_that_runs_goes_on_and_reports_to_who_asked_last(desk: Desk, tmp_path: Path) -> None:
    work = desk.work(f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo run >> {tmp_path}/runs")
    early: list[Ending] = []
    desk.executor.submit([work], lambda _, ending: early.append(ending))
    desk.submit(work)
    (tmp_path / "go").touch()
    assert desk.ending().outcome == "succeeded"
    assert not early
    assert (tmp_path / "runs").read_text() == "run\n"


def test_work_that_has_ended_reports_once_more_until_it_is_forgotten(desk: Desk, tmp_path: Path) -> None:
    work = desk.work(f"echo run >> {tmp_path}/runs")
    first = desk.run(f"echo run >> {tmp_path}/runs")
    desk.submit(work)
    assert desk.ending(calls=2) is first
    desk.executor.forget([desk.key(), desk.key("unknown")])
    desk.submit(work)
    assert desk.ending(calls=3).outcome == "succeeded"
    assert (tmp_path / "runs").read_text() == "run\n" * 2


def test_an_attempt_forgotten_while_it_runs_is_reported_but_not_kept(desk: Desk, tmp_path: Path) -> None:
    work = desk.work(f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo run >> {tmp_path}/runs")
    desk.submit(work)
    desk.executor.forget([desk.key()])
    (tmp_path / "go").touch()
    desk.ending()
    desk.submit(work)
    desk.ending(calls=2)
    assert (tmp_path / "runs").read_text() == "run\n" * 2


# Many


def test_300_commands_8_at_a_time(desk: Desk) -> None:
    waiting = iter(range(300))
    finished = threading.Semaphore(0)

    def submit() -> None:
        number = next(waiting, None)
        if number is not None:
            desk.executor.submit([desk.work(f"echo {number}", str(number))], done)

    def done(key: AttemptKey, ending: Ending) -> None:
        desk.done(key, ending)
        submit()
        finished.release()

    for _ in range(8):
        submit()
    for _ in range(300):
        assert finished.acquire(timeout=30)
    for number in range(300):
        assert json.loads(desk.ending(str(number)).output or "")["stdout"] == f"{number}\n"


def test_submit_does_not_wait_for_the_spawner(desk: Desk) -> None:
    works = [desk.work(f": {'x' * 100_000}; echo {number}", str(number)) for number in range(100)]
    desk.submit(*works)
    for number in range(100):
        assert json.loads(desk.ending(str(number)).output or "")["stdout"] == f"{number}\n"


def test_a_done_that_raises_is_logged_and_hurts_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def done(key: AttemptKey, ending: Ending) -> None:
        raise RuntimeError("nobody at home")

    desk.executor.submit([desk.work("true")], done)
    assert desk.run("true", "b").outcome == "succeeded"
    assert "nobody at home" in caplog.text
