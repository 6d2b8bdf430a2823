"""What the tests are watched for: which lines each of them runs, how long it takes, and the first one that fails."""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from types import CodeType, FrameType
from typing import Any, Final

import pytest
from hypothesis import Phase, settings

from tests.mutation.source import SRC

OPTIONS: Final = (
    "-q",
    "-s",
    "-p",
    "no:cacheprovider",
    "--timeout=0",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
"""How pytest is called: what takes too long is ended from outside."""

EXAMPLES_MAX: Final = 40
"""How many examples a Hypothesis test tries on a mutant, at most."""

TRACED_EXAMPLES_MAX: Final = 8
"""How many of them it tries while its lines are noted."""

HEAVY_SECONDS: Final = 1.5
"""A test that works for longer than this is not tried on mutants: lighter ones of its kind are."""


def tame(items: Sequence[pytest.Item], examples_max: int) -> None:
    """Make random tests try the same few examples each time, and shrink none."""
    for item in items:
        function = getattr(item, "function", None)
        case = getattr(item, "cls", None)
        known = getattr(function, "_hypothesis_internal_use_settings", None)
        if known is not None:
            function._hypothesis_internal_use_settings = _tamed(known, examples_max)  # type: ignore[union-attr]
        elif isinstance(getattr(case, "settings", None), settings):
            case.settings = _tamed(case.settings, examples_max)  # type: ignore[union-attr]


def _tamed(known: settings, examples_max: int) -> settings:
    return settings(
        known,
        max_examples=min(known.max_examples, examples_max),
        deadline=None,  # a machine that is busy kills no mutant
        phases=(Phase.explicit, Phase.generate),
        derandomize=True,
        database=None,
        print_blob=False,
    )


class Failure:
    """A plugin that tells of each test that begins, and ends the process at the first one that fails."""

    def __init__(self, tell: int) -> None:
        self._tell = tell

    def say(self, kind: str, what: str) -> None:
        os.write(self._tell, f"{kind}\t{what}\n".encode())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.say("start", nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.say("killed", report.nodeid)
            os._exit(1)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.say("killed", f"{report.nodeid} (collection)")
            os._exit(1)


class LineMap:
    """Which lines of ours each test runs, in this process, and how long it takes."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self.at_import: dict[str, list[int]] = {}
        self._lines: dict[str, set[int]] = {}
        self._done: set[CodeType] = set()
        """Functions all of whose lines were seen: they are traced no more."""
        self._ours = str(SRC) + os.sep

    def read(self, path: Path, digest: str) -> bool:
        """Add what is known of some tests; False where it is nothing, or of other sources."""
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if known.get("digest") != digest:
            return False
        self.tests |= known["tests"]
        self.at_import |= known["import"]
        return True

    def save(self, path: Path, digest: str) -> None:
        """Keep what is known; whoever is interrupted leaves the former file."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"digest": digest, "tests": self.tests, "import": self.at_import}))
        partial.rename(path)

    def run(self, items: Sequence[pytest.Item]) -> None:
        """Run every test once as it is, and once more traced."""
        for item, following in _with_next(items):
            began, worked = perf_counter(), process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            heavy = process_time() - worked > HEAVY_SECONDS
            self.tests[item.nodeid] = {"seconds": perf_counter() - began, "heavy": heavy, "lines": {}}
        tame(items, TRACED_EXAMPLES_MAX)
        for item, following in _with_next([item for item in items if not self.tests[item.nodeid]["heavy"]]):
            self._lines, self._done = {}, set()
            forget_answers()
            threading.settrace(self._enter)
            sys.settrace(self._enter)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            sys.settrace(None)
            threading.settrace(None)
            self.tests[item.nodeid]["lines"] = self._found()

    def trace_imports(self, files: Iterable[str]) -> None:
        """Note the lines that run when everything is imported, which must not have been imported yet."""
        self._lines, self._done = {}, set()
        sys.settrace(self._enter)
        code = pytest.main([*OPTIONS, "--collect-only", *dict.fromkeys(files)])
        sys.settrace(None)
        assert code == 0
        self.at_import = self._found()

    def _found(self) -> dict[str, list[int]]:
        return {name[len(self._ours) :]: sorted(found) for name, found in self._lines.items()}

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if code in self._done or not code.co_filename.startswith(self._ours):
            return None
        lines = self._lines.setdefault(code.co_filename, set())
        lines.add(frame.f_lineno)
        missing = {line for _, _, line in code.co_lines() if line is not None} - lines

        def step(frame: FrameType, event: str, argument: object) -> Any:
            lines.add(frame.f_lineno)
            missing.discard(frame.f_lineno)
            if missing:
                return step
            self._done.add(code)
            return None

        return step


def forget_answers() -> None:
    """Empty every cache of answers, so that a test runs the lines by which it gets its own."""
    for thing in gc.get_objects():
        if type(thing) is functools._lru_cache_wrapper:
            thing.cache_clear()


def _with_next(items: Sequence[pytest.Item]) -> list[tuple[pytest.Item, pytest.Item | None]]:
    return list(zip(items, [*items[1:], None], strict=False))  # None follows on the last, and on none at all
