"""The benchmarks as a command: `python -m benchmarks [--full] [--only NAME,...] [--peers NAME,...]`.

The exit status is 1 where a ratio is far beyond what it should be; times and rates depend on the machine, and are
reported only. What was measured of this very version is kept: a run that was stopped is taken up where it was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import environments, machine, playing, results
from benchmarks.environments import ROOT
from benchmarks.reporting import verdict_line, write_report
from benchmarks.results import ScenarioResult
from benchmarks.scenario import Scenario
from benchmarks.scenarios import SCENARIOS
from benchmarks.verdicts import broken, verdicts

QUICK: Final = ROOT / "build" / "benchmarks"
FULL: Final = ROOT / "docs" / "benchmarks"


def names(text: str) -> frozenset[str]:
    """Read names with commas between them."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="everything, with all peers; results into docs/benchmarks")
    parser.add_argument("--only", type=names, metavar="NAME,...", help=f"these scenarios: {', '.join(SCENARIOS)}")
    parser.add_argument("--peers", type=names, metavar="NAME,...", help="of the peers only these")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds instead of those that each case has")
    parser.add_argument("--again", action="store_true", help="measure again what was measured of this very version")
    parser.add_argument("--report", action="store_true", help="measure nothing, write tables and charts anew")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the results go")
    parser.add_argument("--environments", type=Path, metavar="FOLDER", default=environments.FOLDER, help="of the peers")
    found = parser.parse_args()
    unknown = (found.only or frozenset()) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return found


def measure(
    scenario: Scenario, folder: Path, conditions: playing.Conditions, *, full: bool, again: bool
) -> ScenarioResult:
    """Play the cases of a scenario that have not been played of this version; return all there is."""
    subject = machine.subject()
    found = None if again else results.load(folder, scenario.name)
    if found is None or (found.subject, found.full) != (subject, full):
        found = ScenarioResult(scenario.name, subject, full, machine.machine())
    for case in scenario.cases(full):
        there = found.cases.get(case.name)
        if there is not None and there.asked == playing.asked_for(case, conditions):
            print(f"  {case.name}: measured already", file=sys.stderr)
            continue
        print(f"  {case.name}", file=sys.stderr, flush=True)
        found.cases[case.name] = playing.play(case, conditions)
        results.save(folder, found)
    found.targets = verdicts(scenario, found)
    results.save(folder, found)
    return found


def main() -> int:
    """Measure, print what holds, write tables and charts."""
    asked = options()
    folder = asked.output or (FULL if asked.full else QUICK)
    QUICK.mkdir(parents=True, exist_ok=True)
    bad: list[str] = []
    with tempfile.TemporaryDirectory(dir=QUICK, prefix="stores-") as scratch:
        conditions = playing.Conditions(Path(scratch), asked.environments, asked.full, asked.peers, asked.rounds)
        for name, scenario in SCENARIOS.items():
            if asked.report or (asked.only and name not in asked.only) or not scenario.cases(asked.full):
                continue
            print(f"{name}: {scenario.title}", file=sys.stderr, flush=True)
            found = measure(scenario, folder, conditions, full=asked.full, again=asked.again)
            for target in found.targets:
                print(verdict_line(target), flush=True)
            bad += broken(scenario, found)
    write_report(folder, asked.environments, install=asked.full)
    for text in bad:
        print(f"far beyond what it should be: {text}")
    print(f"tables and charts: {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}/results.md")
    return int(bool(bad))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; what was measured is kept, and the same command goes on from there")
