"""Several processes on one store."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from events.log import EventLog, SQLiteRecorder

Spawn = Callable[[str, Path], "subprocess.Popen[str]"]

WRITE = """
import sys
from events.log import Batch, SQLiteRecorder, Written
sys.stdin.readline()
mine, conflicts = f"own{sys.stdin.readline().strip()}", 0
with SQLiteRecorder(sys.argv[1]) as recorder:
    for turn in range(60):
        (own,) = recorder.append([Batch(mine, turn * 2, [("A", b"a"), ("B", b"b")])])
        assert isinstance(own, Written), own
        while True:
            head = recorder.head("shared")
            (shared,) = recorder.append([Batch("shared", head.version if head else 0, [("C", mine.encode())])])
            if isinstance(shared, Written):
                break
            conflicts += 1
print(conflicts)
"""

OPEN = """
import sys
from events.log import Batch, SQLiteRecorder, Written
print("ready", flush=True)
sys.stdin.readline()
with SQLiteRecorder(sys.argv[1]) as recorder:
    (verdict,) = recorder.append([Batch(sys.stdin.readline().strip(), 0, [("A", b"a")])])
    assert isinstance(verdict, Written), verdict
print("done", flush=True)
"""

STREAM = """
import json, sys
from events.log import Batch, SQLiteRecorder
version = int(sys.stdin.readline())
with SQLiteRecorder(sys.argv[1]) as recorder:
    while True:
        (verdict,) = recorder.append([Batch("p", version, [("ParentSettled", b'{"at":1}')] * 3)])
        version = verdict.head.version
        print(json.dumps([version, verdict.positions[-1], verdict.head.hash.hex()]), flush=True)
"""


def say(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


def test_four_processes_write_and_a_reader_misses_nothing(spawn: Spawn, path: Path) -> None:
    with SQLiteRecorder(path) as recorder:
        processes = [spawn(WRITE, path) for _ in range(4)]
        for number, process in enumerate(processes):
            say(process, f"\n{number}\n")
        seen: list[int] = []
        total = 4 * 60 * 3
        with recorder.subscribe() as subscription:
            for notification in subscription:
                seen.append(notification.id)
                if len(seen) == total:
                    break
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
        assert seen == list(range(1, total + 1))
        assert recorder.last_position() == total
        assert [row.version for row in recorder.rows("shared")] == list(range(1, 241))
        for number in range(4):
            assert [row.version for row in recorder.rows(f"own{number}")] == list(range(1, 121))


def test_eight_processes_open_a_new_store_at_once(spawn: Spawn, path: Path) -> None:
    processes = [spawn(OPEN, path) for _ in range(8)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for number, process in enumerate(processes):
        say(process, f"\np{number}\n")
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert (output, process.returncode) == ("done\n", 0)
    with SQLiteRecorder(path) as recorder:
        assert sorted(name for name, _ in recorder.parents()) == [f"p{number}" for number in range(8)]


def test_what_was_acknowledged_survives_kill_9(spawn: Spawn, path: Path) -> None:
    version = 0
    for acknowledged in (1, 20, 150, 3, 60):
        process = spawn(STREAM, path)
        say(process, f"{version}\n")
        assert process.stdout is not None
        line = ""
        for _ in range(acknowledged):
            line = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=30)
        whole = [text for text in rest.splitlines() if text.endswith("]")]
        last_version, last_position, last_hash = json.loads(whole[-1] if whole else line)
        with EventLog(SQLiteRecorder(path, must_exist=True)) as log:
            found = list(log.read("p"))
            assert found[last_version - 1].hash.hex() == last_hash
            assert found[last_version - 1].position == last_position
            assert len(found) % 3 == 0
            version = len(found)
