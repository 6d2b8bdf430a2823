"""What the mutation tester changes, what it leaves alone, and that it can tell a survivor from a kill."""

from __future__ import annotations

import ast

import pytest

from tests.mutation.killers import modules
from tests.mutation.mutants import mutants_of
from tests.mutation.source import Source


def edited(text: str) -> set[str]:
    """Return the lines that mutants change, as they are afterwards."""
    source = Source("events/sample.py", text.encode())
    before = text.splitlines()
    found = set()
    for mutant in mutants_of(source):
        after = mutant.source(source).decode()
        ast.parse(after)
        found |= {line.strip() for line in after.splitlines() if line not in before}
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return a < b", {"return a <= b", "return a >= b", "return None"}),
        ("return (a) == (b)", {"return (a) != (b)", "return None"}),
        ("return a is not b", {"return a is b", "return None"}),
        ("return a not in b", {"return a in b", "return None"}),
        ("return 0 <= a", {"return 1 <= a", "return (-1) <= a", "return 0 < a", "return 0 > a", "return None"}),
        (
            "return a and not b",
            {"return a or not b", "return True and not b", "return a and True", "return a and b", "return None"},
        ),
        ("return a + b", {"return a - b", "return None"}),
        ("return f(a, b)", {"return f(b, a)", "return None"}),
        ("return min(a, b)", {"return max(a, b)", "return None"}),
        ("return f(x=a, y=b)", {"return f(y=b)", "return f(x=a)", "return None"}),
        ("return a[b:]", {"return a[:]", "return None"}),
        ("return {a, b}", {"return {b}", "return {a}", "return None"}),
        ("return a if b else a", {"return a if True else a", "return a if False else a", "return None"}),
        ("return isinstance(a, Aa | Bb)", {"return isinstance(a, Aa)", "return isinstance(a, Bb)", "return None"}),
        ("return -a", {"return +a", "return None"}),
        ("return True", {"return False"}),
        ("return 'word'", {'return "word_"'}),
        ("return", set()),
        ("f(a)", {"pass"}),
        ("a.b = c", {"pass"}),
        ("a += b", {"a -= b", "pass"}),
        ("raise A(f'{a + b}')", {"pass"}),
        ("c: int = a", set()),
        ("return f'{a + 1}'", {"return None"}),
        ("logger.info('a')", set()),
        ("return cast('A', a)", {"return None"}),
        ("'a text'", set()),
    ],
)
def test_each_statement_is_changed_in_these_ways(line: str, expected: set[str]) -> None:
    assert edited(f"def f(a, b):\n    {line}\n") == expected


def test_branches_and_loops_are_taken_always_and_never() -> None:
    text = "def f(a):\n    for b in a:\n        if b:\n            continue\n        g()\n"
    assert edited(text) == {"for b in ():", "if True:", "if False:", "break", "pass"}
    assert "except (A,):" in edited("def f():\n    try:\n        g()\n    except (A, B):\n        h()\n")


def test_what_is_for_readers_and_type_checkers_alone_is_left_alone() -> None:
    text = '''"""A text."""
from __future__ import annotations
import a
__all__ = ["b"]
T = TypeVar("T")
Kind = Literal["c", "d"]
if TYPE_CHECKING:
    from e import f
@g(1)
class H(I, metaclass=J):
    """A text."""
    __slots__ = ("k",)
    l: int
    def m(self, n: int | None) -> list[int]:
        """A text."""
'''
    assert edited(text) == set()


def test_defaults_and_constants_outside_functions_are_changed_too() -> None:
    assert edited("N = 5\ndef f(a=1):\n    pass\n") == {"N = 6", "N = 4", "def f(a=2):", "def f(a=0):"}


def test_a_mutant_keeps_its_id_when_other_functions_change() -> None:
    one = "def f(a):\n    return a < 1\n"
    before = {mutant.id for mutant in mutants_of(Source("m.py", one.encode()))}
    after = {mutant.id for mutant in mutants_of(Source("m.py", f"def g():\n    h()\n\n\n{one}".encode()))}
    assert before < after


@pytest.mark.parametrize("name", modules())
def test_every_mutant_has_an_id_of_its_own_and_a_diff_of_one_place(name: str) -> None:
    source = Source.read(name)
    mutants = mutants_of(source)
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    for mutant in mutants[:: max(1, len(mutants) // 10)]:
        ast.parse(mutant.source(source))
        assert mutant.diff(source).startswith(f"{name}:")
        assert "\n-" in mutant.diff(source)
