"""A state as bytes and back: whole, the same bytes for the same state, and nothing that can be no state."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from dataclasses import fields
from hashlib import sha256
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given

from events import snapshot
from events.errors import LimitExceededError, StoreDamagedError
from events.evolve import INITIAL, fold
from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildRetryScheduled,
    ChildStarted,
    DeadlinePassed,
    Fact,
    MembershipClosed,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redacted,
    Redriven,
    Within,
)
from events.order import Order
from events.payload_files import PayloadRef
from events.snapshot import code_version, decoded, detached, difference, encoded, parts
from events.state import NESTED_TASK, NESTED_WORKER, ChildState, ParentState, Running
from events.strategy import Strategy
from events.table import Table
from tests.events.histories import History, histories
from tests.hostile.effort import tries

LIMITS: Final = ChildLimits(
    timeout_seconds=1.5,
    max_attempts=3,
    retry_on=("A", "B"),
    queue_timeout_seconds=5.0,
    total_timeout_seconds=9.0,
    priority=-1,
    keys=("k",),
)


def full_history() -> list[Fact]:
    """Return facts that leave something in every field but those that only a settled parent has."""
    names = ("a", "b", "c", "d", "e", "nest", "nest2", "nest3", "é\u2028\"'")
    created = ParentCreated(
        at=10,
        strategy=Strategy(kind="threshold", percent=33.3, max_failures_percent=50.0, min_finished=2),
        max_workers=3,
        on_decided="drain",
        content="c" * 64,
        timeout_seconds=2.5,
        metadata='{"a":1}',
        retry_budget=7,
        seed=-5,
        weight=2,
        priority=-3,
        within=Within(parent_id="p", child_id="n", depth=2, again=1),
    )
    tasks = dict.fromkeys(names, "work") | dict.fromkeys(("nest", "nest2", "nest3"), NESTED_TASK)
    file = PayloadRef(sha256="a" * 64, bytes=70_000)
    facts: list[Fact] = [created]
    for index, name in enumerate(names):
        limits, large = LIMITS if index % 2 else None, file if name == "c" else None
        text = "" if large else json.dumps({"n": index})
        facts.append(
            ChildPrepared(
                at=11, child_id=name, index=index, task=tasks[name], input=text, limits=limits, input_file=large
            )
        )
    facts += [ChildCreated(at=12, child_id=name) for name in names]
    facts += [MembershipClosed(at=12), OwnershipTaken(at=13, owner="me", epoch=4)]
    facts += [ChildStarted(at=14, child_id=name, attempt=1, worker="1") for name in ("a", "b", "d", "e")]
    facts += [ChildStarted(at=14, child_id=name, attempt=1, worker=NESTED_WORKER) for name in ("nest", "nest2")]
    facts += [AttemptLost(at=14, child_id="nest2", attempt=1, reason="r")]
    facts += [
        ChildFinished(at=15, child_id="a", attempt=1, outcome="succeeded", output="1"),
        ChildRetryScheduled(at=16, child_id="b", attempt=1, error="{}", not_before=99),
        ChildFinished(at=17, child_id="d", attempt=1, outcome="failed", error="{}"),
        AttemptEndedLate(at=18, child_id="b", attempt=1, outcome="succeeded", output="1"),
        ChildCancelRequested(at=19, child_id="e", reason="why\x00not"),
        Paused(at=20, reason="r"),
    ]
    return facts


def settled_history() -> list[Fact]:
    """Return facts that leave a parent settled that was redriven before."""
    facts: list[Fact] = [
        ParentCreated(at=1, strategy=Strategy(kind="any"), max_workers=1, on_decided="cancel", content="c"),
        ChildPrepared(at=1, child_id="a", index=0, task="t", input="1"),
        ChildCreated(at=1, child_id="a"),
        MembershipClosed(at=1),
        OwnershipTaken(at=1, owner="me", epoch=1),
        ChildFinished(at=2, child_id="a", attempt=0, outcome="cancelled"),
        ParentDecided(at=2, status="failed", why="no", child_id="a"),
        ParentSettled(at=2),
        Redriven(at=3, reason="r", on_decided="continue", token=LIMITS.keys[0] if LIMITS.keys else None),
        DeadlinePassed(at=4),
        ParentDecided(at=4, status="timed_out", why="late"),
        ParentSettled(at=5),
        Redacted(at=6, reason="asked for"),
    ]
    return facts


STATES: Final = [fold(full_history()), fold(settled_history())]


@pytest.mark.parametrize("state", STATES, ids=["open", "settled"])
def test_a_state_comes_back_as_it_was(state: ParentState) -> None:
    body = encoded(state)
    back = decoded(body, state.version)
    assert difference(state, back) is None
    assert encoded(back) == body == b"".join(parts(detached(state)))


def test_there_is_no_field_that_these_states_leave_as_it_is_at_first() -> None:
    """Together they tell whether a field was forgotten; a new field has to get a value here that is not its default."""
    only_counted = {"cancel_requested", "timed_out", "skipped", "redriving_at", "resumed_at", "decided_at", "retries"}
    same = {field.name for field in fields(ParentState) if all(_is_default(state, field.name) for state in STATES)}
    assert same <= only_counted
    written = {*snapshot._form().plain.model_fields, *(table.name for table in snapshot._form().tables)}
    assert written | set(snapshot._DERIVED) == {field.name for field in fields(ParentState)}


def _is_default(state: ParentState, name: str) -> bool:
    mine, first = getattr(state, name), getattr(INITIAL, name)
    return not len(mine) if isinstance(mine, Table | Order) else mine == first


@given(history=histories())
@tries(60)
def test_every_prefix_of_a_history_comes_back_and_goes_on_as_it_would_have(history: History) -> None:
    for end in history.ends:
        state = fold(history.facts[:end])
        back = decoded(encoded(state), end)
        assert difference(state, back) is None
        gone_on = fold(history.facts[end:], back)
        assert difference(gone_on, fold(history.facts)) is None
        assert encoded(gone_on) == encoded(history.state)


def test_a_detached_state_stays_as_it_is_while_the_other_one_goes_on() -> None:
    facts = full_history()
    state = fold(facts[:-6])
    apart, body = detached(state), encoded(state)
    fold(facts[-6:], state)
    assert encoded(apart) == body
    assert all(getattr(apart, table.name) is not getattr(state, table.name) for table in snapshot._form().tables)


def test_rows_come_in_many_parts_and_large_ones_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [fact for fact in full_history() if isinstance(fact, ParentCreated)]
    prepared = [ChildPrepared(at=1, child_id=str(n), index=n, task="t", input="x" * 200) for n in range(5_000)]
    state = fold([*facts, *prepared])
    assert len(list(parts(state))) == 1 + 10
    monkeypatch.setattr(snapshot, "PART_BYTES_MAX", 100_000)
    body = encoded(state)
    assert len(list(parts(state))) > 15
    assert difference(decoded(body, state.version), state) is None
    monkeypatch.setattr(snapshot, "PART_BYTES_MAX", 200)
    with pytest.raises(LimitExceededError, match="a part of a snapshot would have"):
        encoded(state)


@pytest.mark.parametrize("name", ["STORED_BYTES_MAX", "BODY_BYTES_MAX"])
def test_what_would_be_too_large_is_not_written(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(snapshot, name, 100)
    with pytest.raises(LimitExceededError, match=f"version {STATES[0].version} would be too large"):
        encoded(STATES[0])


def repacked(state: ParentState, number: int, change: Any) -> bytes:
    """Return a body in one of whose parts, of the tables or the first one, something was changed."""
    found = []
    for place, part in enumerate(parts(state)):
        data = zlib.decompress(part[4:])
        head, colon, text = data.partition(b":") if place else (b"", b"", data)
        if place == number:
            text = json.dumps(change(json.loads(text))).encode()
        packed = zlib.compress(head + colon + text)
        found.append(len(packed).to_bytes(4, "big") + packed)
    return b"".join(found)


def put(name: str, value: Any) -> Any:
    return lambda plain: plain | {name: value}


WRONG: Final[list[tuple[str, int, Any]]] = [
    ("a field is missing", 0, lambda plain: {name: value for name, value in plain.items() if name != "seed"}),
    ("a field is unknown", 0, put("more", 1)),
    ("a bool is a number", 0, put("paused", 1)),
    ("a number is a text", 0, put("total", "9")),
    ("a number has a point", 0, put("total", 9.0)),
    ("a number is too large", 0, put("seed", 2**63)),
    ("a number is infinite", 0, put("timeout_seconds", float("inf"))),
    ("no status", 0, put("decision", ["great", "why", None])),
    ("another version", 0, put("version", 5)),
    ("never created", 0, put("origin", None)),
    ("no workers", 0, put("max_workers", 0)),
    ("a count is negative", 0, put("failed", -1)),
    ("a count is too large", 0, put("retries", 10**6)),
    ("more children than there are", 0, put("total", 10)),
    ("more created than there are", 0, put("created", 10)),
    ("more started than created", 0, put("next_index", 10)),
    ("more ahead than there are", 0, put("ahead", 9)),
    ("more succeeded", 0, put("succeeded", 2)),
    ("more running", 0, put("running_count", 4)),
    ("fewer waiting", 0, put("requeued_count", 0)),
    ("settled and not decided", 0, put("settled_at", 7)),
    ("a child is twice in it", 1, lambda columns: [[columns[0][1], *columns[0][1:]], *columns[1:]]),
    ("a child is not there", 1, lambda columns: [column[1:] for column in columns]),
    ("a column is short", 1, lambda columns: [columns[0], columns[1][1:], *columns[2:]]),
    ("a column is missing", 1, lambda columns: columns[1:]),
    ("a place is taken", 1, lambda columns: [columns[0], [7] * len(columns[1]), *columns[2:]]),
    ("no such phase", 1, lambda columns: [*columns[:2], ["waiting"] * 8 + ["asleep"], *columns[3:]]),
    ("all of them wait", 1, lambda columns: [*columns[:2], ["waiting"] * 9, *columns[3:]]),
    ("nothing to do", 1, lambda columns: [*columns[:3], [None] * 9, *columns[4:]]),
    ("another order", 1, lambda columns: [column[::-1] for column in columns]),
    ("it runs and does not", 2, lambda columns: [["c", *columns[0][1:]], *columns[1:]]),
    ("nobody runs", 2, lambda columns: [["nobody", *columns[0][1:]], *columns[1:]]),
    ("it waits and does not", 3, lambda columns: [["a"], columns[1]]),
    ("nobody is to stop", 4, lambda columns: [["nobody"], columns[1]]),
    ("nobody was late", 5, lambda columns: [["nobody"], *columns[1:]]),
    ("a list is none", 1, lambda columns: {"a": 1}),
]


def test_what_is_taken_apart_and_put_together_again_is_the_same() -> None:
    body = repacked(STATES[0], 1, lambda columns: columns)
    assert difference(decoded(body, STATES[0].version), STATES[0]) is None


@pytest.mark.parametrize(("number", "change"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_can_be_no_state_is_refused(number: int, change: Any) -> None:
    with pytest.raises(StoreDamagedError):
        decoded(repacked(STATES[0], number, change), STATES[0].version)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 20, -1])
def test_what_is_cut_is_refused(cut: int) -> None:
    with pytest.raises(StoreDamagedError):
        decoded(encoded(STATES[0])[:cut], STATES[0].version)


def test_every_flipped_bit_is_refused_or_without_effect() -> None:
    body = encoded(STATES[0])
    for place in range(0, len(body), 5):
        flipped = body[:place] + bytes([body[place] ^ 4]) + body[place + 1 :]
        with suppress(StoreDamagedError):  # a hint in zlib's own head may be flipped, and nothing comes of it
            assert difference(decoded(flipped, STATES[0].version), STATES[0]) is None


def test_states_differ_in_the_first_field_that_does() -> None:
    state = STATES[0]
    assert difference(state, state.replace(total=10, seed=1)) == "seed"
    other = state.children.set("a", ChildState(0, "failed", None))
    assert difference(state, state.replace(children=other)) == "children"
    reordered = Table(dict(reversed(list(state.running.items()))))
    assert difference(state, state.replace(running=reordered)) == "running"
    assert difference(state, state.replace(running=state.running.set("b", Running(1, "1", 2)))) == "running"


class _Odd(NamedTuple):
    """A type that no snapshot can hold yet."""

    what: bytes


@pytest.mark.parametrize("hint", [bytes, list[int], Any, dict[str, int], int | bytes])
def test_a_field_of_an_unknown_type_is_refused_by_name(hint: Any) -> None:
    with pytest.raises(TypeError, match="field novel of a parent's state"):
        snapshot._checked(hint, "novel")
    with pytest.raises(TypeError, match="field novel"):
        snapshot._table_form("novel", str, _Odd)


def test_the_code_version_tells_fields_and_their_types_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_version()
    assert before.startswith(f"{snapshot.STATE_VERSION}:")
    lines = list(snapshot._described(ParentState, set()))
    for class_name in ("ParentState", "ChildState", "Running", "Decision", "Strategy", "ChildLimits", "Within"):
        assert any(line.startswith(f"{class_name}.") for line in lines)
    monkeypatch.setattr(snapshot, "_described", lambda *_: iter([*lines, "ParentState.more: int"]))
    code_version.cache_clear()
    assert code_version() != before
    monkeypatch.undo()
    code_version.cache_clear()
    assert code_version() == before


FOLDED: Final = {1: "1d4cba56", 2: "f0c731b0", 3: "aba89cb9"}
"""What these histories add up to, by STATE_VERSION."""


def test_whoever_changes_what_facts_add_up_to_raises_the_state_version() -> None:
    """Otherwise a snapshot of the release before would be taken for one of this release, and be wrong.

    Should this fail: raise `events.snapshot.STATE_VERSION` by one, and note the new value beside the new version. (A
    new field, or a renamed one, makes older snapshots useless by itself; the value changes all the same.)
    """
    digest = sha256()
    for facts in (full_history(), settled_history()):
        for end in range(1, len(facts) + 1):
            state = fold(facts[:end])
            for field in fields(ParentState):
                value = getattr(state, field.name)
                value = list(value.items()) if isinstance(value, Table | Order) else value
                digest.update(repr((field.name, value)).encode())
    assert FOLDED.get(snapshot.STATE_VERSION) == digest.hexdigest()[:8]
