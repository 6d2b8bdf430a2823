"""What running children say of themselves, as people see it: in `status`, in `children`, in `watch`, in the bar."""

from __future__ import annotations

from events.commands import Command
from events.decide import decide_all
from events.evolve import fold
from events.facts import ChildProgressed
from events.log import EventLog, FactBatch, MemoryRecorder
from events.views import Counts
from orchestrator.cli.progress import percent_done
from orchestrator.cli.summary import said_words
from orchestrator.progress import Progress, part_of
from tests.cli.driver import CommandLine
from tests.events.scenario import AT, close, create, finish, lose, prepare, progress, release, start

TASKS = """
import time
from pathlib import Path
from orchestrator import current_child, task


@task
def copy_slowly(part: float) -> None:
    current_child().heartbeat(progress=part, message="half of it\\n\\x1b[31m")
    while not Path("go").exists():
        time.sleep(0.02)
"""
PLAN = """
max_workers: 2
tasks:
  - {id: a, use: "slow:copy_slowly", with: {part: 0.5}}
  - {id: b, use: "slow:copy_slowly", with: {part: 0.25}}
  - {id: c, run: "true"}
"""


def test_progress_is_seen_wherever_a_run_is_looked_at(cli: CommandLine) -> None:
    (cli.folder / "slow.py").write_text(TASKS)
    (cli.folder / "plan.yaml").write_text(PLAN)
    going = cli.begin("run", "plan.yaml", "--id", "r", "--progress")
    cli.wait_for("r", "ChildProgressed", 2)
    status = cli.ask("status", "r").text
    assert sorted(line[12:] for line in status.splitlines()[-2:]) == [
        r"a: 50%, half of it\n\x1b[31m",
        r"b: 25%, half of it\n\x1b[31m",
    ]
    assert status.splitlines()[-2].startswith("running     ")
    assert "25%" not in cli.ask("status", "r", "--at", "8").text
    assert "50%, half of it\\n\\x1b[31m" in cli.ask("children", "r").text
    watching = cli.begin("watch", "r")
    assert watching.process.stdout is not None
    assert b"2 running, 1 pending, 25% done" in watching.process.stdout.readline()
    assert going.process.stderr is not None
    assert going.process.stderr.readline() == b"0/3 (25%)  0 failed  2 running\n"
    (cli.folder / "go").touch()
    assert watching.end().lines[-1] == "run r: succeeded - 3 of 3 succeeded"
    assert going.end().status == 0
    assert "%" not in cli.ask("status", "r").text


def test_what_was_said_by_attempts_that_are_over_is_forgotten() -> None:
    log = EventLog(MemoryRecorder())

    def record(*commands: Command) -> None:
        known = fold(record.fact for record in log.read("p"))
        log.append([FactBatch("p", known.version, decide_all(known, commands)[0])])

    said = Progress(log, "p")
    assert said.look() == {}
    record(create(), prepare("a", "b", "c"), release(), close(), start("a"), start("b"), progress("a", 0.1))
    assert list(said.look()) == ["a"]
    record(progress("b", 0.5), progress("a", 0.2))
    assert {child: fact.progress for child, fact in said.look().items()} == {"b": 0.5, "a": 0.2}
    early = log.last_position()
    record(lose("a"), finish("b"), start("c"))
    assert said.look() == Progress(log, "p").look() == {}
    assert set(Progress(log, "p").look(early)) == {"a", "b"}
    record(start("a"), progress("a", 0.75, attempt=2))
    assert part_of(said.look()) == part_of(Progress(log, "p").look()) == 0.75


def test_words() -> None:
    counts = Counts(total=4, pending=1, running=2, succeeded=1, failed=0, timed_out=0, cancelled=0, skipped=0)
    assert percent_done(counts, 0.99) == "49%"
    assert percent_done(counts._replace(total=0, pending=0, running=0, succeeded=0), 0.0) == "0%"
    assert said_words(0.999, None) == "99%"
    assert said_words(None, "at 3") == "at 3"
    assert said_words(None, None) == "lives"
    assert part_of({"a": ChildProgressed(at=AT, child_id="a", attempt=1)}) == 0.0
