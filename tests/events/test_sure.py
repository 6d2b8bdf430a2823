"""Facts made of checked values are the facts that pydantic makes of them, to the byte."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from events.catalogue import DEFAULT_CATALOGUE
from events.facts import ChildCreated, ChildFinished, ChildLimits, ChildPrepared, ChildStarted, Fact

FACTS: list[tuple[type[Fact], dict[str, Any]]] = [
    (ChildCreated, {"at": 1, "child_id": "a"}),
    (ChildStarted, {"at": 1, "child_id": "a", "attempt": 2, "worker": "3"}),
    (
        ChildPrepared,
        {"at": 1, "child_id": "a", "index": 0, "task": "t", "input": "null", "limits": None, "input_file": None},
    ),
    (
        ChildPrepared,
        {
            "at": 1,
            "child_id": "a",
            "index": 0,
            "task": "t",
            "input": "[1]",
            "limits": ChildLimits(max_attempts=2),
            "input_file": None,
        },
    ),
    (
        ChildFinished,
        {
            "at": 1,
            "child_id": "a",
            "attempt": 1,
            "outcome": "succeeded",
            "output": '"é"',
            "error": None,
            "output_file": None,
            "error_file": None,
        },
    ),
]


@pytest.mark.parametrize(("kind", "fields"), FACTS)
def test_a_sure_fact_is_the_checked_one(kind: type[Fact], fields: dict[str, Any]) -> None:
    assert list(fields) == list(kind.model_fields), "all fields, in their order: that of what is stored"
    checked, sure = kind(**fields), kind.sure(dict(fields))
    assert sure == checked
    assert hash(sure) == hash(checked)
    assert repr(sure) == repr(checked)
    assert DEFAULT_CATALOGUE.encode(sure) == DEFAULT_CATALOGUE.encode(checked)
    assert pickle.loads(pickle.dumps(sure)) == checked  # noqa: S301 - our own
    assert sure.model_copy(update={"at": 2}) == checked.model_copy(update={"at": 2})


def test_a_changed_copy_leaves_the_others_as_they_are() -> None:
    first, second = (ChildCreated.sure({"at": 1, "child_id": each}) for each in "ab")
    assert first.model_copy(update={"child_id": "c"}).child_id == "c"
    assert second.model_fields_set == {"at", "child_id"}
