"""A parent as the input of the child that it is: the text that is kept, and the commands that it becomes."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import pytest
from pydantic import BaseModel, ValidationError

from events.commands import ChildSpec, CloseMembership, CreateChildren, CreateParent, PrepareChildren
from events.errors import StoreDamagedError
from events.facts import ChildLimits, Within
from events.nested import NestedChild, NestedParent, nested_child, nested_id, nested_parent, tasks_needed
from events.state import NESTED_TASK
from events.strategy import ALL, ANY
from tests.events.scenario import AT, spec

CONTENT: Final = "0000000f" + "a" * 56
LEAST: Final[dict[str, Any]] = {"strategy": ALL, "on_decided": "cancel", "content": CONTENT}
TWICE: Final = ChildLimits(max_attempts=2)
WITHIN: Final = Within(parent_id="p", child_id="n", depth=1)


def nested(*children: NestedChild, **fields: Any) -> NestedParent:
    return NestedParent(**{**LEAST, "children": children, **fields})


def leaf(child_id: str, task: str = "work", text: str | None = "1") -> NestedChild:
    return NestedChild(child_id=child_id, task=task, input=text)


def inside(child_id: str, parent: NestedParent) -> NestedChild:
    return NestedChild(child_id=child_id, task=NESTED_TASK, parent=parent)


def test_the_text_that_is_kept_is_this_for_ever() -> None:
    whole = nested(
        leaf("a", text='{"x":"\u00e9"}'),
        inside("b", nested(leaf("c", "other", None))),
        max_workers=3,
        timeout_seconds=1.5,
        priority=-1,
    )
    head = f'{{"strategy":{{"kind":"all"}},%s"on_decided":"cancel","content":"{CONTENT}",%s"children":[%s]}}'
    inner = head % ("", "", '{"child_id":"c","task":"other"}')
    children = (
        f'{{"child_id":"a","task":"work","input":"{{\\"x\\":\\"\u00e9\\"}}"}},'
        f'{{"child_id":"b","task":"parallel","parent":{inner}}}'
    )
    assert whole.text() == head % ('"max_workers":3,', '"timeout_seconds":1.5,"priority":-1,', children)
    assert nested_parent(whole.text()) == whole


def test_the_fewest_fields_are_enough() -> None:
    least = nested()
    optional = ("max_workers", "timeout_seconds", "metadata", "retry_budget", "weight", "priority")
    assert {name: getattr(least, name) for name in optional} == dict.fromkeys(optional)
    assert least.children == ()
    child = NestedChild(child_id="a", task="work")
    assert (child.input, child.parent, child.limits) == (None, None, None)
    for name in LEAST:
        with pytest.raises(ValidationError, match="required"):
            NestedParent(**{other: value for other, value in LEAST.items() if other != name})
    both: list[tuple[type[BaseModel], dict[str, Any], BaseModel, str]] = [
        (NestedParent, LEAST, least, "content"),
        (NestedChild, {"child_id": "a", "task": "work"}, child, "task"),
    ]
    for kind, fields, known, text in both:
        with pytest.raises(ValidationError, match="extra"):
            kind(**{**fields, "also": 1})
        with pytest.raises(ValidationError, match="frozen"):
            setattr(known, next(iter(fields)), None)
        with pytest.raises(ValidationError, match="string"):
            kind(**{**fields, text: b"x"})
        assert hash(known) == hash(kind(**fields))


@pytest.mark.parametrize(
    ("field", "least", "below"),
    [
        ("max_workers", 1, 0),
        ("timeout_seconds", 5e-324, 0.0),
        ("retry_budget", 0, -1),
        ("weight", 1, 0),
    ],
)
def test_a_number_has_a_smallest_value_and_is_not_converted(field: str, least: float, below: float) -> None:
    assert getattr(nested(**{field: least}), field) == least
    for wrong in (below, str(least), float("nan"), float("inf")):
        with pytest.raises(ValidationError):
            nested(**{field: wrong})


@pytest.mark.parametrize("content", ["a" * 63, "a" * 65, "A" * 64, "g" * 64])
def test_the_content_is_a_hash(content: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        nested(content=content)


def test_a_child_is_kept_with_its_input_and_one_that_is_a_parent_with_that_parent() -> None:
    plain = spec("a", TWICE, input_text='{"x":1}')
    kept = nested_child(plain)
    assert kept == NestedChild(child_id="a", task="work", input='{"x":1}', limits=TWICE)
    assert kept.spec() == plain
    inner = nested(leaf("c"))
    outer = ChildSpec(child_id="b", task=NESTED_TASK, input=inner.text(), limits=TWICE)
    kept = nested_child(outer)
    assert kept == NestedChild(child_id="b", task=NESTED_TASK, parent=inner, limits=TWICE)
    assert kept.spec() == outer


def test_a_child_without_an_input_has_none() -> None:
    assert leaf("a", text=None).spec().input == "null"


@pytest.mark.parametrize(("text", "wrong"), [("[]", 1), ("nothing", 1), ('{"strategy":{"kind":"all"}}', 2)])
def test_an_input_that_holds_no_parent_is_damage(text: str, wrong: int) -> None:
    with pytest.raises(StoreDamagedError, match=f"none: {wrong} fields") as caught:
        nested_parent(text)
    assert caught.value.__suppress_context__, "the user's data stays out of it"


def test_it_is_created_as_any_parent_is() -> None:
    asked = nested(
        leaf("a"),
        leaf("b"),
        strategy=ANY,
        max_workers=2,
        on_decided="drain",
        timeout_seconds=9.0,
        metadata="{}",
        retry_budget=4,
        weight=5,
        priority=6,
    )
    create = CreateParent(
        at=AT,
        strategy=ANY,
        max_workers=2,
        on_decided="drain",
        content=CONTENT,
        timeout_seconds=9.0,
        metadata="{}",
        retry_budget=4,
        seed=15,
        weight=5,
        priority=6,
        within=WITHIN,
    )
    children = (spec("a", input_text="1"), spec("b", input_text="1"))
    prepare = PrepareChildren(at=AT, children=children)
    assert asked.commands(AT, WITHIN, 7) == (create, prepare, CreateChildren(at=AT), CloseMembership(at=AT))


def test_where_it_says_nothing_its_orchestrator_says_how_many_run() -> None:
    create, close = nested().commands(AT, WITHIN, 7)
    assert create == CreateParent(
        at=AT, strategy=ALL, max_workers=7, on_decided="cancel", content=CONTENT, seed=15, within=WITHIN
    )
    assert close == CloseMembership(at=AT)


def test_the_seed_is_the_first_32_bits_of_the_content() -> None:
    (create, *_) = nested(content="123456789" + "0" * 55).commands(AT, WITHIN, 1)
    assert isinstance(create, CreateParent)
    assert create.seed == 0x12345678


def test_it_needs_the_tasks_of_all_that_is_inside_it() -> None:
    deep = nested(leaf("a", "one"), inside("b", nested(leaf("c", "two"), inside("d", nested(leaf("e", "three"))))))
    assert list(deep.tasks()) == ["one", "two", "three"]
    assert list(tasks_needed(NESTED_TASK, deep.text())) == ["one", "two", "three"]
    assert list(tasks_needed("work", "nothing that is read")) == ["work"]


def test_the_most_workers_that_are_asked_for_count_however_deep() -> None:
    assert nested().max_workers_asked() == 1
    assert nested(leaf("a")).max_workers_asked() == 1
    inner = nested(inside("b", nested(max_workers=5)), max_workers=3)
    assert inner.max_workers_asked() == 5
    assert nested(leaf("a"), inside("c", inner), max_workers=4).max_workers_asked() == 5
    assert nested(inside("c", inner), max_workers=9).max_workers_asked() == 9


@pytest.mark.parametrize("chars_max", [11, 12, 200])
def test_a_short_id_is_the_way_to_it(chars_max: int) -> None:
    assert nested_id("parent", "kids", chars_max) == "parent/kids"


@pytest.mark.parametrize(("chars_max", "kept"), [(40, 15), (26, 1), (25, 0)])
def test_a_long_id_is_cut_and_marked(chars_max: int, kept: int) -> None:
    whole = "p" * 20 + "/" + "c" * 20
    mark = hashlib.sha256(whole.encode()).hexdigest()[:24]
    assert nested_id("p" * 20, "c" * 20, chars_max) == whole[:kept] + "~" + mark
    assert nested_id("p" * 20, "c" * 21, chars_max) != nested_id("p" * 20, "c" * 22, chars_max)


def test_an_id_of_very_few_characters_is_the_end_of_its_mark() -> None:
    mark = hashlib.sha256(b"parent/child").hexdigest()[:24]
    assert nested_id("parent", "child", 5) == mark[-5:]


def test_an_id_that_is_no_utf_8_is_marked_too() -> None:
    whole = "\ud800" * 20 + "/c"
    mark = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:24]
    assert nested_id("\ud800" * 20, "c", 21) == mark[-21:]
