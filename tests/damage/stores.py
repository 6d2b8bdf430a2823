"""The store that is damaged: every kind of page, many parents, and a write-ahead log that nobody has moved yet."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from events.facts import Fact
from events.log import EventLog, FactBatch, Recorded, open_log
from tests.events.scenario import finish, give_up, parent, spec, start, take

Facts = dict[str, list[Recorded]]
"""Everything on record, by parent."""


class Original(NamedTuple):
    """A store before it is damaged, and what is in it."""

    path: Path
    facts: Facts
    last_append_from: int = 0
    """The position before the last append."""

    def copy(self, folder: Path) -> Path:
        """Return a copy, its write-ahead log and that log's index included where it has them."""
        for old in folder.glob("copy.db*"):
            old.unlink()
        for suffix in ("", "-wal", "-shm"):
            file = Path(f"{self.path}{suffix}")
            if file.exists():
                shutil.copyfile(file, folder / f"copy.db{suffix}")
        return folder / "copy.db"


def life(children: int, payload_bytes: int = 20) -> list[Fact]:
    """The whole record of a parent whose children take much or little room."""
    text = '"' + "x" * payload_bytes + '"'
    specs = [spec(f"c{index}", task="work", input_text=text) for index in range(children)]
    made = parent(*specs).given(take())
    for one in specs:
        made = made.given(start(one.child_id), finish(one.child_id))
    return list(made.given(give_up()).facts)


def everything(log: EventLog) -> Facts:
    return {parent_id: list(log.read(parent_id)) for parent_id, _ in log.parents()}


def sound_store(path: Path, *, small: bool = False) -> Original:
    """Make a store that was closed in good order: all pages lie in the one file."""
    with open_log(path) as log:
        if small:
            log.append(
                [FactBatch("big", 0, life(20)), *(FactBatch(f"run-{number}", 0, life(2)) for number in range(9))]
            )
        else:
            _fill(log)
        facts = everything(log)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE passing(x)")
        raw.executemany("INSERT INTO passing VALUES (zeroblob(3000))", [()] * 8)
        raw.execute("DROP TABLE passing")
        raw.commit()
    assert not Path(f"{path}-wal").exists()
    return Original(path, facts)


def _fill(log: EventLog) -> None:
    log.append([FactBatch("big", 0, life(150)), FactBatch("large", 0, life(4, 9000))])
    cut = life(6)[:15]
    begun = life(1)[:4]
    for first in range(0, 160, 40):
        log.append([FactBatch(f"run-{number:040}", 0, begun) for number in range(first, first + 40)])
    log.append([FactBatch("open", 0, cut)])


def store_with_a_log(path: Path) -> Original:
    """Make a store whose latest appends lie in its write-ahead log, as a process leaves it that was killed."""
    first = path.with_name("first.db")
    with open_log(first) as log:
        _fill(log)
    with open_log(first) as log:
        for number in range(12):
            log.append([FactBatch(f"late-{number}", 0, life(1))])
        before = log.last_position()
        log.append([FactBatch("late-large", 0, life(2, 9000))])
        facts = everything(log)
        Original(first, {}).copy(path.parent)  # as it is at this instant
    for suffix in ("", "-wal", "-shm"):
        (path.parent / f"copy.db{suffix}").rename(f"{path}{suffix}")
    return Original(path, facts, before)
