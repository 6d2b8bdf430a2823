"""SIGKILL at random instants of a process that uses everything at once, while another one interferes with its runs.

`--crash-rounds N` sets how many kills, `--crash-seed S` plays a campaign again (as far as an operating system can).
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import IO

import pytest

from events.evolve import fold
from events.facts import ChildFinished, ChildRedriven, ChildStarted, Fact, Redriven
from events.invariants import check_history
from events.log import EventLog, open_log
from events.log.audit import Audit
from orchestrator import Orchestrator, StepOrderError
from tests.crash import everything
from tests.faults.table import Tally
from tests.support.bounds import most_running

SCENARIO = "SIGKILL of all features at once"
ROUNDS_MAX_EVERY_DAY = 12
"""What `--crash-rounds` is in everyday tests, which play a few of them here."""
TROUBLES = ("pause", "resume", "update", "cancel", "cancel one", "stop", "nothing")


class Campaign:
    """One store that is worked on by process after process, until all its runs are settled."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.store = folder / "runs.db"
        self.seed = chance.randrange(10**6)
        self.told: dict[tuple[str, str], str] = {}
        self.kills = self.troubles = 0
        self._chance = chance

    def live(self, kill_after_seconds: float | None) -> bool:
        """Let a process work; kill it after so long. Return whether it was done before that."""
        command = [sys.executable, "-m", "tests.crash.everything", str(self.store), str(self.folder), str(self.seed)]
        root = Path(everything.__file__).parents[2]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, bufsize=0) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            if kill_after_seconds is not None:
                half = self._chance.uniform(0.0, kill_after_seconds)
                Event().wait(half)  # the random instant itself, not a wait for anything
                self._interfere(process)
                Event().wait(kill_after_seconds - half)
                process.send_signal(signal.SIGKILL)
                self.kills += 1
            done = self._listen(process.stdout)
        if kill_after_seconds is None:
            assert done
            assert process.returncode == 0
        return done

    def _interfere(self, process: subprocess.Popen[bytes]) -> None:
        """Ask something of one of the runs from here, or hold the process for a moment."""
        trouble, name = self._chance.choice(TROUBLES), self._chance.choice(everything.RUNS)
        self.troubles += 1
        if trouble == "stop":
            process.send_signal(signal.SIGSTOP)
            Event().wait(0.1)
            process.send_signal(signal.SIGCONT)
        elif trouble != "nothing" and self.store.exists():
            with Orchestrator(self.store, limits=everything.LIMITS) as other:
                if name in [status.id for status in other.list()]:
                    self._control(other, name, trouble)

    def _control(self, other: Orchestrator, name: str, trouble: str) -> None:
        run = other.get(name)
        try:
            if trouble == "pause":
                run.pause()
            elif trouble == "resume" and run.status().settled:
                run.resume()
            elif trouble == "cancel":
                self._cancel_doomed(other)
            elif trouble == "update":
                run.update(max_workers=self._chance.randint(1, 5), weight=self._chance.randint(1, 9))
            elif trouble == "cancel one" and name in (everything.FED, everything.MIXED, everything.DOOMED):
                run.cancel(child=self._chance.choice(run.children()).id)
        except StepOrderError:
            pass  # it came too late, or too early

    def _cancel_doomed(self, other: Orchestrator) -> None:
        """Cancel the run of which nobody expects anything, or the one within it."""
        names = [status.id for status in other.list() if status.id.startswith(everything.DOOMED)]
        if names:
            other.get(self._chance.choice(names)).cancel()

    def _listen(self, output: IO[bytes]) -> bool:
        """Take note of everything the process was told before it died. A torn last line was not told."""
        lines = output.read().split(b"\n")[:-1]
        for line in lines:
            word, *rest = line.decode().split()
            if word == "ended":
                parent_id, child_id, outcome = rest
                known = self.told.setdefault((parent_id, child_id), outcome)
                assert known == outcome, f"{parent_id}/{child_id} ended as {known} and as {outcome}"
        return b"done" in lines

    def check(self) -> None:
        """Check what is on record against everything promised and told, and what ran against what is on record."""
        if not self.store.exists():
            return
        with open_log(self.store) as log:
            histories = {parent_id: _facts(log, parent_id) for parent_id, _ in log.parents()}
            assert most_running(log) <= everything.WORKERS
            assert list(Audit(log).verify()) == []
        finished: dict[tuple[str, str], ChildFinished] = {}
        for parent_id, facts in histories.items():
            check_history(facts)
            finished |= {(parent_id, fact.child_id): fact for fact in facts if isinstance(fact, ChildFinished)}
        wrong = {key: told for key, told in self.told.items() if key not in finished or finished[key].outcome != told}
        assert not wrong, f"told, but not on record: {wrong}"
        self._check_effects(histories)

    def _check_effects(self, histories: Mapping[str, Sequence[Fact]]) -> None:
        """No attempt ran twice, none ran that was not on record, and none ran of a child that had succeeded."""
        effects = self.folder / "effects"
        ran = Counter(effects.read_text(encoding="ascii").splitlines() if effects.exists() else [])
        assert not [line for line, times in ran.items() if times > 1]
        started = {
            f"{parent_id} {fact.child_id} {fact.attempt}"
            for parent_id, facts in histories.items()
            for fact in facts
            if isinstance(fact, ChildStarted)
        }
        assert set(ran) <= started
        for parent_id, facts in histories.items():
            succeeded: set[str] = set()
            for fact in facts:
                if isinstance(fact, ChildFinished) and fact.outcome == "succeeded":
                    succeeded.add(fact.child_id)
                elif isinstance(fact, ChildStarted | ChildRedriven):
                    assert fact.child_id not in succeeded, f"{parent_id}/{fact.child_id} had succeeded"

    def check_over(self) -> None:
        """Check that every run is settled and what became of it."""
        with open_log(self.store) as log:
            states = {parent_id: fold(_facts(log, parent_id)) for parent_id, _ in log.parents()}
            redriven = [fact for fact in _facts(log, everything.MENDED) if isinstance(fact, Redriven)]
        assert all(state.settled for state in states.values()), [k for k, s in states.items() if not s.settled]
        statuses = {name: states[name].status for name in everything.RUNS}
        assert statuses.pop(everything.DOOMED) in ("failed", "cancelled")
        assert statuses == dict.fromkeys(statuses, "succeeded")
        assert len(redriven) == 1
        with Orchestrator(self.store, limits=everything.LIMITS, must_exist=True) as orchestrator:
            outputs = orchestrator.get("tree/middle/inner").result().outputs
            assert outputs["large"] == b"\x00\xff" * everything.LARGE * 2
            assert outputs["answer"] == everything.Answer(7, Decimal("0.7"))


def _facts(log: EventLog, parent_id: str) -> list[Fact]:
    return [record.fact for record in log.read(parent_id)]


def test_kill_9_of_everything_at_once(tmp_path: Path, request: pytest.FixtureRequest, tally: Tally) -> None:
    rounds = request.config.getoption("--crash-rounds")
    rounds = 2 if rounds <= ROUNDS_MAX_EVERY_DAY else rounds
    seed = request.config.getoption("--crash-seed")
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    print(f"--crash-seed {seed} --crash-rounds {rounds}")
    chance = random.Random(seed)
    kills = stores = 0
    while kills < rounds:
        stores += 1
        folder = tmp_path / f"store-{stores}"
        folder.mkdir()
        campaign = Campaign(folder, chance)
        # Longer and longer, so that a store is done one day on a machine that has much else to do.
        while not campaign.live(chance.uniform(0.0, 0.8 + 0.1 * campaign.kills)) and kills + campaign.kills < rounds:
            campaign.check()
        kills += campaign.kills
        campaign.live(None)
        campaign.check()
        campaign.check_over()
        tally(
            SCENARIO, rounds=campaign.kills, faults=campaign.kills + campaign.troubles, completed=len(everything.RUNS)
        )
        tally(SCENARIO, acknowledged=len(campaign.told), lost=0, double=0, above_max=0)
    print(f"{kills} kills over {stores} stores")
