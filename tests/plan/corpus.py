"""Plans that are fine."""

from __future__ import annotations

ONE = "tasks: [{id: a, run: x}]\n"
TWO = "tasks: [{id: a, run: x}, {id: b, run: x}]\n"

CONTRACT = """\
id: nightly                # optional; a fresh one is printed when left out
type: parallel
strategy: threshold        # all | any | threshold   (also wait_all, fail_fast, best_effort, race: see below)
threshold: 80%
max_workers: 4
timeout: 10m               # the whole parent; seconds, or 90s, 10m, 1h30m
on_decided: cancel
defaults: {retries: 2, timeout: 30s}
tasks:
  - id: compress
    run: "gzip -k a.log"                # a shell command
  - id: check
    use: mypackage.tasks:checksum       # a function marked @task, by module:name; nothing else can be named
    with: {path: b.log}
  - id: inner                           # a child that is itself parallel
    type: parallel
    strategy: any
    tasks: [{id: fast, run: ./fast}, {id: slow, run: ./slow}]
"""

FINE: list[str] = [
    CONTRACT,
    ONE,
    "tasks:\n- id: a\n  run: |\n    cd x\n    make\n",
    "\ufeff" + ONE,
    '{"tasks": [{"id": "a", "run": "x"}]}',
    "%YAML 1.1\n---\n" + ONE + "...\n",
    'id: "on"\n' + ONE,
    "id: y\n" + ONE,
    "id: täglich 日本\n" + ONE,
    *(f"strategy: {name}\n{ONE}" for name in ("all", "any", "wait_all", "fail_fast", "best_effort", "race")),
    *(
        f"strategy: threshold\nthreshold: {share}\n{TWO}"
        for share in ("2", '"2"', "80%", '"100%"', "33.3%", "0.5%", "100.0%")
    ),
    *(f"strategy: threshold\nthreshold: 1\nmax_failures: {share}\n{ONE}" for share in ("0", "2", '"2"', "0%", "5%")),
    "strategy: threshold\nthreshold: 1\nmax_failures: 5%\nmin_finished: 20\n" + ONE,
    "strategy: wait_all\non_decided: continue\n" + ONE,
    "strategy: race\non_decided: cancel\n" + ONE,
    *(f"on_decided: {word}\n{ONE}" for word in ("cancel", "drain", "continue")),
    *(f"timeout: {text}\n{ONE}" for text in ("10", "1.5", '"10"', "90s", "1h30m", "1h 30m", "500ms", "0h1m")),
    "max_workers: 100000\n" + ONE,
    "defaults: {}\n" + ONE,
    "defaults: {retries: 0}\nmetadata: {a: [1, -2.5, true, null, ~, {b: text}], c: 1.0e+3}\n" + ONE,
    "tasks: [{id: a, run: x, timeout: 5s, retries: 0, on_lost: fail}, {id: b, run: y, on_lost: retry}]",
    "tasks: [{id: a, use: m:f}, {id: b, use: a.b_c.d:f_1, with: {}}, {id: c, use: m:f, with: {x: {y: [1]}}}]",
    "type: collection\nitems: [a, 1, {b: c}]\ntask: {run: gzip}",
    'type: collection\nitems: [a]\ntask: {id: "z-{item}", run: "gzip {}", retries: 1}',
    'type: collection\nitems: [a]\nitem_var: url\ntask: {use: "m:f", with: {u: "{url}"}}',
    "type: collection\nstrategy: threshold\nthreshold: 50%\nmax_workers: 2\nitems: [a, b]\ntask: {run: gzip}",
    *(
        f"type: collection\nitems: {items}\ntask: {{run: gzip}}"
        for items in ("{range: 3}", "{range: [1, 4]}", "{range: [9, 1, -3]}", "{stdin: lines}", "{jsonl: '-'}")
    ),
    'type: collection\nitems: {csv: "-", delimiter: "\\t"}\ntask: {run: "gzip {item.a} {item[\'b c\']}"}',
    "type: collection\nitems: [{a: 1}, {a: 2}]\nfilter: item.a != 2 and not item.b\ntask: {run: 'x {item.a}'}",
    *(
        f"type: collection\nitems: [a, b]\nbatch: {batch}\ntask: {{run: gzip}}"
        for batch in ("2", "{count: 2}", "{bytes: 64k}", "{count: 1, bytes: 100}")
    ),
]
