"""What errors say of the place where something is wrong."""

from __future__ import annotations

import pytest

from events.errors import InvariantBrokenError, Place, StoreDamagedError, StoreVersionError


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("p", 3, 7, "altered"), "parent 'p', version 3, position 7: altered"),
        (Place("p", None, None, "altered"), "parent 'p': altered"),
        (Place(None, 3, None, "altered"), "version 3: altered"),
        (Place(None, None, 7, "altered"), "position 7: altered"),
        (Place(None, None, None, "altered"), "altered"),
        (Place("", 0, 0, "altered"), "parent '', version 0, position 0: altered"),
    ],
)
def test_a_place_names_what_is_known_of_it(place: Place, text: str) -> None:
    assert str(place) == text


@pytest.mark.parametrize("kind", [StoreDamagedError, StoreVersionError])
def test_an_error_at_a_place_names_the_store_and_keeps_the_place(kind: type[StoreDamagedError]) -> None:
    place = Place("p", 3, None, "altered")
    error = kind.at("a.db", place)
    assert type(error) is kind
    assert str(error) == "a.db: parent 'p', version 3: altered"
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
