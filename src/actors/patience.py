"""When to ask again for an answer that does not come: the question, or the answer, may be lost."""

from __future__ import annotations

from typing import Final

TICK_SECONDS: Final = 1.0
"""How often a parent looks whether a message was lost, unless very many live: see `tick_seconds`."""
LOOK_TICKS: Final = 5
"""After how many of its ticks it looks whether somebody else appended, though nobody said so."""
_TICKS_A_SECOND: Final = 500
"""How many parents look in a second at most: so many take a tenth of a core, however many live."""


def tick_seconds(live: int) -> float:
    """Return how long a parent waits before it looks again whether a message was lost, where so many live."""
    return max(TICK_SECONDS, live / _TICKS_A_SECOND)


class Patience:
    """Counts looks at something that is waited for, and runs out after two, then after longer and longer."""

    def __init__(self) -> None:
        self._begin(None)

    def _begin(self, waits_for: object) -> None:
        self._waits_for, self._left, self._again = waits_for, 1, 1

    def runs_out(self, waits_for: object) -> bool:
        """Note one more look at what is waited for (None: nothing); say whether to ask for it once more."""
        if waits_for is None or waits_for is not self._waits_for:
            self._begin(waits_for)
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self._again *= 2
        self._left = self._again
        return True
