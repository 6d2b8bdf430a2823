"""Plant each bug in turn and let the simulator look for it: how many seeds does it take?

This process imports the libraries and nothing of ours. For each bug it forks a child, which imports our packages with
the bug in them and plays seeds until a promise is broken. A line of JSON each: the bug, the seed, what was broken.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import pydantic  # noqa: F401 - imported once here, and not once for each bug
import pykka  # noqa: F401

from tests.simulation.all_planted import BUGS
from tests.simulation.planted import Bug, Edit

SOURCE: Final = Path(__file__).resolve().parents[2] / "src"
SEEDS_MAX: Final = 1_000


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from its source with some of the text replaced."""

    edits: Sequence[Edit] = ()

    def get_code(self, fullname: str) -> CodeType:
        text = Path(self.path).read_text(encoding="utf-8")
        for edit in self.edits:
            if text.count(edit.old) != 1:
                raise ValueError(f"{fullname} holds this text {text.count(edit.old)} times: {edit.old!r}")
            text = text.replace(edit.old, edit.new)
        return compile(ast.parse(text), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that a bug is planted in."""

    def __init__(self, bug: Bug) -> None:
        self._bug = bug

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        edits = [edit for edit in self._bug.edits if edit.module == fullname]
        if not edits:
            return None
        file = SOURCE.joinpath(*fullname.split(".")).with_suffix(".py")
        loader = _Loader(fullname, str(file))
        loader.edits = edits
        return importlib.util.spec_from_file_location(fullname, file, loader=loader)


def hunt(bug: Bug, seeds_max: int) -> dict[str, object]:
    """Play seeds with a bug in the source until a promise is broken. For a process that has not imported us yet."""
    sys.meta_path.insert(0, _Finder(bug))
    from tests.simulation.campaign import play
    from tests.simulation.watcher import Violation
    from tests.simulation.worlds import WORLDS

    for seed in range(seeds_max):
        try:
            play(seed, WORLDS[bug.world])
        except Violation as violation:
            return {"seed": seed, "broken": violation.name}
    return {"seed": None, "broken": None}


def _hunt_apart(name: str, seeds_max: int) -> int:
    """Fork a child that hunts one bug and prints what it found; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        found = hunt(BUGS[name], seeds_max)
        os.write(1, (json.dumps({"bug": name, **found}) + "\n").encode())
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def main(arguments: list[str]) -> int:
    """Hunt the bugs that are named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bugs", nargs="*", metavar="BUG", help="names of planted bugs (all when left out)")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    running = 0
    failed = 0
    for name in options.bugs or BUGS:
        if running >= options.jobs:
            failed += os.wait()[1] != 0
            running -= 1
        _hunt_apart(name, options.seeds)
        running += 1
    for _ in range(running):
        failed += os.wait()[1] != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
