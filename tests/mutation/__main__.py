"""Change the program in small ways, one at a time, and see whether a test notices. `make mutants` is this."""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mutation.book import Book
from tests.mutation.killers import NOT_KILLERS, Order, digest, helpers, modules, test_folders, tests
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.running import Runner, in_child
from tests.mutation.source import ROOT, Source
from tests.mutation.swapping import forget_ours
from tests.mutation.watching import EXAMPLES_MAX, OPTIONS, LineMap, tame

FOLDER = ROOT / ".mutants"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run mutants and print what became of them."""
    options = _parser().parse_args(arguments)
    names = modules(options.modules)
    mutants = [mutant for name in names for mutant in mutants_of(Source.read(name))]
    if options.ids:
        mutants = [mutant for mutant in mutants if mutant.id in options.ids]
    if options.sample:
        mutants = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
    if not mutants:
        print("no mutants there", file=sys.stderr)
        return 2
    folders = test_folders(names)
    book = Book(FOLDER / "results.jsonl", digest([*helpers(folders), *tests(folders)]))
    if options.report:
        return book.report(mutants)
    mutants.sort(key=lambda mutant: not mutant.scope)  # those within functions are quick
    todo = mutants if options.ids else book.todo(mutants, anew=options.anew)
    if todo:
        session = Session(todo, book, options, folders)
        with tempfile.TemporaryDirectory(prefix="mutants-") as name:
            session.folder = Path(name)
            ignored = [f"--ignore={path}" for path in NOT_KILLERS]
            code = pytest.main([*OPTIONS, *ignored, f"--basetemp={name}/base", *folders], plugins=[session])
        if code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            return 2
    return book.report(mutants)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="paths below src that they begin with, or `core`; all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many mutants to run at once")
    parser.add_argument("--ids", nargs="*", help="run these mutants alone, whatever is known of them")
    parser.add_argument("--sample", type=int, help="run so many mutants, drawn by chance")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the sample")
    parser.add_argument("--anew", action="store_true", help="forget earlier results of these mutants")
    parser.add_argument("--examples", type=int, default=EXAMPLES_MAX, help="most examples of each random test")
    parser.add_argument("--budget", type=float, default=6.0, help="seconds of tests to try on each mutant, at most")
    parser.add_argument("--report", action="store_true", help="run nothing, print what is known")
    return parser


class Session:
    """The plugin that takes pytest's own loop's place."""

    folder: Path

    def __init__(self, todo: list[Mutant], book: Book, options: argparse.Namespace, folders: list[str]) -> None:
        self._todo = todo
        self._book = book
        self._options = options
        self._folders = folders

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the mutants where the tests would run."""
        lines = self._lines(session)
        options = self._options
        runner = Runner(
            session, Order(lines, options.budget), self.folder, jobs=options.jobs, examples_max=options.examples
        )
        gc.collect()
        gc.freeze()
        for number, result in enumerate(runner.run(self._todo), 1):
            self._book.add(result)
            mutant = result.mutant
            print(
                f"[{number}/{len(self._todo)}] {result.fate:9} {mutant.module}:{mutant.lines[0]} {mutant.id}"
                f" {mutant.operator} ({result.seconds:.1f} s) {result.test}",
                flush=True,
            )
        return True

    def _lines(self, session: pytest.Session) -> LineMap:
        """Return which lines each test runs, and which ones run at import: known, or found out in children."""
        folder = FOLDER / "lines"
        folder.mkdir(parents=True, exist_ok=True)
        lines = LineMap()
        children: dict[int, tuple[Path, str]] = {}
        by_file: dict[str, list[pytest.Item]] = {"": session.items}
        for item in session.items:
            by_file.setdefault(item.nodeid.partition("::")[0], []).append(item)
        for file, items in by_file.items():
            path = folder / f"{file.replace('/', '.') or '-'.join(self._folders).replace('/', '.')}.json"
            mark = digest([*helpers(self._folders), *([ROOT / file] if file else [])])
            if not lines.read(path, mark):
                print(f"looking which lines {file or 'the imports'} run ...", flush=True)
                children[self._find_lines(file, items, path, mark)] = (path, mark)
            self._await(lines, children, self._options.jobs - 1)
        self._await(lines, children, 0)
        return lines

    def _await(self, lines: LineMap, children: dict[int, tuple[Path, str]], most: int) -> None:
        while len(children) > most:
            pid, status = os.wait()
            if status or not lines.read(*children.pop(pid)):
                raise pytest.UsageError(f"the tests do not pass as they are: see {FOLDER / 'failed.txt'}")

    def _find_lines(self, file: str, items: list[pytest.Item], path: Path, mark: str) -> int:
        pid = os.fork()
        if pid == 0:
            in_child(lambda: self._trace(file, items, path, mark))
        return pid

    def _trace(self, file: str, items: list[pytest.Item], path: Path, mark: str) -> int:
        lines = LineMap()
        if file:
            config = items[0].config
            tame(items, self._options.examples)
            base = self.folder / file.replace("/", ".")
            base.mkdir()
            config._tmp_path_factory._basetemp = base  # type: ignore[attr-defined]
            watch = FirstFailure()
            config.pluginmanager.register(watch)
            lines.run(items)
            if watch.failed:
                (FOLDER / "failed.txt").write_text(watch.failed, encoding="utf-8")
                return 1
        else:
            forget_ours()
            lines.trace_imports(item.nodeid.partition("::")[0] for item in items)
        lines.save(path, mark)
        return 0


class FirstFailure:
    """A plugin that remembers that a test failed."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = self.failed or f"{report.nodeid}\n{report.longreprtext}"


if __name__ == "__main__":
    sys.exit(main())
