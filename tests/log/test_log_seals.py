"""Seals: with a key, whatever is done to a store by hand is found, hashes made anew included; and nothing else is."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
from tests.events.scenario import finish, give_up, parent, start, take

from events.errors import AuditKeyError, StoreDamagedError, UsageError
from events.log import AuditKey, EventLog, FactBatch, SQLiteRecorder, Written, open_log
from events.log.audit import Audit
from events.log.audit_key import read_key
from events.log.chain import START, link
from events.log.seals import Places, RunSeal

KEY = AuditKey(b"a key that nobody else has")
OTHER = AuditKey(b"a key of somebody else")
FACTS = parent("a", "b").given(take(), start("a"), start("b"), finish("a"), finish("b"), give_up()).facts
COUNT = len(FACTS)
assert COUNT == 14, "statements below say so"


def seal_runs(place: Path | str) -> None:
    """Make a sealed store of three runs that are written by turns, and a fourth one at once."""
    with open_log(place, audit_key=KEY) as log:
        for version, fact in enumerate(FACTS):
            log.append([FactBatch(name, version, [fact]) for name in ("p", "q", "r")])
        log.append([FactBatch("s", 0, FACTS)])


@pytest.fixture
def sealed(path: Path) -> Path:
    seal_runs(path)
    return path


def found(path: Path | str, key: AuditKey | None = KEY) -> list[tuple[str | None, int | None, int | None, str]]:
    with open_log(path, must_exist=True) as log:
        return [(one.id, one.version, one.position, one.problem) for one in Audit(log, key=key).verify()]


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        for statement in statements:
            raw.execute(statement)


def rehash(path: Path) -> None:
    """Do what whoever forges a store would do: make all hashes, heads and the counter anew."""
    with closing(sqlite3.connect(path)) as raw, raw:
        for key, name in raw.execute("SELECT parent, parent_id FROM parents").fetchall():
            digest, version = START, 0
            rows = "SELECT position, type, data FROM events WHERE parent = ? ORDER BY version"
            for version, (position, kind, data) in enumerate(raw.execute(rows, (key,)).fetchall(), 1):
                digest = link(digest, name, version, kind, data)
                raw.execute("UPDATE events SET version = -? WHERE position = ?", (version, position))
                raw.execute("UPDATE events SET hash = ? WHERE position = ?", (digest, position))
            raw.execute("UPDATE events SET version = -version WHERE parent = ?", (key,))
            head = (version, version, digest, key)
            raw.execute("UPDATE parents SET count = ?, version = ?, hash = ? WHERE parent = ?", head)
        raw.execute("UPDATE sqlite_sequence SET seq = (SELECT max(position) FROM events) WHERE name = 'events'")


def close_gaps(path: Path) -> None:
    """Give all events positions without a gap, as they were never covered by a hash."""
    with closing(sqlite3.connect(path)) as raw, raw:
        old = [number for (number,) in raw.execute("SELECT position FROM events ORDER BY position")]
        for new, number in enumerate(old, 1):
            raw.execute("UPDATE events SET position = ? WHERE position = ?", (new, number))


def test_a_sealed_store_is_sound_with_and_without_its_key(sealed: Path) -> None:
    assert found(sealed) == []
    assert found(sealed, None) == []


def test_another_key_is_told_from_damage(sealed: Path) -> None:
    with pytest.raises(AuditKeyError, match=f"fingerprint {KEY.fingerprint.hex()}") as caught:
        found(sealed, OTHER)
    assert OTHER.fingerprint.hex() in str(caught.value)
    with pytest.raises(AuditKeyError, match="another audit key"):
        open_log(sealed, audit_key=OTHER)


def test_nothing_is_written_to_a_sealed_store_without_its_key(sealed: Path) -> None:
    with open_log(sealed) as log, pytest.raises(AuditKeyError, match="it is sealed"):
        log.append([FactBatch("t", 0, FACTS)])
    with open_log(sealed) as log:
        with pytest.raises(AuditKeyError, match="--key-file"):
            log.decide("s", COUNT, lambda _: FACTS[:1], missed_max=1)
        assert len(list(log.read("s"))) == COUNT
    assert found(sealed) == []


def test_a_store_with_events_is_sealed_on_request_alone(path: Path) -> None:
    with open_log(path) as log:
        log.append([FactBatch("p", 0, FACTS)])
    (finding,) = found(path)
    assert finding[0] is None
    assert "it has no seals" in finding[3]
    with pytest.raises(AuditKeyError, match="it has no seals"):
        open_log(path, audit_key=KEY)
    open_log(path, audit_key=KEY, seal_anew=True).close()
    assert found(path) == []
    open_log(path, audit_key=OTHER, seal_anew=True).close()
    assert found(path, OTHER) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET data = zeroblob(2) WHERE position = 3", "DELETE FROM events WHERE position = 3"]
)
def test_a_damaged_store_is_not_sealed(path: Path, statement: str) -> None:
    with open_log(path) as log:
        log.append([FactBatch("p", 0, FACTS)])
    tamper(path, statement)
    with pytest.raises(StoreDamagedError):
        open_log(path, audit_key=KEY, seal_anew=True)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM sqlite_master WHERE name = 'store_seal'").fetchone() == (0,)


def test_a_store_in_memory_needs_no_seals() -> None:
    with open_log("memory:", audit_key=KEY) as log:
        log.append([FactBatch("p", 0, FACTS)])
        assert list(Audit(log, key=KEY).verify()) == []


PUT = "UPDATE events SET data = CAST(replace(data, '{}', '{}') AS BLOB) WHERE parent = 2 AND {}"
REMOVE = ["DELETE FROM events WHERE parent = 4", "DELETE FROM parents WHERE parent = 4"]
FORGED: dict[str, tuple[list[str], str | None, int | None, str]] = {
    "a changed byte in a payload": (
        [PUT.format("me", "us", "type = 'OwnershipTaken'")],
        *("q", COUNT, "its seal does not fit"),
    ),
    "a changed time": (
        [PUT.format("17000", "18000", "version > 0")],
        *("q", COUNT, "its seal does not fit"),
    ),
    "a cut tail": (["DELETE FROM events WHERE parent = 4 AND version = 14"], "s", COUNT, "the last ones were cut off"),
    "an added row": (
        [
            "INSERT INTO events(parent, version, type, data, hash)"
            " SELECT 4, 15, type, CAST(replace(data, '\"epoch\":1', '\"epoch\":2') AS BLOB), hash"
            " FROM events WHERE parent = 4 AND type = 'OwnershipTaken'"
        ],
        *("s", COUNT + 1, "nothing from here on is"),
    ),
    "a removed run": (
        ["DELETE FROM seals WHERE parent = 4", *REMOVE],
        *(None, None, "4 runs with 56 events up to position 56, there are seals of 3 runs with 42 events up to"),
    ),
    "a run that was removed without its seal": (
        REMOVE,
        *(None, None, "1 run that was sealed is gone"),
    ),
    "a run that was added": (
        [
            "INSERT INTO parents VALUES (5, 'new', 0, 0, x'')",
            "INSERT INTO events(parent, version, type, data, hash)"
            " SELECT 5, version, type, data, hash FROM events WHERE parent = 4 ORDER BY version",
        ],
        *("new", 1, "it has no seal"),
    ),
    "a run of another name": (["UPDATE parents SET parent_id = 'x' WHERE parent = 2"], "x", COUNT, "does not fit"),
    "a row moved to another run": (
        [
            "UPDATE events SET parent = 4, version = 15 WHERE parent = 1 AND version = 14",
        ],
        *("p", COUNT, "cut off"),
    ),
    "two rows of different runs in each other's place": (
        [
            "UPDATE events SET position = -8 WHERE position = 7",
            "UPDATE events SET position = 7 WHERE position = 8",
            "UPDATE events SET position = 8 WHERE position = -8",
        ],
        *("p", COUNT, "moved to other positions"),
    ),
    "a seal that was removed": (["DELETE FROM seals WHERE parent = 3"], "r", 1, "it has no seal"),
    "all seals removed": (["DROP TABLE store_seal", "DROP TABLE seals"], None, None, "it has no seals"),
    "the seal of the store removed": (["DELETE FROM store_seal"], None, None, "does not fit"),
    "a seal of another kind": (["UPDATE seals SET count = 'x' WHERE parent = 3"], "r", COUNT, "does not fit"),
    "numbers of the store": (["UPDATE store_seal SET runs = 3"], None, None, "does not fit"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forger_without_the_key_is_found(sealed: Path, name: str) -> None:
    statements, run_id, version, problem = FORGED[name]
    tamper(sealed, *statements)
    rehash(sealed)
    if "moved" not in name and "place" not in name:
        close_gaps(sealed)
        rehash(sealed)
    findings = found(sealed)
    assert any(one[:2] == (run_id, version) and problem in one[3] for one in findings), findings


def test_an_older_state_of_one_run_is_found(path: Path) -> None:
    """Whoever keeps rows, head and seal of a run, and puts them back later, has all that fits but the sum."""
    with open_log(path, audit_key=KEY) as log:
        log.append([FactBatch("p", 0, FACTS), FactBatch("q", 0, FACTS[:6])])
        shutil.copy(path, older := path.with_name("older.db"))
        shutil.copy(f"{path}-wal", f"{older}-wal")
        log.append([FactBatch("q", 6, FACTS[6:])])
    with closing(sqlite3.connect(older)) as raw:
        seal = raw.execute("SELECT * FROM seals WHERE parent = 2").fetchone()
        head = raw.execute("SELECT * FROM parents WHERE parent = 2").fetchone()
        whole = raw.execute("SELECT * FROM store_seal").fetchone()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM events WHERE parent = 2 AND version > 6")
        raw.execute("REPLACE INTO seals VALUES (?, ?, ?, ?, ?, ?)", seal)
        raw.execute("REPLACE INTO parents VALUES (?, ?, ?, ?, ?)", head)
        raw.execute("UPDATE sqlite_sequence SET seq = (SELECT max(position) FROM events) WHERE name = 'events'")
    (finding,) = found(path)
    assert finding[0] is None
    assert "sealed with 2 runs with 28 events up to position 28" in finding[3]
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("REPLACE INTO store_seal VALUES (?, ?, ?, ?, ?, ?, ?)", whole)
    assert found(path) == [], "the whole store as it once was: a receipt alone tells"


def test_a_run_of_another_store_with_the_same_key_does_not_fit(sealed: Path, tmp_path: Path) -> None:
    with open_log(tmp_path / "other.db", audit_key=KEY) as log:
        log.append([FactBatch("s", 0, [*FACTS[:3], *FACTS[3:]])])
    with closing(sqlite3.connect(tmp_path / "other.db")) as raw:
        seal = raw.execute("SELECT count, closed, first, last, seal FROM seals WHERE parent = 1").fetchone()
    with closing(sqlite3.connect(sealed)) as raw, raw:
        raw.execute("REPLACE INTO seals VALUES (4, ?, ?, ?, ?, ?)", seal)
    assert any(one[0] == "s" and "does not fit" in one[3] for one in found(sealed))


def test_a_writer_with_the_key_never_seals_what_somebody_else_wrote(sealed: Path) -> None:
    tamper(sealed, PUT.format("me", "us", "type = 'OwnershipTaken'"))
    rehash(sealed)
    with open_log(sealed, audit_key=KEY) as log:
        verdicts = log.append([FactBatch("q", COUNT, FACTS[5:6]), FactBatch("t", 0, FACTS)])
        assert [isinstance(verdict, Written) for verdict in verdicts] == [False, True]
        with pytest.raises(StoreDamagedError, match=r"run 'q': its seal does not fit"):
            list(log.read("q"))
        assert len(list(log.read("p"))) == COUNT
    assert [one[0] for one in found(sealed)] == ["q"]


def test_a_writer_with_the_key_stops_where_the_seal_of_the_store_was_altered(sealed: Path) -> None:
    with open_log(sealed, audit_key=KEY) as log:
        tamper(sealed, "UPDATE store_seal SET events = events - 1")
        with pytest.raises(StoreDamagedError, match="the seal of the store does not fit"):
            log.append([FactBatch("t", 0, FACTS)])
        tamper(sealed, "DELETE FROM store_seal")
        with pytest.raises(StoreDamagedError, match="was removed"):
            log.append([FactBatch("t", 0, FACTS)])


def test_many_runs_in_one_append_and_many_batches_of_one_run(path: Path) -> None:
    names = [f"p{number}" for number in range(150)]
    with open_log(path, audit_key=KEY) as log:
        log.append([FactBatch(name, 0, FACTS[:3]) for name in names])
        log.append([FactBatch(name, at, FACTS[at:upto]) for name in names for at, upto in ((3, 5), (5, COUNT))])
        log.append([FactBatch(name, 0, FACTS[:1]) for name in names])
    assert found(path) == []


def test_two_writers_with_the_key_by_turns(path: Path) -> None:
    with open_log(path, audit_key=KEY) as one, open_log(path, audit_key=KEY) as other:
        for version, fact in enumerate(FACTS):
            one.append([FactBatch("p", version, [fact])])
            other.append([FactBatch("q", version, [fact])])
        decided = one.decide("r", 0, lambda _: FACTS, missed_max=1)
        assert decided is not None
        assert one.recorder.head("r") is not None
        assert one.recorder.head("z") is None
    assert found(path) == []


class Racing(SQLiteRecorder):
    """Whenever it is asked for a seal, somebody has just appended."""

    def __init__(self, path: Path, append: Callable[[], object]) -> None:
        super().__init__(path)
        self._somebody_appends = append

    def seal_of(self, parent_id: str) -> RunSeal | None:
        self._somebody_appends()
        return super().seal_of(parent_id)


def test_an_audit_while_somebody_writes(path: Path) -> None:
    with open_log(path, audit_key=KEY) as log:
        log.append([FactBatch("p", 0, FACTS[:1])])
        rest = iter(range(1, COUNT))

        def append() -> None:
            for version in islice(rest, 1):
                log.append([FactBatch("p", version, [FACTS[version]])])

        with EventLog(Racing(path, append)) as racing:
            audit = Audit(racing, key=KEY)
            assert list(audit.verify()) == []
            assert audit.events == COUNT


def test_places_are_the_same_however_they_are_told() -> None:
    one = Places().followed_by(1, 3).followed_by(7, 7).followed_by(8, 9)
    other = Places()
    for position in (1, 2, 3, 7, 8, 9):
        other = other.followed_by(position, position)
    assert one == other
    assert one != Places().followed_by(1, 3).followed_by(7, 9).followed_by(10, 10)
    assert one != Places().followed_by(1, 2).followed_by(7, 9)


def test_a_key_shows_nothing_of_itself(tmp_path: Path) -> None:
    assert "nobody" not in repr(KEY)
    assert AuditKey(b"\n a key that nobody else has\r\n").fingerprint == KEY.fingerprint
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(KEY)
    for wrong in (b"", b"too short" + b" " * 100, b"x" * 5000, "text" * 10):
        with pytest.raises(UsageError) as caught:
            AuditKey(wrong)  # type: ignore[arg-type]
        assert "too short" not in str(caught.value)
    file = tmp_path / "audit.key"
    file.write_bytes(b"secret")
    with pytest.raises(UsageError) as told:
        read_key(file)
    assert "secret" not in str(told.value)
    file.write_bytes(b"a key that nobody else has\n")
    assert read_key(file).fingerprint == KEY.fingerprint
    for place in (tmp_path / "none", tmp_path, Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(UsageError, match="the audit key in "):
            read_key(place)


def test_nothing_of_the_key_is_in_the_store(sealed: Path) -> None:
    assert b"nobody else has" not in sealed.read_bytes()
