"""The collector of garbage pauses while much is made, and goes on as it was."""

from __future__ import annotations

import gc
import threading

import pytest

from events.log.collecting import uncollected


def test_nothing_is_collected_meanwhile_and_afterwards_it_is_again() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_an_error_and_while_another_thread_is_not_done() -> None:
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        with uncollected():
            inside.set()
            done.wait(30)

    def fail() -> None:
        with uncollected():
            thread.start()
            assert inside.wait(30)
            raise ValueError("so")

    thread = threading.Thread(target=other)
    with pytest.raises(ValueError, match="so"):
        fail()
    assert not gc.isenabled(), "the other one is not done"
    done.set()
    thread.join(30)
    assert gc.isenabled()


def test_who_switched_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
