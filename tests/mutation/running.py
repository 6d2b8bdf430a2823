"""One pytest session that has everything imported and collected, and forks a process for each mutant.

The process brings its mutant to life, runs the tests that run the mutated lines and ends at the first that fails.
A test that takes too long is ended from outside, with everything it started; the mutant counts as caught.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, NoReturn

import pytest

from tests.mutation.killers import Named, Order
from tests.mutation.mutants import Mutant
from tests.mutation.source import Source
from tests.mutation.swapping import Functions, MutatedImport, forget_ours
from tests.mutation.watching import OPTIONS, Failure, tame

MEMORY_BYTES_MAX: Final = 3 * 1024**3
CPU_SECONDS_MAX: Final = 900
LEAST_SECONDS: Final = 20.0
"""How long any test may take at least, for the machine may be busy."""
TIMES_AS_LONG: Final = 15
IMPORT_SECONDS: Final = 60.0

Fate = Literal["killed", "timed out", "survived", "uncovered"]


class Result(NamedTuple):
    """What became of a mutant, and which test it was."""

    mutant: Mutant
    fate: Fate
    test: str
    seconds: float


@dataclass
class _Job:
    mutant: Mutant
    pid: int
    pipe: int
    began: float
    deadline: float
    folder: Path
    test: str = ""
    killed: bool = False
    unread: bytes = b""
    said: list[str] = field(default_factory=list)


class Runner:
    """Runs mutants inside a collected session."""

    def __init__(
        self, session: pytest.Session, order: Order | Named, folder: Path, *, jobs: int, examples_max: int
    ) -> None:
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        self._order = order
        self._folder = folder
        self._jobs = jobs
        self._examples_max = examples_max
        self._running: dict[int, _Job] = {}
        self._sources: dict[str, Source] = {}
        tame(session.items, examples_max)
        self._functions = Functions()

    def run(self, mutants: Iterable[Mutant]) -> Iterator[Result]:
        """Yield what becomes of each mutant, in the order in which that is known."""
        for mutant in mutants:
            tests = [test for test in self._order.of(mutant) if test in self._items]
            if not tests:
                yield Result(mutant, "uncovered", "", 0.0)
                continue
            while len(self._running) >= self._jobs:
                yield from self._reap()
            self._begin(mutant, tests)
        while self._running:
            yield from self._reap()

    def _begin(self, mutant: Mutant, tests: list[str]) -> None:
        source = self._sources.setdefault(mutant.module, Source.read(mutant.module))
        folder = self._folder / mutant.id
        here, there = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(here)
            in_child(lambda: self._live(mutant, source, tests, folder, Failure(there)))
        os.close(there)
        os.set_blocking(here, False)
        now = time.monotonic()
        self._running[pid] = _Job(mutant, pid, here, now, now + IMPORT_SECONDS, folder)

    def _live(self, mutant: Mutant, source: Source, tests: list[str], folder: Path, failure: Failure) -> int:
        if self._functions.swap(mutant, source):
            self._hot(tests, folder, failure)
            if not self._order.runs_at_import(mutant):
                return 0
        return self._cold(mutant, source, tests, folder, failure)

    def _hot(self, tests: list[str], folder: Path, failure: Failure) -> None:
        config = self._session.config
        config.pluginmanager.register(failure)
        config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined]
        folder.mkdir(parents=True)
        items = [self._items[test] for test in tests]
        for item, following in zip(items, [*items[1:], None], strict=True):
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _cold(self, mutant: Mutant, source: Source, tests: list[str], folder: Path, failure: Failure) -> int:
        shutil.rmtree(folder, ignore_errors=True)
        forget_ours()
        sys.meta_path.insert(0, MutatedImport(mutant, source))
        files = sorted({test.partition("::")[0] for test in tests})
        plugins = [failure, Chosen(tests, self._examples_max)]
        code = pytest.main([*OPTIONS, f"--basetemp={folder}", *files], plugins=plugins)
        if code:
            failure.say("killed", f"(pytest ended with {code!r})")
        return int(code)

    def _reap(self) -> Iterator[Result]:
        """Yield the results of those that have ended, after a moment."""
        time.sleep(0.005)
        for job in list(self._running.values()):
            pid, status = os.waitpid(job.pid, os.WNOHANG)
            self._listen(job)
            late = not pid and time.monotonic() > job.deadline
            if pid or late:
                yield self._end(job, status, late=late)

    def _listen(self, job: _Job) -> None:
        try:
            job.unread += os.read(job.pipe, 1 << 20)
        except BlockingIOError:
            return
        *lines, job.unread = job.unread.split(b"\n")
        for line in lines:
            kind, _, test = line.decode().partition("\t")
            job.test, job.killed = test, kind == "killed"
            limit = max(LEAST_SECONDS, TIMES_AS_LONG * self._order.seconds(test))
            job.deadline = time.monotonic() + limit

    def _end(self, job: _Job, status: int, *, late: bool) -> Result:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        if late:
            os.waitpid(job.pid, 0)
        os.close(job.pipe)
        shutil.rmtree(job.folder, ignore_errors=True)
        del self._running[job.pid]
        seconds = time.monotonic() - job.began
        if late and not job.killed:
            return Result(job.mutant, "timed out", job.test, seconds)
        if job.killed or status:
            self._order.killed_by(job.test)
            return Result(job.mutant, "killed", job.test if job.killed else f"{job.test} (crashed)", seconds)
        return Result(job.mutant, "survived", "", seconds)


class Chosen:
    """A plugin that runs the chosen tests in their order, and no others."""

    def __init__(self, tests: list[str], examples_max: int) -> None:
        self._place = {test: place for place, test in enumerate(tests)}
        self._examples_max = examples_max

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self._place), key=lambda i: self._place[i.nodeid])
        tame(items, self._examples_max)


def in_child(work: Callable[[], int]) -> NoReturn:
    """Do something in a forked child, in silence, and end there."""
    code = 99
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        silence = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(silence, descriptor)
        code = work()
    finally:
        os._exit(code)
