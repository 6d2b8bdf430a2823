"""What is changed in a module, one small thing at a time.

Left alone, since no test could or should tell: annotations, docstrings, `__all__`, `__slots__`, decorators, bases,
imports, what type checkers alone read, the wording of errors and of the log, and everything in f-strings.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.mutation.source import Node, Source


class Edit(NamedTuple):
    """Replace the bytes from `start` to `end` by a text."""

    operator: str
    start: int
    end: int
    text: str
    scope: str
    scope_line: int
    lines: tuple[int, int]


COMPARISONS: Final[dict[type[ast.cmpop], tuple[bytes, tuple[str, ...]]]] = {
    ast.Lt: (rb"<", ("<=", ">=")),
    ast.LtE: (rb"<=", ("<", ">")),
    ast.Gt: (rb">", (">=", "<=")),
    ast.GtE: (rb">=", (">", "<")),
    ast.Eq: (rb"==", ("!=",)),
    ast.NotEq: (rb"!=", ("==",)),
    ast.Is: (rb"\bis\b", ("is not",)),
    ast.IsNot: (rb"\bis\s+not\b", ("is",)),
    ast.In: (rb"\bin\b", ("not in",)),
    ast.NotIn: (rb"\bnot\s+in\b", ("in",)),
}
ARITHMETIC: Final[dict[type[ast.operator], tuple[bytes, str]]] = {
    ast.Add: (rb"\+", "-"),
    ast.Sub: (rb"-", "+"),
    ast.Mult: (rb"\*", "//"),
    ast.FloorDiv: (rb"//", "*"),
    ast.Div: (rb"/", "*"),
    ast.Mod: (rb"%", "*"),
    ast.Pow: (rb"\*\*", "*"),
    ast.BitAnd: (rb"&", "|"),
    ast.BitOr: (rb"\|", "&"),
}
OTHER_FUNCTIONS: Final = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sorted": "list",
    "ceil": "int",
    "bisect_right": "bisect_left",
}
FOR_TYPE_CHECKERS: Final = frozenset({"TypeVar", "cast", "NewType"})
ARGUMENTS_THAT_STAY: Final = frozenset({"isinstance", "getattr", "hasattr", "min", "max"})
"""Functions whose arguments are of two kinds, or mean the same in any order."""
NAMES_LEFT_ALONE: Final = frozenset({"__all__", "__slots__", "logger"})
IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def edits(source: Source) -> Iterator[Edit]:
    """Yield every edit of a module."""
    yield from _Finder(source).module()


class _Finder:
    """Walks a module and remembers where it is."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.names: list[str] = []
        self.scope, self.scope_line = "", 0
        self.lines = (0, 0)
        self.bound: Counter[str] = Counter()
        self.last: ast.stmt | None = None
        """The last statement of the function: to delete its `return` is to return None."""

    def module(self) -> Iterator[Edit]:
        yield from self.block(self.source.tree.body)

    def edit(self, operator: str, start: int, end: int, text: str) -> Edit:
        return Edit(operator, start, end, text, self.scope, self.scope_line, self.lines)

    def replace(self, operator: str, node: Node, text: str) -> Edit:
        return self.edit(operator, self.source.start(node), self.source.end(node), text)

    # Statements

    def block(self, statements: list[ast.stmt]) -> Iterator[Edit]:
        for statement in statements:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                yield from self.definition(statement)
            elif not _left_alone(statement):
                outer = self.lines
                self.lines = (statement.lineno, _head_end(statement))
                yield from self.statement(statement)
                self.lines = outer

    def definition(self, node: ast.FunctionDef | ast.ClassDef) -> Iterator[Edit]:
        self.names.append(node.name)
        if isinstance(node, ast.ClassDef):
            yield from self.block(node.body)
        else:
            self.lines = (node.lineno, node.lineno)
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None:
                    yield from self.expression(default)
            outer = (self.scope, self.scope_line, self.bound, self.last)
            if not self.scope:
                self.scope = ".".join(self.names)
                self.scope_line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            self.bound, self.last = _bindings(node), node.body[-1]
            yield from self.block(node.body)
            self.scope, self.scope_line, self.bound, self.last = outer
        self.names.pop()

    def statement(self, node: ast.stmt) -> Iterator[Edit]:
        if self.may_be_deleted(node):
            yield self.replace("statement deleted", node, "pass")
        match node:
            case ast.Raise():
                return  # the wording of errors
            case ast.Return(value=value) if value is not None:
                if not isinstance(value, ast.Constant):
                    yield self.replace("nothing returned", value, "None")
            case ast.Continue():
                yield self.replace("break for continue", node, "break")
            case ast.Break():
                yield self.replace("continue for break", node, "continue")
            case ast.For(iter=iterable):
                yield self.replace("loop never entered", iterable, "()")
            case ast.If(test=test):
                yield from self.branches(test)
            case ast.While(test=test):
                yield self.replace("loop never entered", test, "False")
            case ast.AugAssign(target=target, op=op, value=value):
                yield from self.operator_between(target, value, op)
            case _:
                pass
        yield from self.inside(node)

    def may_be_deleted(self, node: ast.stmt) -> bool:
        match node:
            case ast.Expr() | ast.Raise() | ast.Delete() | ast.Continue() | ast.Break() | ast.AugAssign():
                return True
            case ast.Return():
                return node is not self.last
            case ast.Assign(targets=[target]) | ast.AnnAssign(target=target, value=ast.expr()):
                return self.scope != "" and all(self.is_set_anew(name) for name in _parts(target))
            case _:
                return False

    def is_set_anew(self, target: ast.expr) -> bool:
        """Whether something has a value without this assignment, too, as far as can be seen."""
        if isinstance(target, ast.Name):
            return self.bound[target.id] > 1
        return isinstance(target, ast.Attribute | ast.Subscript)

    def inside(self, node: ast.AST) -> Iterator[Edit]:
        """Yield the edits of a statement's parts."""
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            values = value if isinstance(value, list) else [value]
            if values and all(isinstance(part, ast.stmt) for part in values):
                yield from self.block(values)
                continue
            for part in values:
                if isinstance(part, ast.expr):
                    yield from self.expression(part)
                elif isinstance(part, ast.ExceptHandler):
                    yield from self.handler(part)
                elif isinstance(part, ast.withitem):
                    yield from self.expression(part.context_expr)

    def handler(self, node: ast.ExceptHandler) -> Iterator[Edit]:
        outer = self.lines
        self.lines = (node.lineno, node.lineno)
        if isinstance(node.type, ast.Tuple):
            yield from self.dropped("error not handled", node.type)
        self.lines = outer
        yield from self.block(node.body)

    # Expressions

    def expression(self, node: ast.expr) -> Iterator[Edit]:
        if _means_nothing_at_run_time(node):
            return
        match node:
            case ast.Compare():
                yield from self.comparison(node)
            case ast.BoolOp():
                yield from self.connected(node)
            case ast.UnaryOp():
                yield from self.signed(node)
            case ast.BinOp(left=left, op=op, right=right) if not _is_of_types(node):
                yield from self.operator_between(left, right, op)
            case ast.IfExp(test=test):
                yield from self.branches(test)
            case ast.Constant():
                yield from self.constant(node)
            case ast.Call():
                yield from self.call(node)
            case ast.Slice(lower=lower, upper=upper):
                yield from (self.replace("bound left out", bound, "") for bound in (lower, upper) if bound is not None)
            case ast.Dict() | ast.Set():
                yield from self.entries(node)
            case _:
                pass
        yield from self.within(node)

    def branches(self, test: ast.expr) -> Iterator[Edit]:
        yield self.replace("branch always", test, "True")
        yield self.replace("branch never", test, "False")

    def signed(self, node: ast.UnaryOp) -> Iterator[Edit]:
        start = self.source.start(node)
        if isinstance(node.op, ast.Not):
            yield self.edit("not left out", start, start + len(b"not "), "")
        elif isinstance(node.op, ast.USub):
            yield self.edit("sign turned", start, start + 1, "+")

    def within(self, node: ast.expr) -> Iterator[Edit]:
        """Yield the edits of an expression's parts."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from self.expression(child)
            elif isinstance(child, ast.keyword):
                yield from self.expression(child.value)
            elif isinstance(child, ast.comprehension):
                yield from self.expression(child.iter)
                for test in child.ifs:
                    yield from self.branches(test)
                    yield from self.expression(test)

    def operator_between(self, left: ast.expr, right: ast.expr, op: ast.operator) -> Iterator[Edit]:
        if type(op) not in ARITHMETIC or any(_is_text(side) for side in (left, right)):
            return
        token, other = ARITHMETIC[type(op)]
        place = self.source.between(left, right, token)
        if place is not None:
            yield self.edit("arithmetic", *place, other)

    def comparison(self, node: ast.Compare) -> Iterator[Edit]:
        sides = [node.left, *node.comparators]
        for left, right, op in zip(sides, sides[1:], node.ops, strict=False):
            token, others = COMPARISONS[type(op)]
            place = self.source.between(left, right, token)
            assert place is not None
            for other in others:
                yield self.edit("comparison", *place, other)
            if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Tuple):
                yield from self.dropped("element left out", right)

    def connected(self, node: ast.BoolOp) -> Iterator[Edit]:
        both = isinstance(node.op, ast.And)
        for left, right in zip(node.values, node.values[1:], strict=False):
            place = self.source.between(left, right, rb"\band\b" if both else rb"\bor\b")
            assert place is not None
            yield self.edit("and/or", *place, "or" if both else "and")
        for value in node.values:
            yield self.replace("operand left out", value, "True" if both else "False")

    def constant(self, node: ast.Constant) -> Iterator[Edit]:
        value = node.value
        if isinstance(value, bool):
            yield self.replace("constant", node, str(not value))
        elif isinstance(value, int):
            yield self.replace("constant", node, str(value + 1))
            yield self.replace("constant", node, f"({value - 1})" if value == 0 else str(value - 1))
        elif isinstance(value, float):
            yield self.replace("constant", node, str(value + 1))
        elif isinstance(value, str) and IDENTIFIER.fullmatch(value):
            yield self.replace("constant", node, f'"{value}_"')
        elif isinstance(value, bytes):
            yield self.replace("constant", node, 'b"mutant"')

    def call(self, node: ast.Call) -> Iterator[Edit]:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in OTHER_FUNCTIONS:
            yield self.replace("another function", node.func, OTHER_FUNCTIONS[name])
        if name == "isinstance":
            for side in _sides(node.args[1]):
                yield self.replace("type left out", node.args[1], self.source.segment(side).decode())
        if name not in ARGUMENTS_THAT_STAY:
            for left, right in zip(node.args, node.args[1:], strict=False):
                yield from self.swapped(left, right)
        for keyword in node.keywords:
            if keyword.arg is not None:
                yield self.edit("argument left out", *self.source.with_comma(keyword), "")

    def swapped(self, left: ast.expr, right: ast.expr) -> Iterator[Edit]:
        one, other = self.source.segment(left), self.source.segment(right)
        if isinstance(left, ast.Starred) or isinstance(right, ast.Starred) or one == other:
            return
        start, end = self.source.start(left), self.source.end(right)
        between = self.source.text[self.source.end(left) : self.source.start(right)]
        if between.strip() == b",":
            yield self.edit("arguments swapped", start, end, (other + between + one).decode())

    def entries(self, node: ast.Dict | ast.Set) -> Iterator[Edit]:
        """Yield a dictionary or a set with each of its entries left out."""
        if isinstance(node, ast.Set):
            pairs: list[tuple[ast.expr | None, ast.expr]] = [(element, element) for element in node.elts]
        else:
            pairs = list(zip(node.keys, node.values, strict=True))
        for key, value in pairs if len(pairs) > 1 else ():
            if key is not None:
                start, end = self.source.with_comma(value)
                start = min(start, self.source.start(key))
                if start < self.source.start(key) or self.source.text[:end].rstrip().endswith(b","):
                    yield self.edit("entry left out", start, end, "")

    def dropped(self, operator: str, node: ast.Tuple) -> Iterator[Edit]:
        """Yield a tuple with each of its elements left out."""
        for out in node.elts:
            kept = [self.source.segment(element).decode() for element in node.elts if element is not out]
            yield self.replace(operator, node, f"({', '.join(kept)},)")


def _means_nothing_at_run_time(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr():
            return True
        case ast.Subscript(value=ast.Name(id=name)):
            return name in ("Literal", "Annotated", "Callable")
        case ast.Call(func=ast.Name(id=name)):
            return name in FOR_TYPE_CHECKERS
        case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"))):
            return True
        case _:
            return False


def _left_alone(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.Pass():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="logger")))):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name in NAMES_LEFT_ALONE
        case _:
            return False


def _head_end(node: ast.stmt) -> int:
    if isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
        return max(node.lineno, node.body[0].lineno - 1)
    return node.end_lineno or node.lineno


def _bindings(function: ast.FunctionDef) -> Counter[str]:
    """Count how often each name is given a value in a function."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return Counter(names)


def _parts(target: ast.expr) -> list[ast.expr]:
    return [part for element in target.elts for part in _parts(element)] if isinstance(target, ast.Tuple) else [target]


def _sides(node: ast.expr) -> list[ast.expr]:
    """Return the types of a union such as `A | B`; nothing where it is none."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*(_sides(node.left) or [node.left]), *(_sides(node.right) or [node.right])]
    return []


def _is_of_types(node: ast.BinOp) -> bool:
    """Whether an expression is a union of types: its names are capitalised, as constants of ours never are."""
    return bool(_sides(node)) and all(
        (isinstance(side, ast.Name) and side.id[0].isupper() and not side.id.isupper())
        or (isinstance(side, ast.Constant) and side.value is None)
        or isinstance(side, ast.Subscript)
        for side in _sides(node)
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
