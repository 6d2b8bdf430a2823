"""The limits of the product: the least that each of them may be, and what is said of less."""

from __future__ import annotations

from typing import Any

import pytest

from events.errors import UsageError
from events.limits import Limits

LEAST = {
    "id_chars_max": 1,
    "payload_bytes_max": 64,
    "inline_bytes_max": 0,
    "metadata_bytes_max": 64,
    "item_bytes_max": 1,
    "children_max": 1,
    "max_workers_max": 1,
    "append_events_max": 1,
    "output_bytes_max": 0,
    "plan_bytes_max": 1,
    "live_runs_max": 1,
    "requests_waiting_max": 1,
    "abandoned_threads_max": 0,
    "listener_backlog_max": 1,
    "plan_inputs_bytes_max": 1,
    "nesting_depth_max": 0,
    "conflict_retries_max": 1,
    "unpacked_bytes_max": 1,
    "packed_bytes_min": 0,
}


def test_every_limit_is_looked_at_here() -> None:
    assert set(LEAST) == set(Limits.model_fields)


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_a_limit_may_be_as_low_as_it_makes_sense(name: str, least: int) -> None:
    assert getattr(Limits(**{name: least}), name) == least
    with pytest.raises(UsageError, match=rf"^Limits: {name}: must be at least {least}$"):
        Limits(**{name: least - 1})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"children": 1}, "Limits: there is no limit of the name 'children'"),
        ({"children_max": "1"}, "Limits: children_max: must be a whole number"),
        ({"children_max": 1.5}, "Limits: children_max: must be a whole number"),
        ({"children_max": True}, "Limits: children_max: must be a whole number"),
    ],
)
def test_what_can_be_no_limit_is_refused_in_words_of_ours(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Limits(**fields)
    assert str(caught.value) == said
