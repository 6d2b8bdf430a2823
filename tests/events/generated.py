"""Random facts of every type, as Hypothesis strategies."""

from __future__ import annotations

from typing import Final, get_args

from hypothesis import strategies as st

from events.catalogue import TYPES
from events.facts import ChildLimits, Fact, Within
from events.strategy import ALL, ANY, OUTCOMES, OnDecided, Status, Strategy

TEXTS: Final = st.text(max_size=20) | st.sampled_from(
    [
        "",
        "\0",
        "\n\r\u2028\u2029",
        '"\\/',
        "\x7f\x1b[2J",
        "\u202eabc",
        "é e\u0301",
        "\U0001d54f\U0001f3f3\ufe0f\u200d\U0001f308",
        "\ufeff",
        "\ufffe",
        "{}",
        "null",
    ]
)
TIMES: Final = st.integers(-(2**70), 2**70) | st.integers(1_600_000_000_000_000, 1_900_000_000_000_000)
POSITIVE: Final = st.floats(0, exclude_min=True, allow_nan=False, allow_infinity=False)
ZERO_UP: Final = st.floats(0, allow_nan=False, allow_infinity=False)
FROM_ONE: Final = st.floats(1, allow_nan=False, allow_infinity=False)
PERCENTS: Final = st.floats(0, 100, exclude_min=True) | st.integers(1, 1000).map(lambda tenths: tenths / 10)
COUNTS: Final = st.integers(1, 10**7) | st.integers(1, 2**65)
OPTIONAL_COUNTS: Final = st.none() | COUNTS
OPTIONAL_TEXTS: Final = st.none() | TEXTS
OPTIONAL_PARTS: Final = st.none() | st.floats(0, 1)
OPTIONAL_NUMBERS: Final = st.none() | st.integers(-(2**65), 2**65)


@st.composite
def strategies(draw: st.DrawFn) -> Strategy:
    """Draw any strategy that there can be."""
    kind = draw(st.sampled_from(["all", "any", "threshold"]))
    if kind != "threshold":
        return ALL if kind == "all" else ANY
    by_count, limit = draw(st.booleans()), draw(st.sampled_from(["none", "count", "percent"]))
    return Strategy(
        kind="threshold",
        count=draw(COUNTS) if by_count else None,
        percent=None if by_count else draw(PERCENTS),
        max_failures=draw(st.integers(0, 2**65)) if limit == "count" else None,
        max_failures_percent=draw(st.floats(0, 100)) if limit == "percent" else None,
        min_finished=draw(OPTIONAL_COUNTS) if limit == "percent" else None,
    )


LIMITS: Final = st.builds(
    ChildLimits,
    timeout_seconds=st.none() | POSITIVE,
    max_attempts=OPTIONAL_COUNTS,
    initial_seconds=st.none() | ZERO_UP,
    backoff=st.none() | FROM_ONE,
    max_seconds=st.none() | ZERO_UP,
    fail_when_lost=st.none() | st.booleans(),
    jitter=OPTIONAL_PARTS,
    retry_on=st.none() | st.lists(TEXTS, max_size=3).map(tuple),
    give_up_on=st.none() | st.lists(TEXTS, max_size=3).map(tuple),
    crashes_max=OPTIONAL_COUNTS,
    total_timeout_seconds=st.none() | POSITIVE,
    queue_timeout_seconds=st.none() | POSITIVE,
    heartbeat_timeout_seconds=st.none() | POSITIVE,
    grace_seconds=st.none() | ZERO_UP,
    priority=OPTIONAL_NUMBERS,
    keys=st.none() | st.lists(TEXTS, max_size=3).map(tuple),
)

_FIELDS: Final[dict[str, dict[str, st.SearchStrategy[object]]]] = {
    "ParentCreated": {
        "strategy": strategies(),
        "max_workers": COUNTS,
        "on_decided": st.sampled_from(get_args(OnDecided)),
        "content": TEXTS,
        "timeout_seconds": st.none() | POSITIVE,
        "metadata": OPTIONAL_TEXTS,
        "retry_budget": st.none() | st.integers(0, 2**65),
        "seed": OPTIONAL_NUMBERS,
        "weight": OPTIONAL_COUNTS,
        "priority": OPTIONAL_NUMBERS,
        "within": st.none()
        | st.builds(Within, parent_id=TEXTS, child_id=TEXTS, depth=COUNTS, again=st.none() | st.integers(1, 2**65)),
    },
    "ChildPrepared": {
        "child_id": TEXTS,
        "index": st.integers(0, 2**65),
        "task": TEXTS,
        "input": TEXTS,
        "limits": st.none() | LIMITS,
    },
    "ChildCreated": {"child_id": TEXTS},
    "MembershipClosed": {},
    "OwnershipTaken": {"owner": TEXTS, "epoch": COUNTS},
    "OwnershipReleased": {},
    "ChildStarted": {"child_id": TEXTS, "attempt": COUNTS, "worker": TEXTS},
    "ChildRetryScheduled": {"child_id": TEXTS, "attempt": COUNTS, "error": TEXTS, "not_before": TIMES},
    "AttemptLost": {
        "child_id": TEXTS,
        "attempt": COUNTS,
        "reason": TEXTS,
        "signal": OPTIONAL_TEXTS,
        "exit_code": OPTIONAL_NUMBERS,
    },
    "AttemptEndedLate": {
        "child_id": TEXTS,
        "attempt": COUNTS,
        "outcome": st.sampled_from(OUTCOMES),
        "output": OPTIONAL_TEXTS,
        "error": OPTIONAL_TEXTS,
    },
    "ChildProgressed": {
        "child_id": TEXTS,
        "attempt": COUNTS,
        "progress": OPTIONAL_PARTS,
        "message": OPTIONAL_TEXTS,
    },
    "ChildCancelRequested": {"child_id": TEXTS, "reason": TEXTS},
    "ChildRedriven": {"child_id": TEXTS},
    "ChildFinished": {
        "child_id": TEXTS,
        "attempt": st.integers(0, 2**65),
        "outcome": st.sampled_from(OUTCOMES),
        "output": OPTIONAL_TEXTS,
        "error": OPTIONAL_TEXTS,
    },
    "CancelRequested": {"reason": TEXTS},
    "DeadlinePassed": {},
    "Paused": {"reason": TEXTS},
    "Resumed": {},
    "LimitsChanged": {
        "max_workers": OPTIONAL_COUNTS,
        "strategy": st.none() | strategies(),
        "weight": OPTIONAL_COUNTS,
        "priority": OPTIONAL_NUMBERS,
    },
    "Redacted": {"reason": TEXTS},
    "Redriven": {"reason": TEXTS, "on_decided": st.sampled_from(get_args(OnDecided)), "token": OPTIONAL_TEXTS},
    "ParentDecided": {"status": st.sampled_from(get_args(Status)), "why": TEXTS, "child_id": OPTIONAL_TEXTS},
    "ParentSettled": {},
}


def facts_of(name: str) -> st.SearchStrategy[Fact]:
    """Draw facts of one type, by its stored name."""
    return st.builds(TYPES[name], at=TIMES, **_FIELDS[name])


def any_facts() -> st.SearchStrategy[Fact]:
    """Draw facts of all types."""
    return st.sampled_from(sorted(TYPES)).flatmap(facts_of)
