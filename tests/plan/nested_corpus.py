"""Plans with parents inside a parent: fine ones, and those that are refused."""

from __future__ import annotations

from tests.plan.refused_corpus import Refused

A = "tasks: [{id: a, run: x}]"


def nested(keys: str, *, kind: str = "parallel") -> str:
    """Return a plan whose one task is a parent with some keys; the first of them stands on line 4."""
    return "\n  ".join(["tasks:\n- id: n", f"type: {kind}", *keys.splitlines()])


def nest(depth: int) -> str:
    """Return a plan with so many parents inside one another, all on one line."""
    return "tasks: [{id: n, type: parallel, " * depth + A + "}]" * depth


FINE_NESTED: list[str] = [
    nested(A),
    nested("tasks: [{id: n, run: x}]"),
    nested(f"strategy: any\nmax_workers: 2\ntimeout: 5m\non_decided: drain\nretries: 3\n{A}"),
    nested("defaults: {retries: 0}\nmetadata: {a: 1}\ntasks: [{id: a, use: m:f, with: {x: 1}}]"),
    nested(f"strategy: threshold\nthreshold: 50%\nmax_failures: 1\n{A}"),
    nested("items: [a, b]\nitem_var: i\nfilter: i != 'b'\ntask: {run: 'x {i}'}", kind="collection"),
    nested("items: {range: 10000}\nbatch: 100\ntask: {run: x}", kind="collection"),
    nest(16),
    f"tasks:\n- {{id: a, type: parallel, {A}}}\n- {{id: b, run: x}}\n- {{id: c, type: parallel, {A}}}",
    f"type: parallel\ndefaults: {{timeout: 5s}}\ntasks: [{{id: 'a b', type: parallel, {A}}}]",
]

REFUSED_NESTED: list[Refused] = [
    Refused(f"tasks:\n- type: parallel\n  {A}", 2, "tasks[0].id: is missing: every task needs an id of its own"),
    Refused(nested("strategy: any"), 2, "tasks[0].tasks: is missing: a task of type parallel needs tasks"),
    Refused(nested("task: {run: x}", kind="collection"), 2, "tasks[0].items: is missing: a task of type collection"),
    Refused(nested(A, kind="series"), 3, 'tasks[0].type: unknown value "series", expected one of parallel, collection'),
    Refused(nested("tasks: []"), 4, "tasks[0].tasks: has no tasks"),
    Refused(nested("tasks: {a: b}"), 4, "tasks[0].tasks: expected a list, not keys and values"),
    Refused(nested(f"strategi: any\n{A}"), 4, "tasks[0].strategi: unknown key, did you mean strategy?"),
    *(
        Refused(nested(f"{key}: {value}\n{A}"), 4, f"tasks[0].{key}: goes with a task that runs something, not with a")
        for key, value in [("run", "x"), ("use", "m:f"), ("with", "{}")]
    ),
    Refused(nested(f"on_lost: fail\n{A}"), 4, "tasks[0].on_lost: goes with tasks that run something"),
    Refused(nested(f"max_workers: 0\n{A}"), 4, "tasks[0].max_workers: expected a whole number of at least 1, not 0"),
    Refused(nested(f"retries: -1\n{A}"), 4, "tasks[0].retries: expected a whole number of at least 0, not -1"),
    Refused(nested(f"timeout: 0\n{A}"), 4, "tasks[0].timeout: "),
    Refused(nested(f"defaults: {{on_lost: fail}}\n{A}"), 4, "tasks[0].defaults.on_lost: unknown key"),
    Refused(nested(f"threshold: 2\n{A}"), 4, "tasks[0].threshold: goes with strategy: threshold, not with all"),
    Refused(nested(f"strategy: race\non_decided: drain\n{A}"), 5, "tasks[0].on_decided: strategy race means"),
    Refused(
        nested(f"strategy: threshold\nthreshold: 2\n{A}"),
        5,
        "tasks[0].threshold: can never be met: it needs at least 2 successes, has 1 child",
        schema=False,
    ),
    Refused(nested(f"{A}\nitems: [a]"), 5, "tasks[0].items: goes with type: collection"),
    Refused(nested(f"items: [a]\n{A}", kind="collection"), 5, "tasks[0].tasks: goes with type: parallel"),
    Refused(nested("tasks: [{id: a}]"), 4, "tasks[0].tasks[0]: needs run (a shell command) or use (module:function)"),
    Refused(nested("tasks:\n- id: a\n  run: x\n  retrys: 1"), 7, "tasks[0].tasks[0].retrys: unknown key, did you mean"),
    Refused(
        "tasks:\n- {id: b, run: x}\n- id: n\n  type: parallel\n  tasks:\n  - id: m\n    type: parallel\n"
        "    strategy: some\n    " + A,
        8,
        'tasks[1].tasks[0].strategy: unknown value "some"',
    ),
    # ids
    Refused(
        f"tasks:\n- {{id: a, run: x}}\n- {{id: a, type: parallel, {A}}}",
        3,
        'tasks[1].id: duplicate id "a", first used on line 2',
        schema=False,
    ),
    Refused(
        nested("tasks:\n- {id: a, run: x}\n- {id: a, run: y}"),
        6,
        'tasks[0].tasks[1].id: duplicate id "a", first used on line 5',
        schema=False,
    ),
    Refused(nested(f"tasks: [{{id: '', type: parallel, {A}}}]"), 4, "tasks[0].tasks[0].id: an id cannot be empty"),
    Refused(
        f"tasks:\n- {{id: a/b, type: parallel, {A}}}\n- id: a\n  type: parallel\n"
        f"  tasks: [{{id: b, type: parallel, {A}}}]",
        5,
        'tasks[1].tasks[0].id: the run of "a/b" is that of line 2 already: take another id',
        schema=False,
    ),
    # a task that runs something has none of a parent's keys
    *(
        Refused(f"tasks:\n- id: a\n  run: x\n  {key}", 4, f"tasks[0].{key.split(':')[0]}: goes with type: {kind}")
        for key, kind in [
            ("strategy: any", "parallel"),
            ("max_workers: 2", "parallel"),
            ("tasks: []", "parallel"),
            ("defaults: {}", "parallel"),
            ("items: [a]", "collection"),
            ("task: {run: x}", "collection"),
        ]
    ),
    *(
        Refused(
            f"type: collection\nitems: [a]\ntask: {{{keys}}}",
            3,
            f"task.{keys.split(':')[0]}: the task of a collection runs something itself: it cannot be parallel",
        )
        for keys in ["tasks: [], run: x", f"type: parallel, {A}"]
    ),
    # what comes over time has no place inside
    *(
        Refused(
            nested(f"items: {items}\ntask: {{run: x}}", kind="collection"),
            4,
            "tasks[0].items: are read over time, but a task that is a parent has all its tasks from the start: give a",
            schema="range" not in items,
        )
        for items in ["{stdin: lines}", "{jsonl: '-'}", "{csv: plan.yaml}", "{range: 10001}"]
    ),
    # depth, and what would be deep without end
    Refused(
        nest(17),
        1,
        "tasks[0]" + ".tasks[0]" * 16 + ": is nested deeper than the limit nesting_depth_max of 16",
        schema=False,
    ),
    Refused(nest(100_000), 1, "is nested more than 100 levels deep", schema=False),
    Refused(
        "tasks: &all\n- id: n\n  type: parallel\n  tasks: *all",
        1,
        "tasks: has the anchor &all; a plan has none: write it out",
        schema=False,
    ),
    Refused(nested("tasks: *n"), 4, "tasks[0].tasks: uses the alias *n; a plan has none: write it out", schema=False),
]
