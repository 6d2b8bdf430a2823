"""A validator for the part of JSON Schema 2020-12 that our schema uses; it refuses keywords it does not know."""

from __future__ import annotations

import re
from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
}
SILENT = {"$schema", "$defs", "title", "description", "default", "then", "else"}


def accepts(schema: Any, value: Any, root: Any = None) -> bool:
    """Return whether a value fits a schema."""
    if isinstance(schema, bool):
        return schema
    root = schema if root is None else root
    return all(_fits(keyword, rule, schema, value, root) for keyword, rule in schema.items() if keyword not in SILENT)


def _fits(keyword: str, rule: Any, schema: Any, value: Any, root: Any) -> bool:
    match keyword:
        case "$ref":
            return accepts(root["$defs"][rule.removeprefix("#/$defs/")], value, root)
        case "type":
            return isinstance(value, TYPES[rule]) and not isinstance(value, bool)
        case "enum":
            return value in rule
        case "const":
            return bool(value == rule)
        case "allOf" | "anyOf" | "oneOf":
            fitting = sum(accepts(option, value, root) for option in rule)
            return {"allOf": fitting == len(rule), "anyOf": fitting > 0, "oneOf": fitting == 1}[keyword]
        case "if":
            branch = "then" if accepts(rule, value, root) else "else"
            return accepts(schema.get(branch, True), value, root)
    if isinstance(value, str):
        return _text_fits(keyword, rule, value)
    if isinstance(value, int | float):
        return _number_fits(keyword, rule, value)
    if isinstance(value, list):
        return _list_fits(keyword, rule, value, root)
    return not isinstance(value, dict) or _object_fits(keyword, rule, schema, value, root)


def _text_fits(keyword: str, rule: Any, value: str) -> bool:
    if keyword == "pattern":
        return re.search(rule.replace("$", r"\Z"), value) is not None
    return keyword != "maxLength" or len(value) <= rule


def _number_fits(keyword: str, rule: float, value: float) -> bool:
    match keyword:
        case "minimum":
            return value >= rule
        case "maximum":
            return value <= rule
        case "exclusiveMinimum":
            return value > rule
    return True


def _list_fits(keyword: str, rule: Any, value: list[Any], root: Any) -> bool:
    if keyword == "items":
        return all(accepts(rule, item, root) for item in value)
    if keyword == "maxItems":
        return len(value) <= int(rule)
    return keyword != "minItems" or len(value) >= rule


def _object_fits(keyword: str, rule: Any, schema: Any, value: dict[str, Any], root: Any) -> bool:
    match keyword:
        case "properties":
            return all(accepts(rule[key], value[key], root) for key in value if key in rule)
        case "additionalProperties":
            return rule is not False or value.keys() <= schema["properties"].keys()
        case "required":
            return all(key in value for key in rule)
        case "dependentRequired":
            return all(set(needs) <= value.keys() for key, needs in rule.items() if key in value)
        case "dependentSchemas":
            return all(accepts(needs, value, root) for key, needs in rule.items() if key in value)
    raise AssertionError(f"the schema uses {keyword!r}, which is not checked here")
