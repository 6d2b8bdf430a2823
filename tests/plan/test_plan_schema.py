"""The JSON Schema and the loader agree, as far as a schema can see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from events.limits import Limits
from orchestrator.plan import load_plan
from orchestrator.plan_schema import plan_schema
from tests.plan.corpus import FINE
from tests.plan.miniature import accepts
from tests.plan.nested_corpus import FINE_NESTED, REFUSED_NESTED
from tests.plan.refused_corpus import REFUSED, Refused


@pytest.mark.parametrize("text", FINE + FINE_NESTED, ids=lambda text: f"{text[:40]!r}")
def test_the_schema_accepts_what_the_loader_accepts(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_plan(path).parallel.children
    assert accepts(plan_schema(), yaml.safe_load(text))


@pytest.mark.parametrize(
    "refused",
    [refused for refused in REFUSED + REFUSED_NESTED if refused.schema],
    ids=lambda refused: f"{refused.rest[:50]}",
)
def test_the_schema_refuses_what_the_loader_refuses(refused: Refused) -> None:
    assert not accepts(plan_schema(), yaml.safe_load(refused.text))


def test_the_schema_is_json_and_carries_the_limits() -> None:
    schema = plan_schema(Limits(max_workers_max=7, id_chars_max=3))
    assert json.loads(json.dumps(schema)) == schema
    task = {"id": "abc", "run": "x"}
    assert accepts(schema, {"tasks": [task], "max_workers": 7})
    assert not accepts(schema, {"tasks": [task], "max_workers": 8})
    assert not accepts(schema, {"tasks": [{**task, "id": "abcd"}]})
