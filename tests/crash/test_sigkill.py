"""SIGKILL at random instants under load: nothing acknowledged is lost, nothing finishes twice, the run completes.

`--crash-rounds N` sets how many kills, `--crash-seed S` plays a campaign again (as far as an operating system can).
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import IO

import pytest

from events.evolve import fold
from events.facts import ChildFinished
from events.invariants import check_history
from events.log import EventLog, open_log
from tests.crash import victim
from tests.support.bounds import most_running

VICTIM = Path(victim.__file__)


@dataclass
class Campaign:
    """One store that is worked on by process after process, until its runs are over."""

    folder: Path
    seed: int
    acknowledged: dict[tuple[str, str], str] = field(default_factory=dict)
    kills: int = 0

    @property
    def store(self) -> Path:
        return self.folder / "runs.db"

    @property
    def effects(self) -> Path:
        return self.folder / "effects"

    def live(self, kill_after_seconds: float | None) -> bool:
        """Let a process work; kill it after so long. Return whether it was done before that."""
        command = [sys.executable, "-m", "tests.crash.victim", str(self.store), str(self.effects), str(self.seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=VICTIM.parents[2], bufsize=0) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            if kill_after_seconds is not None:
                Event().wait(kill_after_seconds)  # the random instant itself, not a wait for anything
                process.send_signal(signal.SIGKILL)
                self.kills += 1
            done = self._listen(process.stdout)
        if kill_after_seconds is None:
            assert done
            assert process.returncode == 0
        return done

    def _listen(self, output: IO[bytes]) -> bool:
        """Take note of everything the process was told before it died. A torn last line was not told."""
        told = output.read().split(b"\n")[:-1]
        for line in told:
            word, *rest = line.decode().split()
            if word == "ended":
                parent_id, child_id, outcome = rest
                known = self.acknowledged.setdefault((parent_id, child_id), outcome)
                assert known == outcome, f"{parent_id}/{child_id} ended as {known} and as {outcome}"
        return b"done" in told

    def check(self, log: EventLog) -> None:
        """Check what is on record against everything the contract promises and everything that was told."""
        finished: dict[tuple[str, str], str] = {}
        for parent_id, _ in log.recorder.parents():
            facts = [record.fact for record in log.read(parent_id)]
            check_history(facts)
            ended = [fact for fact in facts if isinstance(fact, ChildFinished)]
            assert len({fact.child_id for fact in ended}) == len(ended)
            finished |= {(parent_id, fact.child_id): fact.outcome for fact in ended}
        lost = {key: told for key, told in self.acknowledged.items() if finished.get(key) != told}
        assert not lost, f"told, but not on record: {lost}"
        assert most_running(log) <= 8

    def check_effects(self, log: EventLog) -> None:
        """Check that no attempt ran twice, and that none ran after its child had finished."""
        begun = Counter(line for line in self.effects.read_text().splitlines() if line.startswith("begun"))
        assert not [line for line, times in begun.items() if times > 1]
        for parent_id in ("all", "most"):
            last = {f.child_id: f.attempt for r in log.read(parent_id) if isinstance(f := r.fact, ChildFinished)}
            for line in begun:
                _, parent, child_id, attempt = line.split()
                assert parent != parent_id or int(attempt) <= last[child_id], line


def test_kill_9_at_random_instants(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rounds = request.config.getoption("--crash-rounds")
    seed = request.config.getoption("--crash-seed")
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    print(f"--crash-seed {seed} --crash-rounds {rounds}")
    chance = random.Random(seed)
    kills = stores = 0
    while kills < rounds:
        stores += 1
        folder = tmp_path / f"store-{stores}"
        folder.mkdir()
        campaign = Campaign(folder, seed=chance.randrange(10**6))
        while not campaign.live(chance.uniform(0.0, 0.35)) and kills + campaign.kills < rounds:
            if campaign.store.exists():
                with open_log(campaign.store) as log:
                    campaign.check(log)
        kills += campaign.kills
        campaign.live(None)
        with open_log(campaign.store) as log:
            campaign.check(log)
            campaign.check_effects(log)
            states = {name: fold(record.fact for record in log.read(name)) for name in victim.PARENTS}
        assert {name: state.status for name, state in states.items()} == dict.fromkeys(victim.PARENTS, "succeeded")
        assert all(state.settled for state in states.values())
    print(f"{kills} kills over {stores} stores")
