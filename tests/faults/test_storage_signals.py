"""The command line stopped at random instants by every signal there is for it, then resumed to its end."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from threading import Event

from tests.faults import processes
from tests.faults.evidence import Ledger
from tests.faults.table import Tally

SCENARIO = "SIGKILL, SIGTERM, SIGHUP, SIGINT of the command line"
ITEMS = 12
COMMAND = "sleep 0.0{}; [ {} -gt 13 -o -e once.{} ] || { touch once.{}; exit 1; }; echo ended r {#} succeeded"
"""Some fail once and are tried again; what they print is printed when it is on record."""
EXITS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
READY_SECONDS = 1.5
"""Longer than the whole run takes on an idle machine."""


def go(folder: Path, ledger: Ledger, chance: random.Random, number: signal.Signals | None) -> int:
    """Begin or go on with the run, signal it at a random instant, and return its exit status."""
    where = ("--store", ledger.store)
    argv = processes.cli("map", *where, "--id", "r", "-j3", "--retries", 2, COMMAND, ":::", *range(10, 10 + ITEMS))
    if ledger.knows("r"):
        argv = processes.cli("resume", *where, "r")
    with processes.started(argv, folder=folder) as process:
        if number is not None:
            processes.until(lambda: listens(process.process.pid) or process.process.poll() is not None)
            Event().wait(chance.uniform(0.0, READY_SECONDS))  # the random instant itself, not a wait for anything
            process.signal(number)
        ended = process.end().no_traceback()
    ledger.take(ended.output)
    if number is None or ended.status == 0:
        assert ended.status == 0, ended
    else:
        assert ended.status in (EXITS.get(number, -number), -number), ended  # to a shell the two are the same
    return ended.status


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def listens(pid: int) -> bool:
    """Whether a command has come so far that it ends in good order when asked to."""
    return catches(pid, signal.SIGHUP)


def test_signals_at_random_instants(tmp_path: Path, rounds: int, chance: random.Random, tally: Tally) -> None:
    signals = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    for index in range(1 if rounds == 1 else 2 * rounds):
        folder = tmp_path / str(index)
        folder.mkdir()
        ledger = Ledger(folder / "runs.db")
        stopped = 0
        for _ in range(2 if rounds == 1 else 4):
            if go(folder, ledger, chance, signals[(index + stopped) % len(signals)]) == 0:
                break
            stopped += 1
            ledger.check()
        go(folder, ledger, chance, None)
        ledger.check_over({"r": {"succeeded"}})
        ledger.report(tally, SCENARIO, faults=stopped, completed=1)


def test_ctrl_c_during_the_imports_shows_no_traceback(
    tmp_path: Path, rounds: int, chance: random.Random, tally: Tally
) -> None:
    for _ in range(2 * rounds):
        words = processes.cli("map", "--store", tmp_path / "early.db", "echo", ":::", 1)
        with processes.started(words, folder=tmp_path) as process:
            wait_for_our_first_line(process.process.pid)
            Event().wait(chance.uniform(0.0, 0.2))  # as above
            process.signal(signal.SIGINT)
            ended = process.end().no_traceback()
        assert ended.status in (0, 130, -signal.SIGINT), ended
    tally(SCENARIO, rounds=2 * rounds, faults=2 * rounds)


def wait_for_our_first_line(pid: int) -> None:
    """Wait until the interpreter, which answers Ctrl-C with a traceback, has handed over to us."""
    seen: list[bool] = []

    def ours() -> bool:
        seen.append(catches(pid, signal.SIGINT))
        return listens(pid) or (any(seen) and not seen[-1])

    processes.until(ours)
