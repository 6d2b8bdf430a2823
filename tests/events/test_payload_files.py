"""What stands on record for a payload that lies in a file."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from events.facts import ChildFinished, ChildPrepared, ChildRetryScheduled
from events.payload_files import (
    PayloadRef,
    Referred,
    error_head,
    is_what,
    payload_bytes,
    ref_to,
    referred,
    same_payload,
)

SOME = ref_to(b"some")
OTHER = ref_to(b"other")


def test_a_file_is_known_by_hash_and_size() -> None:
    assert PayloadRef(sha256=hashlib.sha256(b"some").hexdigest(), bytes=4) == SOME
    assert is_what(SOME, b"some")
    assert not is_what(SOME, b"same")
    assert not is_what(PayloadRef(sha256=SOME.sha256, bytes=5), b"some")
    assert not is_what(PayloadRef(sha256=SOME.sha256, bytes=3), b"some")


def test_what_stands_on_record_is_exact_and_stays_as_it_is() -> None:
    known = PayloadRef(sha256=SOME.sha256, bytes=1)
    assert hash(known) == hash(PayloadRef(sha256=SOME.sha256, bytes=1))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(known, next(iter(PayloadRef.model_fields)), SOME.sha256)
    wrong: list[dict[str, Any]] = [{"bytes": 0}, {"bytes": "1"}, {"sha256": SOME.sha256.encode()}, {"also": 1}]
    for fields in wrong:
        with pytest.raises(ValidationError):
            PayloadRef(**{"sha256": SOME.sha256, "bytes": 1, **fields})


@pytest.mark.parametrize("text", ["a" * 63, "a" * 65, "A" * 64, "g" * 64])
def test_the_hash_is_one(text: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        PayloadRef(sha256=text, bytes=1)


def test_half_a_character_has_bytes_too() -> None:
    assert payload_bytes('"\u00e9\ud800"') == b'"\xc3\xa9\xed\xa0\x80"'


def test_each_payload_of_a_fact_that_lies_in_a_file_is_told() -> None:
    prepared = ChildPrepared(at=1, child_id="a", index=0, task="t", input="", input_file=SOME)
    assert list(referred(prepared)) == [Referred("a", "input", SOME)]
    ended = ChildFinished(at=1, child_id="b", attempt=1, outcome="failed", output_file=SOME, error_file=OTHER)
    assert list(referred(ended)) == [Referred("b", "output", SOME), Referred("b", "error", OTHER)]
    retry = ChildRetryScheduled(at=1, child_id="c", attempt=1, error="e", not_before=1)
    assert list(referred(retry)) == []


def test_a_payload_is_the_same_wherever_it_lies() -> None:
    assert same_payload("some", None, "some", None)
    assert not same_payload("some", None, "other", None)
    assert same_payload("", None, "", None), "nothing is the same as nothing"
    assert same_payload("some", None, "", SOME)
    assert same_payload("", SOME, "some", None)
    assert same_payload("", SOME, "", SOME)
    assert not same_payload("", SOME, "", OTHER)
    assert not same_payload("", SOME, "other", None)
    assert not same_payload("other", None, "", SOME)


def test_the_head_of_an_error_is_its_type_its_bases_and_its_message() -> None:
    error = {"message": "no", "type": "Wrong", "bases": ["Base"], "traceback": "long"}
    assert error_head(json.dumps(error)) == '{"type":"Wrong","message":"no","bases":["Base"]}'


def test_the_head_of_an_error_is_short() -> None:
    long = "x" * 2_001
    head = json.loads(error_head(json.dumps({"type": long, "message": long, "bases": [long] * 101})))
    assert head == {"type": long[1:], "message": long[1:], "bases": [long[1:]] * 100}


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("[1]", "null"),
        ('"text"', "null"),
        ("{}", "{}"),
        ('{"type":1,"message":[],"bases":"Base"}', "{}"),
        ('{"type":null,"bases":{"a":1}}', "{}"),
        ('{"bases":["A",1,"B"]}', '{"bases":["A","B"]}'),
    ],
)
def test_what_is_not_told_as_an_error_is_has_less_of_a_head(text: str, head: str) -> None:
    assert error_head(text) == head
