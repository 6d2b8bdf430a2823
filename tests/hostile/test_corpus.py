"""The corpus of the fuzzers, played without a fuzzer: seeds, and every input that once brought something down."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.effort import tries
from tests.hostile.fuzzers import run
from tests.hostile.fuzzers.targets import CORPUS, TARGETS

FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_input_of_the_corpus_comes_back(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_a_corpus_that_is_small() -> None:
    assert tuple(TARGETS) == run._NAMES
    assert {path.parent.name for path in FILES} == set(TARGETS)
    assert sum(path.stat().st_size for path in FILES) < 200_000


@given(name=st.sampled_from(sorted(TARGETS)), data=st.binary(max_size=200))
@tries(100)
def test_any_bytes_come_back(name: str, data: bytes) -> None:
    TARGETS[name](data)
