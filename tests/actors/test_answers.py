"""Answers to those who asked a parent for something: some wait for none, and some have been answered already."""

from __future__ import annotations

from concurrent.futures import Future

from actors.answers import answer, answer_each, refuse
from actors.messages import Request
from events.errors import StepOrderError
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


def test_each_is_told_its_own_answer_and_who_was_refused_hears_why() -> None:
    replies: list[Future[ParentState]] = [Future() for _ in range(4)]
    refused = {1: StepOrderError("too late"), 3: StepOrderError("never")}
    answer_each([Request((), reply) for reply in replies], refused, "p", INITIAL)
    assert [reply.exception(0) for reply in replies] == [None, refused[1], None, refused[3]]
    assert [replies[place].result(0) for place in (0, 2)] == [INITIAL, INITIAL]
