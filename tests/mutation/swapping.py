"""Bringing a mutant to life in a process that was forked for it.

Hot: where a function's body is changed, the code of the function that is in use already is exchanged. That takes a
few milliseconds. Cold: everything of ours is forgotten and imported anew, the mutated module from its new text.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from tests.mutation.mutants import Mutant
from tests.mutation.source import ROOT, SRC, Source

Place = tuple[str, str, int]
"""A function by file, qualified name and first line."""


class Functions:
    """Every function of ours that is alive, by where it was written."""

    def __init__(self) -> None:
        self._found: defaultdict[Place, list[FunctionType]] = defaultdict(list)
        self._caches: list[functools._lru_cache_wrapper[object]] = []
        ours = str(SRC)
        for thing in gc.get_objects():
            if type(thing) is FunctionType and thing.__code__.co_filename.startswith(ours):
                self._found[_place(thing.__code__)].append(thing)
            elif type(thing) is functools._lru_cache_wrapper:
                self._caches.append(thing)

    def swap(self, mutant: Mutant, source: Source) -> bool:
        """Give a function the mutant's code; False where that cannot be done."""
        if not mutant.scope:
            return False
        place = (str(source.path), mutant.scope, mutant.scope_line)
        module = compile(mutant.source(source), str(source.path), "exec", dont_inherit=True)
        code = next((code for code in _codes(module) if _place(code) == place), None)
        functions = self._found.get(place, [])
        if code is None or not functions or any(code.co_freevars != f.__code__.co_freevars for f in functions):
            return False
        for function in functions:
            function.__code__ = code
        for cache in self._caches:
            cache.cache_clear()
        return True


def _place(code: CodeType) -> Place:
    return code.co_filename, code.co_qualname.replace(".<locals>", ""), code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def forget_ours() -> None:
    """Forget every module that lies in the project, but those that do this."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None) or ""
        here = path.startswith((str(SRC), str(ROOT / "tests"))) or name == "tests"
        if here and not name.startswith("tests.mutation") and name != "tests":
            del sys.modules[name]


class _Loader(SourceFileLoader):
    """Loads the mutated module."""

    text: bytes

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self.text, self.path, "exec", dont_inherit=True)
        return code


class MutatedImport(MetaPathFinder):
    """Finds one module, whose text is the mutant's."""

    def __init__(self, mutant: Mutant, source: Source) -> None:
        self._path = source.path
        self._text = mutant.source(source)
        parts = Path(source.name).with_suffix("").parts
        self._name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Loader(fullname, str(self._path))
        loader.text = self._text
        return spec_from_file_location(fullname, self._path, loader=loader)
