"""The JSON Schema (2020-12) of a plan file, for editors and for programs that write plans.

What it accepts, the loader accepts too, save for what no schema can say: that ids differ, that a threshold can be
met, that a command's quotes are closed, how a value is spelled in YAML.
"""

from __future__ import annotations

from typing import Any, Final

from events.limits import DEFAULT_LIMITS, Limits
from orchestrator.durations import DURATION_SECONDS_MAX
from orchestrator.plan_spelling import BYTES, COUNT, NAME, PERCENT, SECRET, USE, WHOLE_MAX

Schema = dict[str, Any]

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_UNITS: Final = "".join(rf"(?:{_NUMBER}\s*{unit}\s*)?" for unit in ("d", "h", "m", "s", "ms"))
_DURATION: Final = rf"\s*(?:{_NUMBER}|(?=[0-9]){_UNITS})\s*"
_STRATEGIES: Final = ["all", "any", "threshold", "wait_all", "fail_fast", "best_effort", "race"]

_LISTED: Final[Schema] = {"type": "array", "minItems": 1}
_NUMBERS: Final[Schema] = {"type": "integer", "minimum": -WHOLE_MAX, "maximum": WHOLE_MAX}
_RANGE: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": WHOLE_MAX},
        {"type": "array", "minItems": 1, "maxItems": 3, "items": _NUMBERS},
    ]
}


def plan_schema(limits: Limits = DEFAULT_LIMITS) -> Schema:
    """Return the JSON Schema of a plan file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A plan of parallel-orchestrator: one parent task and its children",
        "type": "object",
        "properties": {**_parent(limits), **_children()},
        "additionalProperties": False,
        "allOf": [_kinds(), *_strategies()],
        "$defs": {
            "id": _id(limits),
            "duration": _duration(),
            "retries": _whole(0, "How often an attempt that failed is repeated."),
            "task": _task(),
            "parent": _nested(limits),
        },
    }


def _nested(limits: Limits) -> Schema:
    """Return the schema of a task that is a parent: as that of a plan, with an id, and items known from the start."""
    properties = {
        **_parent(limits),
        **_children(),
        "id": _ref("id"),
        "items": {"description": "For what a collection does its one task.", "anyOf": [_LISTED, _range()]},
        "retries": _ref("retries", "How often those inside that did not succeed are run again, together."),
    }
    described = _object("A task that is a parent itself; it counts as one.", **properties)
    return {**described, "required": ["id", "type"], "allOf": [_kinds(), *_strategies()]}


def _parent(limits: Limits) -> dict[str, Schema]:
    return {
        "id": _ref("id", "The run's id; a fresh one is made when it is left out."),
        "type": {"enum": ["parallel", "collection"], "default": "parallel"},
        "strategy": {"enum": _STRATEGIES, "default": "all", "description": "Which outcomes make the parent succeed."},
        "threshold": _share(1, "How many tasks must succeed: 3, or 80%."),
        "max_failures": _share(0, "The parent fails once more tasks than that have failed: 2, or 5%."),
        "min_finished": _whole(1, "How many tasks must have ended before max_failures in percent is judged."),
        "max_workers": {**_whole(1, "How many tasks run at a time."), "maximum": limits.max_workers_max},
        "timeout": _ref("duration", "The longest time for the parent as a whole."),
        "on_decided": {
            "enum": ["cancel", "drain", "continue"],
            "description": "What happens to the tasks still open once the parent is decided.",
        },
        "defaults": _object(
            "For tasks that say nothing else, those of parents inside included.",
            retries=_ref("retries"),
            timeout=_ref("duration", "For one attempt."),
        ),
        "metadata": {"type": "object", "description": "The caller's own."},
    }


def _children() -> dict[str, Schema]:
    task = {"if": {"required": ["type"]}, "then": _ref("parent"), "else": {**_ref("task"), "required": ["id"]}}
    tasks = {"type": "array", "minItems": 1, "items": task}
    item_var = {"type": "string", "pattern": f"^{NAME}$", "default": "item"}
    return {
        "tasks": {**tasks, "description": "The tasks of a parallel plan."},
        "items": _items(),
        "filter": {"type": "string", "pattern": r"\S", "description": "Which items count, such as item.size > 100."},
        "batch": _batch(),
        "item_var": {**item_var, "description": "What stands, in braces, for the item in run, with and id."},
        "task": _ref("task", "The one task of a collection."),
    }


def _items() -> Schema:
    name: Schema = {"type": "string", "pattern": "."}
    kinds: dict[str, Schema] = {
        "range": _RANGE,
        "lines": {**name, "description": "A file with one item a line; - is standard input."},
        "jsonl": {**name, "description": "A file with one JSON value a line."},
        "csv": {**name, "description": "A file of rows, the first one being the header."},
        "stdin": {"enum": ["lines", "jsonl", "csv"], "description": "What standard input holds."},
    }
    delimiter = {
        "type": "string",
        "maxLength": 1,
        "pattern": r"[^\x00\r\n\"]",
        "description": "Of csv: , unless given.",
    }
    sources = _object("Where the items come from.", **kinds, delimiter=delimiter)
    return {
        "description": "For what a collection does its one task.",
        "anyOf": [
            _LISTED,
            {**sources, "oneOf": [{"required": [kind]} for kind in kinds]},
        ],
    }


def _range() -> Schema:
    return {**_object("Numbers, at most 10,000 of them.", range=_RANGE), "required": ["range"]}


def _batch() -> Schema:
    size = {"anyOf": [_whole(1), {"type": "string", "pattern": f"^{BYTES}$"}]}
    both = _object("At most so many items, and so many bytes.", count=_whole(1), bytes=size)
    return {
        "description": "How many items go into one task: item is then the list of them.",
        "anyOf": [_whole(1), {**both, "anyOf": [{"required": ["count"]}, {"required": ["bytes"]}]}],
    }


def _task() -> Schema:
    task = _object(
        "One unit of work: a shell command, or a Python function marked @task. With a type it is a parent instead.",
        id=_ref("id"),
        run={"type": "string", "pattern": r"\S", "description": "A shell command."},
        use={"type": "string", "pattern": f"^{USE}$", "description": "module:function"},
        timeout=_ref("duration", "For one attempt."),
        retries=_ref("retries"),
        on_lost={"enum": ["retry", "fail"], "description": "What follows when a crash interrupts an attempt."},
    )
    task["properties"]["with"] = {"type": "object", "description": "The function's named arguments."}
    task["properties"]["secrets"] = {
        "type": "object",
        "description": "Named arguments that are secrets: env:NAME or file:/path. Only these names are put on record.",
        "additionalProperties": {"type": "string", "pattern": f"^{SECRET}$"},
    }
    return {
        **task,
        "oneOf": [{"required": ["run"]}, {"required": ["use"]}],
        "dependentRequired": {"with": ["use"], "secrets": ["use"]},
    }


# -- what follows from one key for others


def _kinds() -> Schema:
    collection = {"required": ["items", "task"], "properties": {"tasks": False}}
    parallel = {
        "required": ["tasks"],
        "properties": dict.fromkeys(("items", "item_var", "filter", "batch", "task"), False),
    }
    return {"if": _has("type", "collection"), "then": collection, "else": parallel}


def _strategies() -> list[Schema]:
    others = {"properties": dict.fromkeys(("threshold", "max_failures", "min_finished"), False)}
    percent = {"required": ["max_failures"], "properties": {"max_failures": {"type": "string", "pattern": "%$"}}}
    threshold = {"required": ["threshold"], "dependentSchemas": {"min_finished": percent}}
    return [
        {"if": _has("strategy", "threshold"), "then": threshold, "else": others},
        _means(("wait_all", "best_effort"), "continue"),
        _means(("fail_fast", "race"), "cancel"),
    ]


def _means(strategies: tuple[str, ...], on_decided: str) -> Schema:
    return {"if": _has("strategy", *strategies), "then": {"properties": {"on_decided": {"const": on_decided}}}}


def _has(key: str, *values: str) -> Schema:
    return {"required": [key], "properties": {key: {"enum": list(values)}}}


# -- kinds of values


def _id(limits: Limits) -> Schema:
    printable = {"pattern": r"^[^\u0000-\u001f\u007f-\u00a0]*$"}
    return {"type": "string", "maxLength": limits.id_chars_max, "pattern": r"\S", "allOf": [printable]}


def _duration() -> Schema:
    text = {"type": "string", "pattern": f"^{_DURATION}$", "allOf": [{"pattern": "[1-9]"}]}
    number = {"type": "number", "exclusiveMinimum": 0, "maximum": DURATION_SECONDS_MAX}
    return {"description": 'Seconds, or text such as "90s", "10m", "1h30m".', "anyOf": [number, text]}


def _share(least: int, description: str) -> Schema:
    """Return the schema of a number of tasks (also as text), or a percentage of them."""
    text: Schema = {"type": "string", "pattern": f"^(?:{COUNT}|{PERCENT})$"}
    if least > 0:
        text["allOf"] = [{"pattern": "[1-9]"}]
    return {"description": description, "anyOf": [_whole(least), text]}


def _whole(least: int, description: str = "A number.") -> Schema:
    return {"type": "integer", "minimum": least, "maximum": WHOLE_MAX, "description": description}


def _object(description: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }


def _ref(name: str, description: str | None = None) -> Schema:
    ref: Schema = {"$ref": f"#/$defs/{name}"}
    return ref if description is None else {**ref, "description": description}
