"""The benchmarks do what they say: everybody plays, whoever cannot is named, and a run is taken up where it was."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.environments import ROOT, plain
from benchmarks.players import OURS, PEERS, PLAYERS, POOL
from benchmarks.playing import Conditions, play
from benchmarks.reporting import page
from benchmarks.results import CaseResult, Row, ScenarioResult, load, save
from benchmarks.scenario import RATE, SECONDS, Case, Entry, Scenario, Target, at_most, entries, median, ratio
from benchmarks.scenarios import SCENARIOS
from benchmarks.verdicts import broken, verdicts

TINY = {"children": 20, "workers": 2}


def conditions(folder: Path, *, peers: frozenset[str] | None = None) -> Conditions:
    return Conditions(folder, folder / "no-environments", install=False, peers=peers, rounds=None)


def scenario(case: Case, *targets: Target) -> Scenario:
    return Scenario("small", "Small", "Something small.", lambda _: (case,), targets)


def found(name: str, ours: list[float], theirs: list[float]) -> ScenarioResult:
    rows = [Row(OURS, 100, 8, measures={"seconds": ours}), Row(POOL, 100, 8, measures={"seconds": theirs})]
    return ScenarioResult("small", "abc", True, {"cores": 2}, {name: CaseResult(rows, "2026-11-30T10:00:00Z", 5, 0.1)})


def test_everybody_plays_every_round_and_leaves_nothing(tmp_path: Path) -> None:
    result = play(Case("tiny", TINY, entries(OURS, POOL), rounds=2), conditions(tmp_path))
    assert [(row.player, row.trouble, len(row.measures["seconds"])) for row in result.rows] == [
        (OURS, None, 2),
        (POOL, None, 2),
    ]
    assert all(seconds > 0 for row in result.rows for seconds in row.measures["seconds"])
    assert list(tmp_path.iterdir()) == []


def test_whoever_cannot_play_is_named_with_the_reason(tmp_path: Path) -> None:
    slow = Entry(POOL, {"doze": 60.0})
    wrong = Entry(POOL, {"nonsense": 1})
    case = Case("tiny", TINY, (slow, wrong, Entry("huey"), Entry("dask")), rounds=2, seconds_max=1.0)
    result = play(case, conditions(tmp_path, peers=frozenset({"huey"})))
    troubles = [row.trouble or "" for row in result.rows]
    assert troubles[0] == "stopped: it took longer than 1 s"
    assert "nonsense" in troubles[1]
    assert troubles[2].startswith("not installed")
    assert "as asked for" in troubles[3]
    text = "\n".join(page([(scenario(case), ScenarioResult("small", "abc", True, {}, {"tiny": result}))], frozenset()))
    assert [trouble for trouble in troubles if trouble not in text] == []
    assert "did not play" in text


def test_a_peer_never_has_more_children_than_it_can_bear(tmp_path: Path) -> None:
    case = Case("large", {"children": 1_000_000, "workers": 8}, (Entry("prefect"),), rounds=1)
    assert play(case, conditions(tmp_path)).rows[0].children == PLAYERS["prefect"].most


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    result = found("one", [1.0, 3.0, 2.0], [0.5])
    save(tmp_path, result)
    assert load(tmp_path, "small") == result
    assert load(tmp_path, "other") is None


def test_what_must_hold_is_judged_and_only_ratios_fail_the_run() -> None:
    name = "one"
    holding = Target("fast", median(name, OURS, RATE), 40, "children/s")
    short = Target("faster", median(name, OURS, RATE), 200, "children/s")
    beside = at_most("near", ratio((name, OURS, SECONDS), (name, POOL, SECONDS)), 2.0, "x its time", guard=3.0)
    absent = Target("elsewhere", median("other", OURS, RATE), 1, "children/s")
    judged = scenario(Case(name, TINY, entries(OURS, POOL)), holding, short, beside, absent)
    result = found(name, [1.0, 3.0, 2.0], [0.5])
    assert [target["verdict"] for target in verdicts(judged, result)] == [
        "holds",
        "falls short: 25 % of it",
        "falls short: 200 % of what it may be",
        "not measured",
    ]
    assert broken(judged, result) == ["near: 4.00 x its time, guarded at 3"]
    assert broken(judged, found(name, [1.0], [0.5])) == []


def test_what_was_measured_of_this_version_is_not_measured_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "single", "--rounds", "1", "--output", str(tmp_path)]
    first, second = (subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    assert "measured already" not in first.stderr
    assert "measured already" in second.stderr
    assert "start() to result()" in (tmp_path / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("full", [True, False], ids=["full", "quick"])
def test_every_case_names_players_that_there_are_and_every_target_a_case(full: bool) -> None:
    for each in SCENARIOS.values():
        cases = each.cases(full)
        assert len({case.name for case in cases}) == len(cases)
        assert {entry.player for case in cases for entry in case.entries} <= set(PLAYERS)
        for case in cases:
            assert {"children", "workers"} <= set(case.job)
            assert case.rounds >= 5 or not full or each.name == "million" or "repeats" in case.job


def test_every_peer_plays_somewhere_and_is_in_the_documentation() -> None:
    playing = {entry.player for each in SCENARIOS.values() for case in each.cases(True) for entry in case.entries}
    assert playing == set(PLAYERS)
    text = (ROOT / "docs" / "benchmarks" / "index.md").read_text(encoding="utf-8")
    named = [PLAYERS[name] for name in (OURS, POOL, *PEERS, "gnu-parallel", "xargs")]
    assert [one.name for one in named if f"| {one.name} | {one.keeps} |" not in text] == []


def test_the_charts_that_the_results_show_are_there() -> None:
    folder = ROOT / "docs" / "benchmarks"
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (folder / "results.md").read_text(encoding="utf-8"))
    assert [name for name in shown if not (folder / name).exists()] == []
    assert sorted(shown) == sorted(path.name for path in folder.glob("*.svg"))


def test_what_is_published_of_an_error_names_no_host_and_no_path() -> None:
    text = plain("cannot read /srv/things/of/mine/file.py at https://example.org/simple/ | no\nmore")
    assert text == "cannot read .../file.py at ... / no more"
