"""What errors say of the place where something is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from events.errors import ChildrenFailedError, InvariantBrokenError, Place, StoreDamagedError, StoreVersionError


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("p", 3, 7, "altered"), "run 'p', version 3, position 7: altered"),
        (Place("p", None, None, "altered"), "run 'p': altered"),
        (Place(None, 3, None, "altered"), "version 3: altered"),
        (Place(None, None, 7, "altered"), "position 7: altered"),
        (Place(None, None, None, "altered"), "altered"),
        (Place("", 0, 0, "altered"), "run '', version 0, position 0: altered"),
    ],
)
def test_a_place_names_what_is_known_of_it(place: Place, text: str) -> None:
    assert str(place) == text


@pytest.mark.parametrize("kind", [StoreDamagedError, StoreVersionError])
def test_an_error_at_a_place_names_the_store_and_keeps_the_place(kind: type[StoreDamagedError]) -> None:
    place = Place("p", 3, None, "altered")
    error = kind.at("a.db", place)
    assert type(error) is kind
    assert str(error) == "a.db: run 'p', version 3: altered"
    assert error.place is place
    assert kind("torn").place is None


def test_a_broken_invariant_is_told_with_version_and_name_where_they_are_known() -> None:
    whole = InvariantBrokenError("so", invariant="created-first", version=2)
    assert str(whole) == "version 2, so (created-first)"
    assert (whole.text, whole.invariant, whole.version) == ("so", "created-first", 2)
    assert str(InvariantBrokenError("so", invariant="created-first")) == "so (created-first)"
    assert str(InvariantBrokenError("so", version=0)) == "so"
    plain = InvariantBrokenError("so")
    assert (str(plain), plain.text, plain.invariant, plain.version) == ("so", "so", "", None)


@pytest.mark.parametrize(
    ("status", "words"),
    [("failed", "failed"), ("timed_out", "timed out"), ("cancelled", "was cancelled")],
)
def test_a_run_that_did_not_succeed_says_how_and_keeps_what_it_knows(status: str, words: str) -> None:
    errors: dict[str, Any] = {"a": {"type": "Wrong", "message": "no"}}
    error = ChildrenFailedError("r", status, errors)
    assert str(error) == f"run 'r' {words}; 1 child has an error: 'a': Wrong: no"
    assert (error.parent_id, error.status, error.errors) == ("r", status, errors)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 children have an error"),
        (2, "2 children have an error: '0': E; '1': E"),
        (3, "3 children have an error: '0': E; '1': E; '2': E"),
        (4, "4 children have an error: '0': E; '1': E; '2': E; and 1 more"),
        (2_000, "2,000 children have an error: '0': E; '1': E; '2': E; and 1,997 more"),
    ],
)
def test_the_first_errors_are_named_and_the_others_counted(count: int, said: str) -> None:
    errors = {str(number): {"type": "E"} for number in range(count)}
    assert str(ChildrenFailedError("r", "failed", errors)) == f"run 'r' failed; {said}"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ({"type": "Wrong", "message": ""}, "Wrong"),
        ({"type": "Wrong", "message": "one\ntwo\nthree"}, "Wrong: one"),
        ({"type": "Wrong", "message": "a\x1b[1mb\u202e\u00e9"}, "Wrong: a\\x1b[1mb\\u202e\u00e9"),
        ({"type": 7, "message": "no"}, "{'type': 7, 'message': 'no'}"),
        ({"message": "no"}, "{'message': 'no'}"),
        ("text", "'text'"),
        ([1], "[1]"),
        (None, "None"),
        ({"type": ""}, ""),
        ({"type": "x" * 200}, "x" * 200),
        ({"type": "x" * 201}, "x" * 197 + "..."),
    ],
)
def test_an_error_is_summed_up_in_a_line_that_a_terminal_bears(error: object, line: str) -> None:
    assert str(ChildrenFailedError("r", "failed", {"a": error})) == f"run 'r' failed; 1 child has an error: 'a': {line}"
