"""Asking again for an answer that does not come: after two looks, then after longer and longer."""

from __future__ import annotations

from actors.patience import Patience


def looks(patience: Patience, what: object, count: int) -> str:
    return "".join("x" if patience.runs_out(what) else "." for _ in range(count))


def test_patience_runs_out_later_and_later() -> None:
    assert looks(Patience(), object(), 32) == ".x.x...x.......x...............x"


def test_waiting_for_something_else_begins_anew() -> None:
    patience = Patience()
    one, other = object(), object()
    assert looks(patience, one, 5) == ".x.x."
    assert looks(patience, other, 5) == ".x.x."
    assert looks(patience, None, 3) == "..."
    assert looks(patience, other, 3) == ".x."
