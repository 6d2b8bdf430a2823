"""Starting `orchestrator` in a folder of its own, and asking what it left there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple, Self

import pytest

from events.errors import OrchestratorError
from events.log import open_log
from orchestrator import queries
from orchestrator.cli.main import console
from tests.support.waiting import until

TIMEOUT_SECONDS = 60.0
Word = str | bytes


class Done(NamedTuple):
    """How a command ended."""

    status: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        return self.output.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.output)

    @property
    def objects(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


class Going:
    """A command that still runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> Done:
        output, errors = self.process.communicate(timeout=TIMEOUT_SECONDS)
        return Done(self.process.returncode, output, errors.decode())


class CommandLine:
    """`orchestrator` in a folder. The store is `orchestrator.db` there, unless a command says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "orchestrator.db"
        self.environment = {
            name: value for name, value in os.environ.items() if name not in ("ORCHESTRATOR_STORE", "COLUMNS")
        }
        self._going: list[Going] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for going in self._going:
            process = going.process
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def argv(self, *words: Word) -> list[Word]:
        return [sys.executable, "-m", "orchestrator", *words]

    def run(self, *words: Word, items: bytes = b"", before: Sequence[Word] = (), **environment: str) -> Done:
        """Run a command to its end. `before` stands before the interpreter: a shell, say, that closes a stream."""
        done = subprocess.run(
            [*before, *self.argv(*words)],
            input=items,
            capture_output=True,
            cwd=self.folder,
            env={**self.environment, **environment},
            timeout=TIMEOUT_SECONDS,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    def ask(self, *words: str) -> Done:
        """Run a command to its end without a process of its own, which saves most of the time of a mere question."""
        with _captured() as captured, pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.delenv("ORCHESTRATOR_STORE", raising=False)
            patch.setattr(sys, "argv", ["orchestrator", *words])
            patch.setattr(sys, "path", list(sys.path))
            status = console()
            output, errors = captured()
        return Done(status, output, errors.decode())

    def python(self, program: str, *words: Word) -> Done:
        """Run the command line in an interpreter where `program` ran before."""
        whole = f"import sys\n{program}\nfrom orchestrator.cli.main import console\nsys.exit(console())"
        done = subprocess.run(
            [sys.executable, "-c", whole, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.folder,
            env=self.environment,
            timeout=TIMEOUT_SECONDS,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    def begin(self, *words: Word, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.PIPE) -> Going:
        """Start a command. What still runs when the test is over is killed."""
        going = Going(
            subprocess.Popen(
                self.argv(*words),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=self.folder,
                env=self.environment,
            )
        )
        self._going.append(going)
        return going

    def again(self, line: str) -> Done:
        """Run a command line that was printed."""
        program, *words = shlex.split(line)
        assert program == "orchestrator"
        return self.run(*words)

    def status(self, run_id: str) -> Any:
        """What `status --json` prints."""
        return self.ask("status", run_id, "--json").json

    def types(self, run_id: str, store: Path | None = None) -> list[str]:
        """The types of the events on record, without a process; empty while there is no such run."""
        try:
            with open_log(store or self.store, must_exist=True) as log:
                return [event.type for event in queries.history_of(log, run_id)]
        except OrchestratorError:
            return []

    def wait_for(self, run_id: str, event: str, count: int = 1, store: Path | None = None) -> None:
        """Wait until so many events of a type are on record."""
        until(
            lambda: self.types(run_id, store).count(event) >= count,
            what=lambda: f"{count} of {event} in {self.types(run_id, store)}",
        )


@contextmanager
def _captured() -> Iterator[Callable[[], tuple[bytes, bytes]]]:
    """Capture what is written to the descriptors 1 and 2."""
    with TemporaryFile() as output, TemporaryFile() as errors, ExitStack() as restoring:
        for descriptor, file in ((1, output), (2, errors)):
            before = os.dup(descriptor)
            restoring.callback(os.close, before)
            restoring.callback(os.dup2, before, descriptor)
            os.dup2(file.fileno(), descriptor)

        def captured() -> tuple[bytes, bytes]:
            for file in (output, errors):
                file.seek(0)
            return output.read(), errors.read()

        yield captured
