"""Plans that are refused: with the line that says so, and whether a schema can see it."""

from __future__ import annotations

from typing import NamedTuple

from tests.plan.corpus import ONE, TWO


class Refused(NamedTuple):
    """A plan that is refused, as `plan.yaml:LINE: KEY: REASON`."""

    text: str
    line: int | None
    rest: str
    schema: bool = True
    """Whether the JSON Schema refuses it as well."""


def task(more: str) -> str:
    """Return a plan whose one task has some more keys."""
    return f"tasks: [{{id: a, {more}}}]"


REFUSED: list[Refused] = [
    # the whole
    Refused("", None, "is empty: a plan needs tasks", schema=False),
    Refused("# nothing\n", None, "is empty: a plan needs tasks", schema=False),
    Refused("---\n", 2, "expected keys and values, not nothing"),
    Refused("text", 1, 'expected keys and values, not "text"'),
    Refused("- a", 1, "expected keys and values, not a list"),
    Refused("id: a", 1, "tasks: is missing: a parallel plan needs tasks"),
    Refused("\n\nid: a\ntasks: []", 4, "tasks: has no tasks"),
    Refused("tasks:\n", 1, "tasks: expected a list, not nothing"),
    Refused("tasks: {a: b}", 1, "tasks: expected a list, not keys and values"),
    Refused("id: a\nmax_worker: 4\n" + ONE, 2, "max_worker: unknown key, did you mean max_workers?"),
    Refused("zzz: 4\n" + ONE, 1, "zzz: unknown key, known are id, type, "),
    Refused("a b\\c: 4\n" + ONE, 1, '["a b\\c"]: unknown key'),
    Refused('"\\x1b[0m": 4\n' + ONE, 1, "['\\x1b[0m']: unknown key"),
    # YAML's own traps
    Refused("id: a\nid: b\n" + ONE, 2, "id: duplicate key, first used on line 1", schema=False),
    Refused(
        "tasks:\n- id: a\n  run: x\n  run: y", 4, "tasks[0].run: duplicate key, first used on line 3", schema=False
    ),
    Refused("id: [a", 1, "is not valid YAML: ", schema=False),
    Refused("id: a\n\tb: c\n", 2, "is not valid YAML: ", schema=False),
    Refused("id: a\n b: c\n" + ONE, 2, "is not valid YAML: mapping values are not allowed", schema=False),
    Refused('id: "a\n' + ONE, 2, "is not valid YAML: ", schema=False),
    Refused("id: a\x01\n" + ONE, 1, "is not valid YAML: control characters are not allowed", schema=False),
    Refused(ONE + "---\n" + ONE, 3, "is a second document; a plan file holds one", schema=False),
    Refused(
        "id: !!python/name:os.system x\n" + ONE,
        1,
        'id: has the tag "tag:yaml.org,2002:python/name:os.system"',
        schema=False,
    ),
    Refused("id: !!str 5\n" + ONE, 1, 'id: has the tag "tag:yaml.org,2002:str"', schema=False),
    Refused("!plan\n" + ONE, 1, 'has the tag "!plan"', schema=False),
    Refused("tasks: &x [{id: a, run: x}]", 1, "tasks: has the anchor &x; a plan has none", schema=False),
    Refused("id: &x a\ntasks: *x", 1, "id: has the anchor &x", schema=False),
    Refused("tasks: *x", 1, "tasks: uses the alias *x; a plan has none: write it out", schema=False),
    Refused("<<: {id: a}\n" + ONE, 1, '["<<"]: is no text to YAML', schema=False),
    Refused("on: a\n" + ONE, 1, "on: is no text to YAML, and a key is text: put it in quotes", schema=False),
    Refused("metadata: {1: a}\n" + ONE, 1, "metadata.1: is no text to YAML", schema=False),
    Refused("? [a]\n: b\n" + ONE, 1, "has a list or a mapping as a key", schema=False),
    Refused("metadata: {a: {? {b: c} : d}}\n" + ONE, 1, "metadata.a: has a list or a mapping as a key", schema=False),
    Refused("metadata: " + "[" * 100_000, 1, "is nested more than 100 levels deep", schema=False),
    Refused("- " * 100_000, 1, "is nested more than 100 levels deep", schema=False),
    # YAML 1.1 reads these as something else than text
    Refused("id: on\n" + ONE, 1, "id: YAML reads on as true or false: put it in quotes if text is meant"),
    Refused("id: 1.0\n" + ONE, 1, "id: YAML reads 1.0 as a number: put it in quotes"),
    Refused("id: 5\n" + ONE, 1, "id: YAML reads 5 as a number: put it in quotes"),
    Refused("id: 2026-11-22\n" + ONE, 1, "id: YAML reads 2026-11-22 as a date: put it in quotes"),
    Refused("id: =\n" + ONE, 1, "id: YAML reads = as something else than text: put it in quotes", schema=False),
    Refused("id: ~\n" + ONE, 1, "id: has no value; expected text"),
    Refused("id:\n" + ONE, 1, "id: has no value; expected text"),
    Refused("timeout: 1:30\n" + ONE, 1, "timeout: YAML reads 1:30 as a number: put it in quotes", schema=False),
    Refused("timeout: 1_000\n" + ONE, 1, "timeout: YAML reads 1_000 as a number: put it in quotes", schema=False),
    Refused("max_workers: 010\n" + ONE, 1, "max_workers: YAML reads 010 as a number", schema=False),
    Refused("metadata: {a: [yes]}\n" + ONE, 1, "metadata.a[0]: YAML reads yes as true or false", schema=False),
    Refused("metadata: {a: 0x1F}\n" + ONE, 1, "metadata.a: YAML reads 0x1F as a number", schema=False),
    Refused("metadata: {a: .nan}\n" + ONE, 1, "metadata.a: YAML reads .nan as a number", schema=False),
    Refused("metadata: {a: 1.0e+999}\n" + ONE, 1, "metadata.a: YAML reads 1.0e+999 as a number", schema=False),
    Refused("metadata: {a: 1e3}\n" + ONE, 1, "metadata.a: some read 1e3 as a number", schema=False),
    Refused("metadata: {a: 0o17}\n" + ONE, 1, "metadata.a: some read 0o17 as a number", schema=False),
    # the parent's keys
    Refused("id: ''\n" + ONE, 1, "id: an id cannot be empty"),
    Refused("id: ' '\n" + ONE, 1, "id: an id cannot be empty"),
    Refused(f"id: {'x' * 201}\n" + ONE, 1, "id: 201 characters are more than the limit id_chars_max of 200"),
    Refused('id: "a\\nb"\n' + ONE, 1, "id: 'a\\nb' has characters that cannot be printed"),
    Refused('id: "a\\0"\n' + ONE, 1, "id: 'a\\x00' has characters that cannot be printed"),
    Refused("id: [a]\n" + ONE, 1, "id: expected text, not a list"),
    Refused("type: serial\n" + ONE, 1, 'type: unknown value "serial", expected one of parallel, collection'),
    Refused("type: paralel\n" + ONE, 1, 'type: unknown value "paralel", did you mean parallel?'),
    Refused("strategy: most\n" + ONE, 1, 'strategy: unknown value "most", expected one of all, any, threshold,'),
    Refused("strategy: {all: 1}\n" + ONE, 1, "strategy: expected text, not a mapping"),
    Refused("strategy: threshold\n" + ONE, 1, "strategy: needs a threshold: a number of tasks (3) or a percentage"),
    *(
        Refused(f"strategy: threshold\nthreshold: {share}\n{TWO}", 2, f"threshold: {why}")
        for share, why in [
            ("0", "expected a whole number of at least 1, not 0"),
            ("-1", "expected a whole number of at least 1, not -1"),
            ("1.5", "expected a whole number of at least 1, not 1.5"),
            ("true", "expected a whole number of at least 1, not true"),
            ("[1]", "expected a whole number, not a list"),
            ("9999999999999999999999", "expected a whole number of at least 1, not 9999999999999999999999"),
            ('"0"', 'expected a number of tasks (3) or a percentage (80%), not "0"'),
            ("0%", 'expected a number of tasks (3) or a percentage (80%), not "0%"'),
            ("101%", 'expected a number of tasks (3) or a percentage (80%), not "101%"'),
            ("-5%", 'expected a number of tasks (3) or a percentage (80%), not "-5%"'),
            ("nan%", "expected a number of tasks (3)"),
            ("1e1%", "expected a number of tasks (3)"),
            ("80 %", "expected a number of tasks (3)"),
            ("half", "expected a number of tasks (3)"),
        ]
    ),
    Refused(
        "strategy: threshold\nthreshold: 3\n" + TWO,
        2,
        "threshold: can never be met: it needs at least 3 successes, has 2 children",
        schema=False,
    ),
    Refused(f"strategy: threshold\nthreshold: {'9' * 5_000}\n{ONE}", 2, "threshold: YAML reads 9999", schema=False),
    Refused("threshold: 1\n" + ONE, 1, "threshold: goes with strategy: threshold, not with all"),
    Refused("strategy: best_effort\nthreshold: 1\n" + ONE, 2, "threshold: goes with strategy: threshold"),
    Refused("strategy: any\nmax_failures: 1\n" + ONE, 2, "max_failures: goes with strategy: threshold"),
    Refused(
        "strategy: threshold\nthreshold: 1\nmax_failures: -1\n" + ONE,
        3,
        "max_failures: expected a whole number of at least 0",
    ),
    Refused(
        "strategy: threshold\nthreshold: 1\nmax_failures: 200%\n" + ONE, 3, "max_failures: expected a number of tasks"
    ),
    Refused(
        "strategy: threshold\nthreshold: 1\nmin_finished: 2\n" + ONE,
        3,
        "min_finished: goes with a max_failures in percent",
    ),
    Refused(
        "strategy: threshold\nthreshold: 1\nmax_failures: 1\nmin_finished: 2\n" + ONE,
        4,
        "min_finished: goes with a max_failures in percent",
    ),
    Refused(
        "strategy: threshold\nthreshold: 1\nmax_failures: 1%\nmin_finished: 0\n" + ONE,
        4,
        "min_finished: expected a whole number of at least 1",
    ),
    *(
        Refused(f"max_workers: {number}\n{ONE}", 1, f"max_workers: expected a whole number of at least 1, not {shown}")
        for number, shown in [
            ("0", "0"),
            ("-1", "-1"),
            ("1.5", "1.5"),
            ("true", "true"),
            ('"4"', '"4"'),
            ("many", '"many"'),
        ]
    ),
    Refused("max_workers: 100001\n" + ONE, 1, "max_workers: 100,001 is more than the limit max_workers_max of 100,000"),
    Refused("on_decided: stop\n" + ONE, 1, 'on_decided: unknown value "stop", expected one of cancel, drain, continue'),
    Refused(
        "strategy: wait_all\non_decided: cancel\n" + ONE,
        2,
        "on_decided: strategy wait_all means on_decided: continue, not cancel",
    ),
    Refused("strategy: race\non_decided: drain\n" + ONE, 2, "on_decided: strategy race means on_decided: cancel"),
    *(
        Refused(f"timeout: {text}\n{ONE}", 1, f"timeout: {why}")
        for text, why in [
            ("0", "a duration must be longer than zero, not 0"),
            ("-1", "a duration must be longer than zero, not -1"),
            ("0s", "a duration must be longer than zero, not '0s'"),
            ("soon", "expected a duration such as 90, '90s', '10m' or '1h30m', not 'soon'"),
            ("30m1h", "expected a duration"),
            ("''", "expected a duration"),
            ("1e10", "expected a duration"),
            ("10000000000", "a duration of 10000000000 is longer than the 100 years allowed"),
            ("true", "YAML reads true as true or false"),
            ("[1]", "expected a duration, not a list"),
        ]
    ),
    *(
        Refused(
            f"timeout: {text}\n" + ONE,
            1,
            f"timeout: YAML reads {text} as a number: expected a positive time, such as 10s",
            schema=False,
        )
        for text in (".inf", ".nan", "-.inf")
    ),
    Refused("defaults: 3\n" + ONE, 1, 'defaults: expected keys and values, not "3"'),
    Refused("defaults: {retry: 3}\n" + ONE, 1, "defaults.retry: unknown key, did you mean retries?"),
    Refused(
        "defaults:\n  timeout: 1s\n  retries: -1\n" + ONE,
        3,
        "defaults.retries: expected a whole number of at least 0, not -1",
    ),
    Refused("metadata: text\n" + ONE, 1, 'metadata: expected keys and values, not "text"'),
    Refused(f"metadata: {{a: {'x' * 1_048_576}}}\n" + ONE, 1, "metadata: metadata has 1,048,584 bytes", schema=False),
    # tasks
    Refused("tasks:\n- id: a\n  run: x\n- run: y", 4, "tasks[1].id: is missing: every task needs an id of its own"),
    Refused(
        "tasks:\n- id: a\n  run: x\n- id: b\n  run: x\n- id: a\n  run: x",
        6,
        'tasks[2].id: duplicate id "a", first used on line 2',
        schema=False,
    ),
    Refused("tasks:\n- {id: '', run: x}", 2, "tasks[0].id: an id cannot be empty"),
    Refused("tasks:\n- {id: on, run: x}", 2, "tasks[0].id: YAML reads on as true or false"),
    Refused(
        f"tasks:\n- {{id: {'x' * 201}, run: x}}", 2, "tasks[0].id: 201 characters are more than the limit id_chars_max"
    ),
    Refused('tasks:\n- {id: "a\\tb", run: x}', 2, "tasks[0].id: 'a\\tb' has characters that cannot be printed"),
    Refused('tasks:\n- {id: "a\\u202eb", run: x}', 2, "tasks[0].id: 'a\\u202eb' has characters", schema=False),
    Refused("tasks: [gzip]", 1, 'tasks[0]: expected keys and values, not "gzip"'),
    Refused("tasks: [{id: a}]", 1, "tasks[0]: needs run (a shell command) or use (module:function)"),
    Refused(task("run: x, use: m:f"), 1, "tasks[0].use: a task has either run or use, not both"),
    Refused(task("run: x, with: {}"), 1, "tasks[0].with: goes with use, not with run"),
    Refused(task("run: ' '"), 1, "tasks[0].run: the command is empty"),
    Refused(task("run: yes"), 1, "tasks[0].run: YAML reads yes as true or false"),
    Refused(task("run: [gzip, x]"), 1, "tasks[0].run: expected text, not a list"),
    Refused(task('run: "a\\0b"'), 1, "tasks[0].run: a command cannot contain a NUL character", schema=False),
    Refused(
        task(f"run: {'x' * 1_048_576}"),
        1,
        "tasks[0]: input has 1,048,601 bytes as JSON, more than the limit item_",
        schema=False,
    ),
    *(
        Refused(
            task(f'use: "{name}"'),
            1,
            f'tasks[0].use: expected module:function, such as mypackage.tasks:checksum, not "{name}"',
        )
        for name in (
            "",
            "checksum",
            "os.system",
            "os:",
            ":f",
            "a/b:f",
            "a:b.c",
            "a..b:f",
            "1a:f",
            "a:b:c",
            "a b:f",
            "é:f",
        )
    ),
    Refused(task("use: m:f, with: [1]"), 1, "tasks[0].with: expected keys and values, not a list"),
    Refused(task("use: m:f, with: {a: on}"), 1, "tasks[0].with.a: YAML reads on as true or false", schema=False),
    Refused(task("run: x, timeout: 0"), 1, "tasks[0].timeout: a duration must be longer than zero"),
    Refused(task("run: x, retries: 1.5"), 1, "tasks[0].retries: expected a whole number of at least 0, not 1.5"),
    Refused(task("run: x, on_lost: redo"), 1, 'tasks[0].on_lost: unknown value "redo", expected one of retry, fail'),
    Refused(task("run: x, tiemout: 3"), 1, "tasks[0].tiemout: unknown key, did you mean timeout?"),
    # collections
    Refused("type: collection\n" + ONE, 2, "tasks: goes with type: parallel; a collection has one task"),
    Refused("items: [a]\n" + ONE, 1, "items: goes with type: collection"),
    Refused("type: collection\ntask: {run: x}", 1, "items: is missing: a collection plan needs items"),
    Refused("type: collection\nitems: [a]", 2, "task: is missing: a collection needs the task to do for each item"),
    Refused("type: collection\nitems: []\ntask: {run: x}", 2, "items: has no items"),
    Refused(
        "type: collection\nitems: '*.log'\ntask: {run: x}",
        2,
        "items: expected a list, or one of range, lines, jsonl, csv, stdin",
    ),
    *(
        Refused(f"type: collection\nitems: {items}\ntask: {{run: x}}", 2, why, schema)
        for items, why, schema in [
            ("{file: x}", "items.file: unknown key, known are range, lines,", True),
            ("{}", "items: needs one of range, lines, jsonl, csv, stdin", True),
            ("{lines: a, csv: b}", "items: needs one of range, lines, jsonl, csv, stdin, not lines and csv", True),
            ("{delimiter: ','}", "items: needs one of", True),
            ("{lines: none.txt}", "items.lines: ", False),
            ("{lines: ''}", 'items.lines: "" names no file', True),
            ('{lines: "a\\0b"}', "items.lines: 'a\\x00b' names no file", False),
            ("{lines: [a]}", "items.lines: expected text, not a list", True),
            ("{lines: '-', delimiter: ';'}", "items.delimiter: goes with csv, not with lines", False),
            ("{range: 5, delimiter: ';'}", "items.delimiter: goes with csv, not with range", False),
            ("{csv: '-', delimiter: ';;'}", "items.delimiter: expected one character, such as ; or", True),
            ("{csv: '-', delimiter: ''}", "items.delimiter: expected one character", True),
            ("{stdin: xml}", 'items.stdin: unknown value "xml", expected one of lines, jsonl, csv', True),
            ("{range: 0}", "items.range: has no items", True),
            ("{range: -3}", "items.range: expected a whole number of at least 0, not -3", True),
            ("{range: x}", 'items.range: expected a whole number of at least 0, not "x"', True),
            ("{range: []}", "items.range: expected a number, or a list of start, stop and step", True),
            ("{range: [1, 2, 3, 4]}", "items.range: expected a number, or a list of start, stop and step", True),
            ("{range: [1, 5, 0]}", "items.range[2]: a step cannot be 0", False),
            ("{range: [5, 1]}", "items.range: has no items", False),
            ("{range: [1, 2.5]}", "items.range[1]: expected a whole number", True),
        ]
    ),
    *(
        Refused(f"type: collection\nitems: [a]\nfilter: {text}\ntask: {{run: x}}", 3, f"filter: {why}", schema)
        for text, why, schema in [
            ("''", "at character 1, the end: expected item, a number", True),
            ("[a]", "expected text, not a list", True),
            ("x", 'at character 1, "x": expected item, a number', False),
            ("item =", 'at character 6, "=": this is no part of a filter', False),
            ("item.", 'at character 5, ".": expected .name', False),
            ("item[", 'at character 5, "[": expected .name', False),
            ("item > ", "at character 7, the end: expected item", False),
            ("(item", "at character 6, the end: expected )", False),
            ("item item", 'at character 6, "item": expected and, or, or the end', False),
            ("item not 3", 'at character 10, "3": expected in after not', False),
            ("item == 'a", 'at character 9, "\'a": this is no part of a filter', False),
            ("'item == \"\\q\"'", "at character 9, ", False),
            ("number item", 'at character 8, "item": expected ( after number', False),
            ("__import__('os')", 'at character 1, "__import__', False),
            ("item.__class__()", 'at character 15, "()": expected and, or, or the end', False),
            ("(" * 41 + "item" + ")" * 41, "at character 41, ", False),
            ("x" * 2_001, "a filter has at most 2,000 characters, not 2,001", False),
        ]
    ),
    *(
        Refused(f"type: collection\nitems: [a]\nbatch: {batch}\ntask: {{run: x}}", 3, why, schema)
        for batch, why, schema in [
            ("0", "batch: expected a whole number of at least 1, not 0", True),
            ("-1", "batch: expected a whole number of at least 1, not -1", True),
            ("many", 'batch: expected a whole number of at least 1, not "many"', True),
            ("[1]", "batch: expected a whole number, not a list", True),
            ("{}", "batch: needs count, bytes, or both", True),
            ("{size: 3}", "batch.size: unknown key", True),
            ("{count: 0}", "batch.count: expected a whole number of at least 1", True),
            ("{bytes: 64q}", 'batch.bytes: expected a number of bytes such as 65536, 64k or 1M, not "64q"', True),
            ("{bytes: 0}", "batch.bytes: expected a whole number of at least 1, not 0", True),
        ]
    ),
    Refused(
        "type: collection\nitems: [a]\nbatch: 2\ntask: {run: 'x \"{}\"'}",
        4,
        "task.run: {} stands for several items in a batch, so it has to stand by itself",
        schema=False,
    ),
    Refused("filter: x\n" + ONE, 1, "filter: goes with type: collection"),
    Refused("batch: 3\n" + ONE, 1, "batch: goes with type: collection"),
    Refused(
        "type: collection\nitems: [a]\nitem_var: a-b\ntask: {run: x}", 3, "item_var: expected a name of letters, digits"
    ),
    Refused("type: collection\nitems: [a]\ntask: {use: m:f}", 3, "task: names {item} nowhere", schema=False),
    Refused(
        "type: collection\nitems: [a]\ntask: {use: m:f, with: {x: y}}",
        3,
        "task.with: names {item} nowhere",
        schema=False,
    ),
    *(
        Refused(f"type: collection\nitems: [a]\n{var}task: {{{task}}}", 4, f"task.{why}", schema=False)
        for var, task, why in [
            (
                "item_var: item\n",
                "run: 'x {itm}'",
                'run: unknown placeholder "{itm}", did you mean {item}? Known are {item},',
            ),
            ("item_var: item\n", "run: 'x {items}'", 'run: unknown placeholder "{items}", did you mean {item}?'),
            ("item_var: item\n", "run: 'x {} {itme.a}'", 'run: unknown placeholder "{itme.a}", did you mean {item.a}?'),
            (
                "item_var: item\n",
                "run: 'x {} {Item[0]}'",
                'run: unknown placeholder "{Item[0]}", did you mean {item[0]}?',
            ),
            ("item_var: item\n", "run: 'x {{ item }}'", 'run: unknown placeholder "{{ item }}", did you mean {item}?'),
            (
                "item_var: item\n",
                "run: 'x { item.a }'",
                'run: unknown placeholder "{ item.a }", did you mean {item.a}?',
            ),
            (
                "item_var: host\n",
                "run: 'x {hots}'",
                'run: unknown placeholder "{hots}", did you mean {host}? Known are',
            ),
            (
                "item_var: my_host\n",
                "run: 'x {my-host}'",
                'run: unknown placeholder "{my-host}", did you mean {my_host}?',
            ),
            ("item_var: url\n", "run: 'x {} a{ulr}b'", 'run: unknown placeholder "{ulr}", did you mean {url}?'),
            ("item_var: url\n", "run: x, id: 'a-{irl}'", 'id: unknown placeholder "{irl}", did you mean {url}?'),
            (
                "item_var: url\n",
                "use: 'm:f', with: {a: ['{url}', {b: '{urls}'}]}",
                'with.a[1].b: unknown placeholder "{urls}", did you mean {url}?',
            ),
        ]
    ),
    Refused(
        "type: collection\nitems: [a]\ntask: {run: 'x {item.b}'}",
        2,
        'items[0]: {item.b} is not there: the item is "a"',
        schema=False,
    ),
    Refused(
        "type: collection\nitems: [a]\ntask: {run: 'x {item.b!}'}",
        3,
        'task.run: "{item.b!}": expected parts such as {item.name} or {item[0]}',
        schema=False,
    ),
    Refused(
        "type: collection\nitems: [{n: 1}, {n: x}]\nfilter: item.n > 0\ntask: {run: x}",
        2,
        "items[1]: > compares two numbers or two texts, not a text and a number",
        schema=False,
    ),
    Refused(
        "type: collection\nitems: [a]\ntask: {run: 'x `y {}`'}",
        3,
        "task.run: {} cannot stand inside backticks",
        schema=False,
    ),
    Refused(
        "type: collection\nitems: [a, on]\ntask: {run: x}", 2, "items[1]: YAML reads on as true or false", schema=False
    ),
    Refused(
        'type: collection\nitems:\n- "a\\0"\ntask: {run: x}',
        3,
        "items[0]: item 1 contains a NUL character",
        schema=False,
    ),
    Refused(
        "type: collection\nitems:\n- a\n- a\ntask: {id: 'x-{item}', run: x}",
        4,
        'items[1]: duplicate id "x-a", first used on line 3',
        schema=False,
    ),
    Refused(
        "type: collection\nitems: [a, b]\ntask: {id: x, run: x}",
        2,
        'items[1]: duplicate id "x", first used on line 2',
        schema=False,
    ),
]
