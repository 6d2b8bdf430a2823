"""The documentation as data: pages, their fenced blocks, their links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"(?P<indent> *)```(?P<language>\w*)\s*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"#{1,6} +(?P<text>.+?)\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line where the text begins."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Return every page: the README, its companions, and all of `docs`."""
    beside = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [*beside, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks. Raises ValueError where one is not closed."""
    found: list[Block] = []
    opened: tuple[str, str, int] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, lines = (fence["language"], fence["indent"], number + 1), []
        elif opened is not None and fence and not fence["language"]:
            language, indent, begin = opened
            text = "".join(f"{each.removeprefix(indent)}\n" for each in lines)
            found.append(Block(language, text, begin))
            opened = None
        elif opened is not None:
            lines.append(line)
    if opened is not None:
        raise ValueError(f"{page}:{opened[2]}: the block is not closed")
    return found


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines outside fenced blocks, with their numbers."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the targets of all links, with the lines where they stand."""
    for number, line in prose(page):
        for match in _LINK.finditer(line):
            yield number, match["target"]


def anchors(page: Path) -> set[str]:
    """Return the names under which a page's headings can be linked to, as GitHub makes them."""
    names = set()
    for _, line in prose(page):
        heading = _HEADING.match(line)
        if heading:
            text = re.sub(r"[^\w\- ]", "", heading["text"].lower())
            names.add(text.replace(" ", "-"))
    return names
