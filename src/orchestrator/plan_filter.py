"""The filters of collections: a small language over one item. It can compare, and do nothing else.

    item.size > 100 and not (item.name in ["a", "b"] or item.tags[0] == null)

A part that an item does not have is null. What is compared by order is two numbers or two texts; with null it is
false. `number(x)` makes a number of a text that is one, and null of any other value.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from math import isfinite
from typing import Final

from events.errors import UsageError
from events.payload import Json
from orchestrator.plan_paths import look_up, read_path
from orchestrator.plan_source import quoted

Test = Callable[[Json], Json]

_CHARS_MAX: Final = 2_000
_DEPTH_MAX: Final = 40
_PIECE: Final = re.compile(
    r"(?P<number>-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?)|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>==|!=|<=|>=|[<>()\[\],])"
)
_NUMBER: Final = re.compile(r"\s*-?[0-9]{1,300}(?P<part>\.[0-9]{1,300})?(?P<power>[eE][+-]?[0-9]{1,3})?\s*")
_CONSTANTS: Final[dict[str, Json]] = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None,
}  # fmt: skip
_ORDERS: Final[dict[str, Callable[[Json, Json], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_ESCAPES: Final = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"'}


def parse_filter(text: str, item_var: str) -> Test:
    """Return what tells whether an item passes.

    Raises:
        UsageError: the text is no filter; the message says at which character.
    """
    if len(text) > _CHARS_MAX:
        raise UsageError(f"a filter has at most {_CHARS_MAX:,} characters, not {len(text):,}")
    return _Parser(text, item_var).whole()


class _Parser:
    """One walk over the text, from the loosest operators to the tightest."""

    def __init__(self, text: str, item_var: str) -> None:
        self._text = text
        self._item_var = item_var
        self._at = 0
        self._end = 0
        self._depth = 0
        self._kind: str | None = None
        self._piece = ""
        self._next()

    def whole(self) -> Test:
        test = self._any_of()
        if self._kind is not None:
            raise self._refusal("expected and, or, or the end")
        return test

    def _next(self) -> None:
        """Go on to the next piece; at the end there is none."""
        self._at = self._end
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
        found = _PIECE.match(self._text, self._at)
        if found is None:
            self._kind, self._piece, self._end = None, "", self._at
            if self._at < len(self._text):
                raise self._refusal("this is no part of a filter")
            return
        self._kind, self._piece, self._end = found.lastgroup, found[0], found.end()

    def _take(self, *pieces: str) -> str | None:
        """Take the piece if it is one of these."""
        if self._kind not in ("word", "sign") or self._piece not in pieces:
            return None
        piece = self._piece
        self._next()
        return piece

    def _any_of(self) -> Test:
        tests = [self._all_of()]
        while self._take("or"):
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else lambda item: any(test(item) for test in tests)

    def _all_of(self) -> Test:
        tests = [self._negated()]
        while self._take("and"):
            tests.append(self._negated())
        return tests[0] if len(tests) == 1 else lambda item: all(test(item) for test in tests)

    def _negated(self) -> Test:
        negations = 0
        while self._take("not"):
            negations += 1
        test = self._comparison()
        return (lambda item: bool(test(item)) != (negations % 2 == 1)) if negations else test

    def _comparison(self) -> Test:
        left = self._value()
        sign = self._take("==", "!=", *_ORDERS, "in", "not")
        if sign is None:
            return left
        if sign == "not" and not self._take("in"):
            raise self._refusal("expected in after not")
        right = self._value()
        if sign in ("==", "!="):
            return lambda item: _equal(left(item), right(item)) == (sign == "==")
        if sign in _ORDERS:
            return lambda item: _ordered(sign, left(item), right(item))
        return lambda item: _within(left(item), right(item)) == (sign == "in")

    def _value(self) -> Test:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise self._refusal(f"nested more than {_DEPTH_MAX} levels deep")
        value = self._shallow_value()
        self._depth -= 1
        return value

    def _shallow_value(self) -> Test:
        kind, piece = self._kind, self._piece
        if self._take("("):
            return self._until(self._any_of(), ")")
        if self._take("["):
            return self._list()
        if kind == "word" and piece == self._item_var:
            return self._path()
        if kind == "word" and piece == "number":
            self._next()
            return self._number()
        constant: Json
        if kind == "number":
            constant = float(piece) if "." in piece else int(piece)
        elif kind == "text":
            constant = self._unquoted(piece)
        elif kind == "word" and piece in _CONSTANTS:
            constant = _CONSTANTS[piece]
        else:
            raise self._refusal(f"expected {self._item_var}, a number, a text in quotes, true, false, null, ( or [")
        self._next()
        return lambda _: constant

    def _until(self, test: Test, closing: str) -> Test:
        if not self._take(closing):
            raise self._refusal(f"expected {closing}")
        return test

    def _list(self) -> Test:
        values: list[Test] = []
        while not self._take("]"):
            values.append(self._value())
            if not self._take(","):
                self._until(values[-1], "]")
                break
        return lambda item: [value(item) for value in values]

    def _path(self) -> Test:
        path, self._end = read_path(self._text, self._end)
        if self._text[self._end : self._end + 1] in (".", "["):
            self._at = self._end
            raise self._refusal('expected .name, [0] or ["name"]')
        self._next()
        return lambda item: look_up(item, path)[1]

    def _number(self) -> Test:
        if not self._take("("):
            raise self._refusal("expected ( after number")
        inner = self._until(self._any_of(), ")")
        return lambda item: _as_number(inner(item))

    def _unquoted(self, piece: str) -> str:
        made, at, inner = [], 0, piece[1:-1]
        for found in re.finditer(r"\\(.)", inner, re.DOTALL):
            if found[1] not in _ESCAPES:
                raise self._refusal(f"unknown escape \\{found[1]}")
            made += [inner[at : found.start()], _ESCAPES[found[1]]]
            at = found.end()
        return "".join([*made, inner[at:]])

    def _refusal(self, why: str) -> UsageError:
        found = quoted(self._text[self._at : self._at + 20]) if self._at < len(self._text) else "the end"
        return UsageError(f"at character {self._at + 1}, {found}: {why}")


def _equal(left: Json, right: Json) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _ordered(sign: str, left: Json, right: Json) -> bool:
    if left is None or right is None:
        return False
    if not (_is_number(left) and _is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
        raise UsageError(f"{sign} compares two numbers or two texts, not {_kind(left)} and {_kind(right)}")
    return _ORDERS[sign](left, right)


def _within(left: Json, right: Json) -> bool:
    if isinstance(right, list):
        return any(_equal(left, each) for each in right)
    if isinstance(right, str | dict) and isinstance(left, str):
        return left in right
    if right is None:
        return False
    raise UsageError(f"in looks into a list, a text or an object, not for {_kind(left)} in {_kind(right)}")


def _as_number(value: Json) -> Json:
    if _is_number(value):
        return value
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    number = float(value) if found["part"] or found["power"] else int(value)
    return number if isfinite(number) else None


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
