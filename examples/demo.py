"""The main job, on real input: fan out, get killed in the middle, go on, and prove that nothing was lost.

    make demo

Every Python file of the running interpreter's standard library is compressed, several at a time, and 99 % of them have
to succeed. In the middle the run is killed with SIGKILL. A new process resumes it. In the end the log is replayed.
Everything happens in a temporary folder, with the same commands that you would type. The exit status is 0 only if
every claim held.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from orchestrator import Orchestrator, OrchestratorError

RUN: Final = "stdlib"
VANISHED: Final = 3
"""How many names are on the list whose files are gone: honest failures."""
MAP: Final = f"""\
orchestrator map --id {RUN} -j 4 --threshold 99% --on-decided continue \\
    'gzip -9 -c {{}} > out/{{#}}.gz' < files.txt"""
PATIENCE_SECONDS: Final = 50.0

Event = dict[str, Any]


class Demo:
    """A terminal session in a folder of its own: says what it does, does it, and checks what it claims."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken = 0
        command = folder / "bin" / "orchestrator"  # the one of this interpreter, whatever else is installed
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestrator "$@"\n')
        command.chmod(0o755)
        self._environment = {**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        self._environment.pop("ORCHESTRATOR_STORE", None)

    def say(self, text: str) -> None:
        """Print a paragraph."""
        print(f"\n{text}", flush=True)

    def claim(self, *, holds: bool, text: str) -> None:
        """Print whether something is so, and remember if it is not."""
        self.broken += not holds
        print(f"  {'ok  ' if holds else 'NOT '} {text}", flush=True)

    def begin(self, command: str) -> subprocess.Popen[bytes]:
        """Show a command and begin it. What is killed later is the command itself, not a shell around it."""
        print(f"\n$ {command}", flush=True)
        return self._shell(f"exec {command}")

    def run(self, command: str, *, expect: int = 0) -> None:
        """Show a command, run it, and check its exit status."""
        print(f"\n$ {command}", flush=True)
        with self._shell(command) as process:
            status = process.wait(PATIENCE_SECONDS)
        if status != expect:
            self.claim(holds=False, text=f"exit status {expect} (it was {status})")

    def read(self, command: str) -> str:
        """Return what a command prints, without showing it."""
        return subprocess.check_output(  # noqa: S602 - every command of this file is written in it
            command, shell=True, cwd=self.folder, env=self._environment, text=True, timeout=PATIENCE_SECONDS
        )

    def _shell(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, shell=True, cwd=self.folder, env=self._environment)  # noqa: S602 - as above


def standard_library() -> list[Path]:
    """Return every Python file of the standard library; what was installed besides is left out."""
    root = Path(sysconfig.get_path("stdlib"))
    others = {"site-packages", "dist-packages", "__pycache__"}
    return sorted(path for path in root.rglob("*.py") if not others.intersection(path.relative_to(root).parts))


def list_files(demo: Demo) -> list[Path]:
    """Write the list of files, with some names on it whose files are gone, and return it."""
    found = standard_library()
    step = len(found) // VANISHED
    files = list(found)
    for number in range(VANISHED):
        files.insert(number * (step + 1) + step // 2, demo.folder / f"vanished-{number + 1}.py")
    (demo.folder / "files.txt").write_text("".join(f"{path}\n" for path in files))
    (demo.folder / "out").mkdir()
    return files


def kill_in_the_middle(demo: Demo, process: subprocess.Popen[bytes], total: int) -> int:
    """Watch the log until a third of the children has succeeded, and kill the run; return how many had succeeded."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    succeeded = 0
    try:
        while succeeded * 3 < total:
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit("the run ended, or took too long, before a third was done")
            time.sleep(0.05)
            succeeded = successes(demo)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return succeeded


def successes(demo: Demo) -> int:
    """Return how many children have succeeded by now."""
    try:
        with Orchestrator(demo.folder / "orchestrator.db", must_exist=True) as orchestrator:
            return orchestrator.get(RUN).status().counts.succeeded
    except OrchestratorError:
        return 0  # it has only just begun


def events(demo: Demo) -> list[Event]:
    """Return the run's history as the command prints it."""
    return [json.loads(line) for line in demo.read(f"orchestrator events {RUN} --json").splitlines()]


def of_type(history: list[Event], name: str) -> Iterator[Event]:
    """Yield the events of a type."""
    return (event for event in history if event["type"] == name)


def replay(history: list[Event]) -> dict[str, Any]:
    """Fold the history by hand, in the shortest way, into what the status says of it."""
    outcomes = {event["data"]["child_id"]: event["data"]["outcome"] for event in of_type(history, "ChildFinished")}
    total = sum(1 for _ in of_type(history, "ChildPrepared"))
    required = -(-total * 99 // 100)
    succeeded = Counter(outcomes.values())["succeeded"]
    return {
        "status": "succeeded" if succeeded >= required else "failed",
        "settled": len(outcomes) == total,
        "succeeded": succeeded,
        "failed": Counter(outcomes.values())["failed"],
        "position": history[-1]["position"],
        "version": len(history),
    }


def check(demo: Demo, files: list[Path]) -> None:
    """Replay the log and hold it against the live status, the record against the files."""
    history = events(demo)
    live = json.loads(demo.read(f"orchestrator status {RUN} --json"))
    seen = {**live, **live["counts"]}
    folded = replay(history)
    differing = [name for name, value in folded.items() if seen[name] != value]
    demo.claim(holds=not differing, text=f"replaying {len(history):,} events gives the live status: {live['status']}")
    then = json.loads(demo.read(f"orchestrator status {RUN} --json --at {live['position']}"))
    demo.claim(holds=then == live, text=f"so does `orchestrator status {RUN} --at {live['position']}`")

    finished = Counter(event["data"]["child_id"] for event in of_type(history, "ChildFinished"))
    once = len(finished) == len(files) and set(finished.values()) == {1}
    demo.claim(holds=once, text=f"{len(finished):,} children finished, and none of them twice")
    check_attempts(demo, history)

    whole = sum(holds(demo.folder / "out" / f"{number}.gz", path) for number, path in enumerate(files, 1))
    demo.claim(holds=whole == len(files) - VANISHED, text=f"{whole:,} archives unpack to exactly what they came from")


def check_attempts(demo: Demo, history: list[Event]) -> None:
    """Check that the interrupted children ran again, and the finished ones did not."""
    lost = {event["data"]["child_id"]: event["position"] for event in of_type(history, "AttemptLost")}
    starts = Counter(event["data"]["child_id"] for event in of_type(history, "ChildStarted"))
    again = {child for child, count in starts.items() if count > 1}
    demo.claim(
        holds=bool(lost) and again == set(lost), text=f"{len(lost)} attempts were lost by the kill and run again"
    )
    kill = min(lost.values(), default=0)
    before = {event["data"]["child_id"] for event in of_type(history, "ChildFinished") if event["position"] < kill}
    demo.claim(
        holds=before.isdisjoint(again), text=f"{len(before):,} children had finished before it and were left alone"
    )


def holds(archive: Path, source: Path) -> bool:
    """Return whether an archive holds what its source holds."""
    return source.exists() and gzip.decompress(archive.read_bytes()) == source.read_bytes()


def show(demo: Demo) -> None:
    """Run the demo."""
    files = list_files(demo)
    demo.say(
        f"{len(files) - VANISHED:,} Python files of {sysconfig.get_path('stdlib')}, and {VANISHED} names whose files\n"
        "are gone. Compress them, four at a time; 99 % have to succeed."
    )
    process = demo.begin(MAP)
    done = kill_in_the_middle(demo, process, len(files))
    demo.say(f"Killed with SIGKILL (kill -9 {process.pid}) after {done:,} of {len(files):,}. What does the record say?")
    demo.run(f"orchestrator status {RUN}")
    demo.say("A new process goes on where the old one was interrupted.")
    demo.run(f"orchestrator resume {RUN}")
    demo.run(f"orchestrator status {RUN}")
    demo.run(f"orchestrator events {RUN} | tail -n 6 | cut -c 1-100")
    demo.say("Does the record hold what it promises? Replay it.")
    check(demo, files)


def main() -> int:
    """Run the demo in a temporary folder. Exit status 0 if all claims held."""
    if shutil.which("gzip") is None:
        print("this demo needs gzip", file=sys.stderr)
        return 2
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="orchestrator-demo-") as folder:
        demo = Demo(Path(folder))
        show(demo)
    seconds = time.monotonic() - started
    if demo.broken:
        demo.say(f"{demo.broken} claims did not hold.")
        return 1
    demo.say(f"All of it held, in {seconds:.0f} seconds. Nothing is left behind: the folder is gone.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
