"""What is said of arguments that do not fit: what, where, what it must be, and what was given, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from events.misfit import misfit
from orchestrator import Child, Limits, Parallel, Retry, Threshold, Throttle, UsageError

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("make", "fields", "said"),
    [
        (Parallel, {"max_workers": 0}, "Parallel: max_workers: must be at least 1, not 0"),
        (Parallel, {"max_workers": "4"}, "Parallel: max_workers: must be a whole number, not '4'"),
        (Parallel, {"max_workers": 2.5}, "Parallel: max_workers: must be a whole number, not 2.5"),
        (Parallel, {"timeout": -1}, "Parallel: timeout: must be more than 0, not -1"),
        (Parallel, {"timeout": "5"}, "Parallel: timeout: must be a number, not '5'"),
        (Parallel, {"timeout": float("nan")}, "Parallel: timeout: must be a finite number, not nan"),
        (Parallel, {"on_decided": "stop"}, "Parallel: on_decided: must be 'cancel', 'drain' or 'continue', not 'stop'"),
        (Parallel, {"strategy": "most"}, "Parallel: strategy: takes 'all', 'any' or a Threshold, not 'most'"),
        (Parallel, {"children": ["a"]}, "Parallel: children.0: must be a Child, not 'a'"),
        (Parallel, {"metadata": 5}, "Parallel: metadata: must be a dict, not 5"),
        (Parallel, {"many": 5}, "Parallel: unknown key 'many'"),
        (Parallel, {"Children": 5}, "Parallel: unknown key 'Children'"),
        (Retry, {"jitter": 2}, "Retry: jitter: must be at most 1, not 2"),
        (Threshold, {"count": 1, "max_failures": -1}, "Threshold: max_failures: must be at least 0, not -1"),
        (
            Threshold,
            {"count": 1, "max_failures": []},
            "Threshold: max_failures: must be a whole number, or a text, not a value of type list",
        ),
        (Child, {"id": 5, "command": "x"}, "Child: id: must be a text, not 5"),
        (Child, {"command": "x", "retry": 3}, "Child: retry: must be a Retry, not 3"),
        (Throttle, {"max_running": 1}, "Throttle: key: is missing"),
        (Limits, {"children_max": 0}, "Limits: children_max: must be at least 1"),
        (Limits, {"children": 1}, "Limits: there is no limit of the name 'children'"),
    ],
)
def test_a_definition_says_what_does_not_fit(make: Make, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make(**fields)
    assert str(caught.value) == said


class Outer(BaseModel):
    """Something that a user's task may take."""

    day: date | None = None
    name: Annotated[str, Field(min_length=2, pattern="^[a-z]+$")] = "ab"
    flag: Annotated[bool, Field(strict=True)] = False
    many: Annotated[list[int], Field(max_length=1)] = []
    low: Annotated[int, Field(lt=5)] = 0


@pytest.mark.parametrize(
    ("fields", "place", "reason"),
    [
        ({"day": "soon"}, "day", "must be a date or datetime, input is too short"),
        ({"name": "a"}, "name", "must have at least 2 characters"),
        ({"name": "AB"}, "name", "must match pattern '^[a-z]+$'"),
        ({"flag": 1}, "flag", "must be True or False"),
        ({"many": [1, 2]}, "many", "must have at most 1 item after validation, not 2"),
        ({"many": [1.5]}, "many.0", "must be a whole number"),
        ({"low": 5}, "low", "must be less than 5"),
    ],
)
def test_what_pydantic_says_otherwise_is_put_plainly(fields: dict[str, Any], place: str, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer(**fields)
    assert misfit(caught.value)[:2] == (place, reason)
