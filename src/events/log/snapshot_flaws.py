"""What is wrong with a store's table of snapshots as a whole, whichever store it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from events.errors import Place, StoreDamagedError


def snapshot_flaws(location: str, strays: Callable[[], Sequence[Any]]) -> Iterator[Place]:
    """Yield them; `strays` returns the keys, a row each, that snapshots name and no run has.

    Raises:
        StoreError: the table cannot be read now.
    """
    try:
        found = strays()
    except StoreDamagedError as error:
        yield Place(None, None, None, str(error).removeprefix(f"{location}: "))
    else:
        for (key,) in found:
            yield Place(None, None, None, f"a snapshot belongs to no run (key {key!r})")
