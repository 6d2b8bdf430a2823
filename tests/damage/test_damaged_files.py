"""Damage to every kind of page of a store is refused, found or harmless. What reads as sound is what was written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.cli.driver import CommandLine
from tests.damage.conftest import Table
from tests.damage.harm import HARMS
from tests.damage.judge import ask_all, judge
from tests.damage.pages import Stretch, frames, stretches
from tests.damage.stores import Original, sound_store, store_with_a_log

PAGE_KINDS = (
    *("header", "schema", "freelist", "overflow", "counter table leaf"),
    *("events table leaf", "events table interior", "events index leaf", "events index interior"),
    *("parents table leaf", "parents table interior", "parents index leaf", "parents index interior"),
)
FRAME_KINDS = ("log header", "log frame header", "log frame")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return sound_store(tmp_path_factory.mktemp("sound") / "store.db")


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return store_with_a_log(tmp_path_factory.mktemp("logged") / "store.db")


def test_the_stores_have_every_kind_of_page_and_are_harmless(sound: Original, logged: Original, tmp_path: Path) -> None:
    assert set(stretches(sound.path)) == set(PAGE_KINDS)
    assert set(frames(Path(f"{logged.path}-wal"))) == set(FRAME_KINDS)
    for original in (sound, logged):
        assert judge(original.copy(tmp_path), original.facts) == ("harmless", list(original.facts))


def damaged(
    original: Original, suffix: str, among: list[Stretch], folder: Path, rounds: int, chance: Random
) -> Iterator[tuple[str, Path]]:
    """Yield damaged copies and the kind of damage: so many of each kind; without a number one of some kind."""
    names = list(HARMS) * rounds or [chance.choice(list(HARMS))]
    for name in names:
        path = original.copy(folder)
        if HARMS[name](Path(f"{path}{suffix}"), among, chance):
            yield name, path


@pytest.mark.parametrize("kind", PAGE_KINDS)
def test_damage_to_a_page(sound: Original, kind: str, tmp_path: Path, rounds: int, seed: int, table: Table) -> None:
    places = stretches(sound.path)
    for name, path in damaged(sound, "", places[kind], tmp_path, rounds, Random(f"{seed} {kind}")):
        outcome, _ = judge(path, sound.facts)
        table.setdefault((kind, name), Counter())[outcome] += 1


@pytest.mark.parametrize("kind", FRAME_KINDS)
def test_damage_to_the_write_ahead_log(
    logged: Original, kind: str, tmp_path: Path, rounds: int, seed: int, table: Table
) -> None:
    places = frames(Path(f"{logged.path}-wal"))
    for name, path in damaged(logged, "-wal", places[kind], tmp_path, rounds, Random(f"{seed} {kind}")):
        outcome, _ = judge(path, logged.facts, may_end_at=0 if name == "cut" else logged.last_append_from)
        table.setdefault((kind, name), Counter())[outcome] += 1


def test_damage_to_the_logs_index(logged: Original, tmp_path: Path, rounds: int, seed: int, table: Table) -> None:
    """It is made anew by whoever opens the store first, so nothing depends on it."""
    places = [Stretch(start, 1024) for start in range(0, 32768, 1024)]
    for name, path in damaged(logged, "-shm", places, tmp_path, rounds, Random(f"{seed} index")):
        outcome, _ = judge(path, logged.facts)
        assert outcome == "harmless"
        table.setdefault(("log index", name), Counter())[outcome] += 1


def test_every_question_on_the_command_line(sound: Original, tmp_path: Path, rounds: int, seed: int) -> None:
    places = stretches(sound.path)
    chance = Random(f"{seed} questions")
    with CommandLine(tmp_path) as cli:
        first = {name: cli.ask(name, "large", "--json", "--store", str(sound.path)) for name in ("status", "events")}
        before = {name: json.loads(done.lines[-1]) for name, done in first.items()}
        for _ in range(max(3, rounds * 10)):
            kind, name = chance.choice(PAGE_KINDS), chance.choice(list(HARMS))
            path = sound.copy(tmp_path)
            if HARMS[name](path, places[kind], chance):
                ask_all(cli, path, "large", before)
