"""How long a child waits before it is run again: exponential backoff up to a maximum, a year at most, with jitter.

Jitter shortens a wait by a part that is drawn from the parent's seed, the child and the attempt, so that it is the
same each time it is worked out ("Exponential Backoff And Jitter", M. Brooker, AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import hashlib
from typing import Final

from events.facts import ChildLimits

_YEAR_SECONDS: Final = 86_400.0 * 365
_DRAWS: Final = 2**64


def retry_delay_us(limits: ChildLimits, failures: int, draw: float = 0.0) -> int:
    """Return the wait, in microseconds, before a child runs again that had failed `failures` times before this time.

    `draw` is a number from 0 to 1: how much of the jitter is taken off.
    """
    seconds = limits.initial_seconds or 0.0
    most = _YEAR_SECONDS if limits.max_seconds is None else min(limits.max_seconds, _YEAR_SECONDS)
    factor = limits.backoff or 2.0
    for _ in range(failures):
        if seconds >= most:
            break
        seconds *= factor
    shortened = min(seconds, most) * (1.0 - (limits.jitter or 0.0) * draw)
    return int(shortened * 1_000_000)


def jitter_draw(seed: int, child_id: str, attempt: int) -> float:
    """Return a number from 0 (inclusive) to 1 (exclusive), always the same for the same three."""
    digest = hashlib.sha256(f"{seed}:{attempt}:{child_id}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / _DRAWS
