"""Answers to those who asked a parent for something: some wait for none, and some have been answered already."""

from __future__ import annotations

from concurrent.futures import Future

from actors.answers import answer, refuse
from actors.messages import Request
from events.evolve import INITIAL
from events.state import ParentState
from tests.actors.crew import GONE


def test_who_waits_for_no_answer_is_in_nobodys_way() -> None:
    accepted: Future[ParentState] = Future()
    answer((Request(()), Request((), accepted)), INITIAL)
    assert accepted.result(0) is INITIAL
    refused: Future[ParentState] = Future()
    refuse((Request(()), Request((), refused)), "p", GONE)
    assert refused.exception(0) is GONE
