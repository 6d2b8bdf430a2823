"""Limits by key: buckets that hold their rate and their places, and the line of those who wait for them."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.buckets import Bucket, ThrottleRule
from actors.messages import KeyFree
from actors.runtime import Runtime
from actors.throttles import TIMER_SECONDS_MAX, Throttles
from tests.actors.stage import Probe, Stage


def probe(stage: Stage) -> Probe:
    made: list[Probe] = []

    def make(runtime: Runtime) -> Probe:
        made.append(Probe(stage))
        return made[0]

    stage.spawn(make)
    stage.play()
    made[0].heard.clear()
    return made[0]


def one(rule: ThrottleRule, stage: Stage | None = None) -> tuple[Stage, Throttles, Bucket]:
    """Return a stage, throttles with one rule, and the bucket of the key `k`."""
    stage = stage or Stage()
    throttles = Throttles((rule,), stage)
    [bucket] = throttles.buckets(("k",))
    return stage, throttles, bucket


@pytest.mark.parametrize(
    ("rule", "fitting", "others"),
    [
        ("host:*", ["host:", "host:a", "host:*"], ["host", "hos", "xhost:a", ""]),
        ("host:a", ["host:a"], ["host:", "host:ab", "host:*"]),
        ("*", ["", "a", "host:a"], []),
    ],
)
def test_a_rule_fits_a_key_or_all_that_begin_so(rule: str, fitting: list[str], others: list[str]) -> None:
    assert all(ThrottleRule(rule).fits(key) for key in fitting)
    assert not any(ThrottleRule(rule).fits(key) for key in others)


def test_each_key_has_a_bucket_for_each_rule_that_fits() -> None:
    rules = (ThrottleRule("host:*", 2), ThrottleRule("host:a", 1), ThrottleRule("disk", 1))
    throttles = Throttles(rules, Stage())
    assert [bucket.rule.key for bucket in throttles.buckets(("host:a", "disk", "host:a"))] == [
        "host:*",
        "host:a",
        "disk",
    ]
    held = throttles.buckets(("host:b",))
    assert held[0] is throttles.buckets(("host:b",))[0]
    assert held[0] is not throttles.buckets(("host:a",))[0]
    assert throttles.buckets(("nobody",)) == ()


@given(st.floats(0.1, 50), st.integers(1, 5), st.lists(st.floats(0, 2), max_size=40))
def test_in_any_span_no_more_start_than_the_rate_allows(rate: float, burst: int, waits: list[float]) -> None:
    bucket = Bucket(ThrottleRule("k", per_second=rate, burst=burst))
    now, starts = 0.0, []
    for wait in waits:
        now += wait
        while bucket.room(now):
            bucket.take_token(now)
            starts.append(now)
        left = bucket.wait_seconds(now)
        assert left is not None
        assert left > 0
        assert bucket.room(now + left + 1e-9), "whoever waits as long as was said finds room"
    for first, begin in enumerate(starts):
        for last in range(first, len(starts)):
            assert last - first + 1 <= burst + rate * (starts[last] - begin) + 1e-3


def test_a_pause_saves_up_no_more_than_a_burst() -> None:
    _, _, bucket = one(ThrottleRule("k", per_second=1.0, burst=3))
    assert bucket.room(1_000_000.0) == 3


def test_what_another_process_used_up_comes_back_with_time() -> None:
    stage, throttles, bucket = one(ThrottleRule("k", per_second=2.0, burst=2))
    stage.seconds = 10.0
    throttles.used_until([bucket], 9.5)
    assert bucket.room(10.0) == 1
    throttles.used_until([bucket], 3.0)
    assert bucket.room(10.0) == 1, "what was known already stands"
    assert bucket.room(10.5) == 2


def test_places_are_taken_once_and_given_back_once() -> None:
    _, throttles, bucket = one(ThrottleRule("k", max_running=2))
    throttles.take("p", "a", [bucket])
    throttles.take("p", "a", [bucket])
    throttles.take("q", "a", [bucket])
    assert (bucket.running, bucket.room(0.0), bucket.wait_seconds(0.0)) == (2, 0, None)
    for _ in range(2):
        throttles.give("p", "a")
        throttles.give("nobody", "a")
    assert (bucket.running, bucket.room(0.0)) == (1, 1)


def test_what_a_parent_holds_is_what_runs_by_the_record() -> None:
    _, throttles, bucket = one(ThrottleRule("k", max_running=5))
    throttles.take("p", "decided-but-not-on-record", [bucket])
    throttles.take("p", "a", [bucket])
    throttles.reset("p", {"a": [bucket], "b": [bucket]})
    assert bucket.running == 2
    throttles.leave("p")
    assert bucket.running == 0


def test_the_first_in_line_is_told_and_the_next_when_it_passes_on() -> None:
    stage, throttles, bucket = one(ThrottleRule("k", max_running=2))
    first, second = probe(stage), probe(stage)
    for child in "xy":
        throttles.take("z", child, [bucket])
    throttles.wait(bucket, "first", first.actor_ref)
    throttles.wait(bucket, "second", second.actor_ref)
    throttles.wait(bucket, "first", first.actor_ref)
    throttles.give("z", "x")
    stage.play()
    assert (first.take(KeyFree), second.take(KeyFree)) == ([KeyFree(bucket)], [])
    throttles.call(bucket)
    stage.play()
    assert (first.take(KeyFree), second.take(KeyFree)) == ([], [KeyFree(bucket)])
    assert not bucket.waiting


def test_who_is_dead_is_passed_over_and_who_leaves_makes_way() -> None:
    stage, throttles, bucket = one(ThrottleRule("k", max_running=1))
    dead, leaving, living = (probe(stage) for _ in range(3))
    throttles.take("z", "x", [bucket])
    for name, each in (("dead", dead), ("leaving", leaving), ("living", living)):
        throttles.wait(bucket, name, each.actor_ref)
    dead.actor_stopped.set()
    throttles.leave("leaving")
    throttles.give("z", "x")
    stage.play()
    assert living.take(KeyFree) == [KeyFree(bucket)]


def test_one_timer_calls_the_first_in_line_when_the_next_token_comes() -> None:
    stage, throttles, bucket = one(ThrottleRule("k", per_second=0.5))
    first, second = probe(stage), probe(stage)
    throttles.take("z", "x", [bucket])
    throttles.wait(bucket, "first", first.actor_ref)
    throttles.wait(bucket, "second", second.actor_ref)
    [timer] = stage.timers
    assert (timer.delay_seconds, timer.ref, timer.message) == (2.0, first.actor_ref, KeyFree(bucket))
    throttles.leave("first")
    assert [timer.ref for timer in stage.timers[1:]] == [second.actor_ref], "whoever goes does not take the call along"


def test_the_longest_waits_are_cut_into_pieces() -> None:
    stage, throttles, bucket = one(ThrottleRule("k", per_second=1e-9))
    throttles.take("z", "x", [bucket])
    throttles.wait(bucket, "p", probe(stage).actor_ref)
    assert [timer.delay_seconds for timer in stage.timers] == [TIMER_SECONDS_MAX]


def test_a_key_that_nobody_uses_is_forgotten_but_not_before_its_rate_allows_it() -> None:
    stage, throttles, bucket = one(ThrottleRule("*", max_running=1, per_second=1.0))
    throttles.take("p", "a", [bucket])
    throttles.give("p", "a")
    del bucket
    gc.collect()
    assert throttles.buckets(("k",))[0].room(stage.seconds) == 0
    stage.seconds = 2.0
    other = throttles.buckets(("other",))
    throttles.take("p", "b", other)
    gc.collect()
    assert list(throttles._buckets.keys()) == [(0, "other")]
