"""Whether the owner on record still lives: this process, another one, one that ended, one elsewhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors import owner as owner_module
from actors.owner import new_owner, owner_alive, owner_words, retire_owner
from tests.support.waiting import until

SRC = Path(owner_module.__file__).parent.parent
HOST = socket.gethostname().replace(":", "_")


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another process that runs an orchestrator, and says under which name."""
    code = "from actors.owner import new_owner; print(new_owner(), flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)
    yield process
    process.kill()
    process.communicate()


def named(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_an_owner_is_named_by_host_process_start_and_number() -> None:
    first, second = new_owner(), new_owner()
    try:
        host, pid, began, number = first.rsplit(":", 3)
        assert (host, int(pid)) == (HOST, os.getpid())
        assert second.rsplit(":", 3)[:3] == [host, pid, began]
        assert int(second.rsplit(":", 1)[1]) == int(number) + 1
        boot, _, ticks = began.partition(".")
        assert len(boot) == 8
        assert int(ticks) > 0
    finally:
        retire_owner(first)
        retire_owner(second)


def test_an_owner_of_this_process_lives_until_it_is_retired() -> None:
    first, second = new_owner(), new_owner()
    assert owner_alive(first)
    retire_owner(first)
    assert not owner_alive(first)
    assert owner_alive(second)
    retire_owner(second)
    retire_owner(second)
    assert not owner_alive(second)


def test_an_owner_of_another_process_lives_as_long_as_that_one(other: subprocess.Popen[str]) -> None:
    owner = named(other)
    assert owner_alive(owner)
    host, pid, began, number = owner.rsplit(":", 3)
    assert not owner_alive(f"{host}:{pid}:{began}0:{number}"), "a later process has its id"
    os.kill(other.pid, signal.SIGKILL)
    until(lambda: not owner_alive(owner), what="a killed process, which nobody has waited for, to count as gone")
    other.communicate()
    assert not owner_alive(owner)


def test_an_earlier_process_with_this_ones_id_is_gone() -> None:
    owner = new_owner()
    host, pid, began, number = owner.rsplit(":", 3)
    assert not owner_alive(f"{host}:{pid}:{began}0:{number}")
    retire_owner(owner)


def test_an_owner_elsewhere_cannot_be_asked_and_counts_as_alive() -> None:
    assert owner_alive("elsewhere:1:2:3")
    assert owner_alive("else:where:1:2:3")


@pytest.mark.parametrize("owner", ["", "me", "a:b:c:d", f"{HOST}:x:1:1", f"{HOST}:1:1"])
def test_an_owner_that_cannot_be_read_is_gone(owner: str) -> None:
    assert not owner_alive(owner)


def test_a_host_with_a_colon_in_its_name_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "a:b_c")
    owner = new_owner()
    assert owner.startswith("a_b_c:")
    assert owner_alive(owner)
    retire_owner(owner)
    assert not owner_alive(owner)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that says nothing of its processes but whether they are there."""

    def read(path: Path, *_: object, **__: object) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", read)


@pytest.mark.usefixtures("silent")
def test_without_more_to_go_by_the_process_id_alone_tells() -> None:
    owner = new_owner()
    assert owner.rsplit(":", 3)[2] == "0"
    assert owner_alive(owner)
    retire_owner(owner)
    assert not owner_alive(owner)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    assert owner_alive(f"{HOST}:{process.pid}:0:1")
    process.communicate(b"\n")
    assert process.returncode == 0, "to be asked does not disturb it"
    assert not owner_alive(f"{HOST}:{process.pid}:0:1")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user who owns no process, where we are one who may choose."""
    users = os.getresuid()
    if 0 in users:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if 0 in users:
            os.seteuid(0)
            os.setresuid(*users)


@pytest.mark.usefixtures("silent")
def test_a_process_that_is_somebody_elses_lives() -> None:
    """The first process of a machine belongs to root, and cannot be signalled by others."""
    with as_nobody():
        assert owner_alive(f"{HOST}:1:0:1")


def test_a_process_that_is_somebody_elses_is_gone_once_it_ended(other: subprocess.Popen[str]) -> None:
    """Whether anybody has waited for it is for its own user to see to."""
    owner = named(other)
    with as_nobody():
        assert owner_alive(owner)
    os.kill(other.pid, signal.SIGKILL)
    until(lambda: not owner_alive(owner), what="a killed process, which nobody has waited for, to count as gone")
    with as_nobody():
        assert not owner_alive(owner)


def test_a_process_may_have_any_name(tmp_path: Path) -> None:
    python = tmp_path / os.fsdecode(b"a) Z 1\xff")
    python.symlink_to(Path(sys.executable).resolve())
    environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONHOME": sys.base_prefix}
    code = "from actors.owner import new_owner; print(new_owner(), flush=True); input()"
    process = subprocess.Popen([python, "-c", code], stdin=-1, stdout=-1, text=True, env=environment)
    owner = named(process)
    assert owner_alive(owner)
    process.communicate("\n")
    assert not owner_alive(owner)


def test_a_boot_that_nobody_tells_of_is_written_as_nought(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def without_boot(path: Path, *more: str, **named: str) -> str:
        if path.name == "boot_id":
            raise PermissionError(path)
        return read(path, *more, **named)

    monkeypatch.setattr(Path, "read_text", without_boot)
    owner = new_owner()
    assert owner.rsplit(":", 3)[2].startswith("0.")
    assert owner_alive(owner)
    retire_owner(owner)


@pytest.mark.parametrize(("length", "known"), [(19, False), (20, True), (52, True)])
def test_the_start_of_a_process_is_known_where_the_system_says_as_much(
    monkeypatch: pytest.MonkeyPatch, length: int, *, known: bool
) -> None:
    after_the_name = ["S", *(str(number) for number in range(1, length))]

    def read(path: Path, *_: object, **__: object) -> str:
        return "0123-4567\n" if path.name == "boot_id" else f"7 (python) {' '.join(after_the_name)}\n"

    monkeypatch.setattr(Path, "read_text", read)
    owner = new_owner()
    assert owner.rsplit(":", 3)[2] == ("0123-456.19" if known else "0")
    assert owner_alive(owner)
    retire_owner(owner)


def test_an_owner_is_shown_by_process_and_host() -> None:
    assert owner_words(new_owner()) == f"process {os.getpid()} on {HOST}"
    assert owner_words("ann") == "ann"
