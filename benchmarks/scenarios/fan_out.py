"""No-op children of one parent, few to very many, beside everybody."""

from __future__ import annotations

from benchmarks.players import OURS, PEERS, POOL
from benchmarks.scenario import PEAK, RATE, SECONDS, STORED, Case, Scenario, Target, at_most, entries, median, ratio

_AT_32 = "10,000 children, 32 workers"
_AT_8 = "10,000 children, 8 workers"
_PEERS_TOO = ((1_000, 8), (10_000, 32))
"""At which sizes the peers play, too: each of their rounds takes up to 20 s."""


def _case(children: int, workers: int, players: tuple[str, ...] = (), rounds: int = 5) -> Case:
    return Case(
        f"{children:,} children, {workers} workers",
        {"children": children, "workers": workers},
        entries(OURS, POOL, *players),
        rounds,
        figures=(RATE, SECONDS, STORED, PEAK),
    )


def _cases(full: bool) -> tuple[Case, ...]:
    if not full:
        return (_case(200, 8, PEERS, 1), _case(10_000, 8, rounds=3), _case(10_000, 32, rounds=3))
    sizes = [(children, workers) for children in (100, 1_000, 10_000, 100_000) for workers in (8, 32)]
    return tuple(_case(*size, PEERS if size in _PEERS_TOO else ()) for size in sizes)


SCENARIO = Scenario(
    "fan-out",
    "No-op children",
    "One parent with so many children that do nothing, from the call that starts it until every child's end is "
    "known to it. Where a peer is so slow that a round would take longer than some 20 s, it has fewer children, as "
    "the column says. The time is taken within each program, when it is up and has run a child already.",
    _cases,
    (
        Target("no-op children, one parent of 10,000, 32 workers", median(_AT_32, OURS, RATE), 20_000, "children/s"),
        at_most(
            "the same, beside a bare ThreadPoolExecutor(32)",
            ratio((_AT_32, OURS, SECONDS), (_AT_32, POOL, SECONDS)),
            3.0,
            "x its time",
            guard=40.0,
        ),
        Target("the same with 8 workers", median(_AT_8, OURS, RATE), 12_000, "children/s"),
        *(
            Target(
                f"beside {name}",
                ratio((_AT_32, OURS, RATE), (_AT_32, player, RATE)),
                times,
                "x as fast",
                guard=times / 5,
            )
            for name, player, times in (
                ("DBOS child workflows on SQLite", "dbos-children", 100.0),
                ("DBOS steps on SQLite", "dbos-steps", 40.0),
                ("huey on SQLite", "huey", 5.0),
            )
        ),
    ),
)
