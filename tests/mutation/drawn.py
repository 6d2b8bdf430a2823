"""A few mutants drawn by chance, each with what a full run said of it: `python -m tests.mutation.drawn` runs them.

`sample.txt` has one line for each: the mutant, what became of it, the test that was tried. With `--draw` they are
drawn anew from what the last full run has found.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.mutation.killers import Named, modules
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.running import Runner
from tests.mutation.source import ROOT, Source
from tests.mutation.watching import EXAMPLES_MAX, OPTIONS

SAMPLE: Final = Path(__file__).with_name("sample.txt")
RESULTS: Final = ROOT / ".mutants" / "results.jsonl"


class Drawn(NamedTuple):
    """What a full run said of a mutant."""

    fate: str
    test: str


def sample() -> dict[str, Drawn]:
    """Return the drawn mutants by id."""
    lines = [line.split(" ", 2) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    return {mutant: Drawn(fate, test) for mutant, fate, test in lines}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was drawn; 0 where each mutant fares as it did, and most of them still exist."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.drawn", description=__doc__)
    parser.add_argument("--draw", type=int, help="draw so many anew")
    parser.add_argument("--seed", type=int, default=1, help="the seed by which they are drawn")
    parser.add_argument("--jobs", type=int, default=2, help="how many mutants to run at once")
    options = parser.parse_args(arguments)
    core = {mutant.id: mutant for name in modules(["core"]) for mutant in mutants_of(Source.read(name))}
    if options.draw:
        draw(core, options.draw, random.Random(options.seed))
    drawn = sample()
    todo = [core[name] for name in drawn if name in core]
    if len(todo) * 2 < len(drawn):
        print("most of the drawn mutants are of a source that has changed since: draw anew", file=sys.stderr)
        return 2
    session = Session(todo, drawn, options.jobs)
    files = sorted({drawn[mutant.id].test.partition("::")[0] for mutant in todo})
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        session.folder = Path(name)
        pytest.main([*OPTIONS, f"--basetemp={name}/base", *files], plugins=[session])
    if options.draw:
        keep([name for name in drawn if name not in session.wrong])
    print(f"{session.run} of {len(drawn)} drawn mutants were run, {len(session.wrong)} fared otherwise than before")
    print("\n".join(session.wrong.values()))
    return 1 if session.wrong or session.run < len(todo) else 0


def draw(core: dict[str, Mutant], count: int, chance: random.Random) -> None:
    """Draw from the core's mutants within functions that a test killed, and one that nothing can kill."""
    entries = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    known = {entry["id"]: entry for entry in entries if entry["id"] in core and core[entry["id"]].scope}
    killed = sorted(
        (name for name, entry in known.items() if entry["fate"] == "killed" and " (" not in entry["test"]),
        key=lambda name: (core[name].module, core[name].start),
    )
    lines = [f"{name} killed {known[name]['test']}\n" for name in chance.sample(killed, count)]
    lines += [line for line in SAMPLE.read_text().splitlines(keepends=True) if " survived " in line]
    SAMPLE.write_text("".join(sorted(lines)), encoding="utf-8")


def keep(names: Collection[str]) -> None:
    """Drop what was drawn and cannot be counted on."""
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    SAMPLE.write_text("".join(line for line in lines if line.split()[0] in names), encoding="utf-8")


class Session:
    """The plugin that takes pytest's own loop's place."""

    folder: Path

    def __init__(self, todo: list[Mutant], drawn: dict[str, Drawn], jobs: int) -> None:
        self._todo = todo
        self._drawn = drawn
        self._jobs = jobs
        self.run = 0
        self.wrong: dict[str, str] = {}
        """What to say of each that fared otherwise."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the mutants where the tests would run."""
        order = Named({name: drawn.test for name, drawn in self._drawn.items()})
        runner = Runner(session, order, self.folder, jobs=self._jobs, examples_max=EXAMPLES_MAX)
        gc.collect()
        gc.freeze()
        for result in runner.run(self._todo):
            self.run += 1
            mutant, expected = result.mutant, self._drawn[result.mutant.id].fate
            if result.fate != expected:
                diff = mutant.diff(Source.read(mutant.module))
                self.wrong[mutant.id] = f"{diff}\n{result.fate}, not {expected}: {self._drawn[mutant.id].test}"
        return True


if __name__ == "__main__":
    sys.exit(main())
