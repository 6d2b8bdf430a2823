"""Very many children in little room: what is not kept for each of them is what it would be, were it kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import child_specs
from events.child_specs import ChildSpec, ChildSpecs, fields_of, gathered, ids_of
from events.commands import Command, PrepareChildren
from events.decide import Turn
from events.errors import ContentConflictError, UsageError
from events.evolve import INITIAL, fold
from events.fact_roll import FactRoll, apart, latest, work_in
from events.facts import ChildCreated, ChildLimits, ChildPrepared, Fact, Paused, Resumed
from events.making import Creating, Making, Preparing
from events.payload_files import PayloadRef
from events.state import Children, ChildState, ChildWork, ParentState
from events.table import Table
from tests.events.scenario import AT, close, create, fingerprint, finish, release, start

LIMITS = ChildLimits(max_attempts=2)
FILE = PayloadRef(sha256="ab" * 32, bytes=7)
MANY = 1_000


@pytest.fixture(autouse=True)
def many_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call fewer children many than users have to wait for."""
    monkeypatch.setattr(child_specs, "_MANY", MANY)


def specs(count: int) -> list[ChildSpec]:
    """Return children that are not all alike."""
    return [
        ChildSpec(
            child_id=f"c{n}",
            task=("work", "other")[n % 2],
            input="" if n % 5 == 0 else str(n),
            limits=LIMITS if n % 3 == 0 else None,
            input_file=FILE if n % 5 == 0 else None,
        )
        for n in range(count)
    ]


def taken(*commands: Command, state: ParentState = INITIAL) -> Turn:
    turn = Turn(state)
    for command in commands:
        turn.take(command)
    return turn


def prepare(children: Any) -> PrepareChildren:
    return PrepareChildren(at=AT, children=children)


def one_by_one(count: int) -> list[Fact]:
    prepared = [
        ChildPrepared(
            at=AT,
            child_id=spec.child_id,
            index=index,
            task=spec.task,
            input=spec.input,
            limits=spec.limits,
            input_file=spec.input_file,
        )
        for index, spec in enumerate(specs(count))
    ]
    return [*prepared, *(ChildCreated(at=AT, child_id=spec.child_id) for spec in specs(count))]


# What is asked for


@pytest.mark.parametrize("count", [0, 1, 7])
def test_specs_are_kept_field_by_field(count: int) -> None:
    listed, many = specs(count), ChildSpecs(specs(count))
    assert (len(many), list(many), list(ids_of(many))) == (count, listed, [spec.child_id for spec in listed])
    assert [many[place] for place in range(-count, count)] == [listed[place] for place in range(-count, count)]
    assert list(many[1:5:2]) == listed[1:5:2]
    for first, stop in ((0, None), (0, count), (1, 3), (2, None)):
        assert list(fields_of(many, first, stop)) == list(fields_of(listed, first, stop))
    with pytest.raises(IndexError):
        many[count]


def test_only_many_are_kept_so() -> None:
    assert isinstance(gathered(specs(MANY - 1), MANY - 1), tuple)
    many = gathered(iter(specs(MANY)), MANY)
    assert isinstance(many, ChildSpecs)
    assert prepare(many).children is many, "what was checked is not checked again, nor copied"


@pytest.mark.parametrize("children", [specs(2), ("a",), (ChildLimits(),), None])
def test_anything_else_is_checked_as_ever(children: Any) -> None:
    with pytest.raises(ValueError, match="children"):
        prepare(children)


# What is decided


@pytest.mark.parametrize("count", [MANY - 1, MANY, MANY + 1])
@pytest.mark.parametrize("kind", [tuple, ChildSpecs])
def test_the_facts_are_those_of_few_children(count: int, kind: Any) -> None:
    turn = taken(create(), prepare(kind(specs(count))), release(), close())
    assert isinstance(turn.facts, FactRoll) == (count >= MANY)
    facts = list(turn.facts)
    assert facts[1:-1] == one_by_one(count)
    assert facts == list(turn.facts), "they are the same whenever they are looked at"
    assert fingerprint(turn.state) == fingerprint(fold(facts))
    assert turn.state.version == len(facts) == len(turn.facts)


def test_known_children_are_passed_over_and_others_follow_on_them() -> None:
    before = taken(create(), prepare(tuple(specs(10))), release()).state
    turn = taken(prepare(ChildSpecs(specs(MANY + 20))), release(), state=before)
    assert isinstance(turn.facts, FactRoll)
    made = list(turn.facts)
    whole = one_by_one(MANY + 20)
    assert made == [*whole[10 : MANY + 20], *whole[MANY + 30 :]]
    assert taken(prepare(ChildSpecs(specs(MANY + 20))), release(), state=turn.state).facts == []


def test_what_is_wrong_with_one_of_many_is_refused_and_leaves_no_trace() -> None:
    known = taken(create(), prepare(tuple(specs(10)))).state
    other = [spec if spec.child_id != "c3" else spec.model_copy(update={"task": "else"}) for spec in specs(MANY)]
    with pytest.raises(ContentConflictError, match="'c3'"):
        taken(prepare(ChildSpecs(other)), state=known)
    with pytest.raises(UsageError, match="same id"):
        taken(create(), prepare(ChildSpecs([*specs(MANY), *specs(1)])))


def test_a_turn_goes_back_to_before_many_children() -> None:
    turn = taken(create())
    mark, before = turn.mark(), fingerprint(turn.state)
    for command in (prepare(ChildSpecs(specs(MANY))), release()):
        turn.take(command)
    turn.back_to(mark)
    assert (list(turn.facts), fingerprint(turn.state)) == ([turn.facts[0]], before)
    turn.take(close())
    assert list(turn.facts) == taken(create(), close()).facts


# Facts in a roll


def rolls() -> st.SearchStrategy[list[list[Fact] | Making]]:
    few: st.SearchStrategy[list[Fact] | Making] = st.lists(
        st.integers(0, 9).map(lambda at: Paused(at=at, reason="r")), max_size=3
    )
    prepared = st.builds(
        lambda at, first, count: Preparing(at, first, specs(count)),
        st.integers(0, 9),
        st.integers(0, 3),
        st.integers(0, 3),
    )
    created = st.builds(lambda at, count: Creating(at, list("abc"[:count])), st.integers(0, 9), st.integers(0, 3))
    return st.lists(st.one_of(few, prepared, created), max_size=5)


@given(rolls(), st.integers(-20, 20), st.integers(-20, 20), st.sampled_from([1, 2, -1]))
def test_a_roll_reads_as_a_list(parts: list[list[Fact] | Making], start: int, stop: int, step: int) -> None:
    roll, listed = FactRoll([]), list[Fact]()
    for part in parts:
        roll.extend(part)
        listed += part
        roll.append(Resumed(at=1))
        listed.append(Resumed(at=1))
    assert (list(roll), len(roll)) == (listed, len(listed))
    assert list(roll[start:stop:step]) == listed[start:stop:step]
    for place in range(-len(listed), len(listed)):
        assert roll[place] == listed[place]
    with pytest.raises(IndexError):
        roll[len(listed)]
    made = [fact for fact in listed if isinstance(fact, ChildPrepared | ChildCreated)]
    assert list(apart(roll)) == [fact for fact in listed if fact not in made]
    assert latest(roll) == latest(listed) == max((fact.at for fact in listed), default=0)
    assert [work.child_id for work in work_in(roll)] == [each.child_id for each in work_in(listed)]
    length = min(abs(start), len(listed))
    roll.cut(length)
    assert list(roll) == listed[:length]
    roll.append(Resumed(at=2))
    assert list(roll) == [*listed[:length], Resumed(at=2)]


def test_a_list_is_its_own_roll() -> None:
    facts: list[Fact] = [Paused(at=3, reason="r"), *one_by_one(2)]
    assert apart(facts) is facts
    assert (latest(facts), latest([])) == (AT if AT > 3 else 3, 0)
    assert [work.child_id for work in work_in(facts)] == ["c0", "c1"]


# The table of children

PLAIN = ChildState(5, "succeeded", None, 1)
OTHERS = [
    ChildState(5, "succeeded", None, 2),
    ChildState(5, "succeeded", None, 1, 1),
    ChildState(5, "succeeded", None, 1, 0, 1),
    ChildState(5, "succeeded", None, 1, 0, 0, 1),
    ChildState(5, "succeeded", None, 0),
    ChildState(5, "failed", None, 1),
    ChildState(5, "running", ChildWork("t", "1"), 1),
]


@pytest.mark.parametrize("child", [PLAIN, *OTHERS], ids=str)
def test_a_child_reads_as_it_was_put(child: ChildState) -> None:
    first = Children().set("a", ChildState(0, "waiting", ChildWork("t", "1")))
    table = first.set("b", child)
    later = table.set("b", OTHERS[-1])
    for version in (table, table.apart(), Children({"a": first["a"], "b": child})):
        assert type(version) is Children
        assert (version["b"], version.get("b"), dict(version.items())["b"]) == (child, child, child)
        assert type(version["b"]) is ChildState
        assert (list(version), len(version), "b" in version, version.get("c")) == (["a", "b"], 2, True, None)
        with pytest.raises(KeyError):
            version["c"]
    assert (first.get("b"), table["b"], later["b"]) == (None, child, OTHERS[-1]), "older versions stay as they were"


def test_only_the_place_is_kept_of_a_child_that_simply_succeeded() -> None:
    state = taken(create(), prepare(tuple(specs(3))), release(), close(), start("c1"), finish("c1")).state
    table: Any = state.children
    assert Table.get(table, "c1") == 1
    assert state.children["c1"] == ChildState(1, "succeeded", None, 1)
    assert isinstance(Table.get(table, "c0"), ChildState)


def test_a_table_apart_shares_nothing() -> None:
    table = Children().set("a", PLAIN)
    other = table.apart()
    table = table.set("b", PLAIN)
    assert (list(other), list(table), list(Table({"x": 1}).apart().items())) == (["a"], ["a", "b"], [("x", 1)])
