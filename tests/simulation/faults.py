"""What goes wrong in one simulated life: rates drawn from the seed, and the meddler that goes by them.

Each kind of fault is off in many seeds, so that every kind is also met alone and in every company (swarm testing:
Groce and others, 2012).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from actors.messages import DeadlineDue, ExpiryDue, Heard, RetryDue, Rotate, Tick
from actors.runtime import Begin, RuntimeActor
from actors.simulated import AT_ONCE, Delivery, Meddler, SimulatedRuntime

RELIABLE: Final = frozenset({Begin, Tick, Rotate, DeadlineDue, RetryDue, ExpiryDue, Heard})
"""The first message of an actor, what timers say to their own actors, and what the announcer hears (it never ends)."""
TIMERS: Final = ("_Revive", "_Replace")
VICTIMS: Final = ("ParentActor", "PoolActor", "JournalActor", "LoaderActor", "SupervisorActor")
DELAY_SECONDS_MAX: Final = 3.0


@dataclass(frozen=True)
class Faults:
    """How often each thing goes wrong, as shares of 1."""

    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    overtaken: float = 0.0
    slow: float = 0.0
    """Time passes although messages wait."""
    deaths: float = 0.0
    """An actor dies at a delivery."""
    victims: tuple[str, ...] = ()
    """The only classes of actors that die; all of them do where none is named."""
    crash_before_append: float = 0.0
    crash_after_append: float = 0.0
    append_fails: float = 0.0
    """The store refuses an append; nothing was written."""
    reply_lost: float = 0.0
    """The store reports an error and has written all the same."""
    append_stalls: float = 0.0
    """Some other program holds the store's lock for a while."""
    read_fails: float = 0.0
    failing: float = 0.0
    """An attempt fails."""
    losing: float = 0.0
    """A worker is killed under an attempt."""
    sticking: float = 0.0
    """An attempt never ends by itself."""
    deaf: float = 0.0
    """An attempt does not listen when it is asked to stop."""
    talking: float = 0.0
    """An attempt tells of its progress."""
    late_endings: float = 0.0
    """An attempt that ran out of time ends by itself later on."""
    filing: float = 0.0
    """What an attempt returns is large, and lies in a file."""
    snapshots: float = 0.0
    """A snapshot is torn, replaced by one of other code, refused or lost, or the process dies over it."""

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong but in the children themselves."""
        return self == Faults(
            failing=self.failing,
            losing=self.losing,
            sticking=self.sticking,
            deaf=self.deaf,
            talking=self.talking,
            late_endings=self.late_endings,
            filing=self.filing,
        )

    @property
    def orderly(self) -> bool:
        """Whether whoever asks must be answered, as long as the process lives that was asked."""
        return not (self.lost or self.deaths)

    def healed(self) -> Faults:
        """Return the rates once faults have stopped. Children go on as they are."""
        return Faults(failing=self.failing, deaf=self.deaf)


_RATES: Final = {
    "lost": 0.08,
    "doubled": 0.08,
    "late": 0.08,
    "overtaken": 0.2,
    "slow": 0.1,
    "deaths": 0.02,
    "crash_before_append": 0.03,
    "crash_after_append": 0.03,
    "append_fails": 0.03,
    "reply_lost": 0.03,
    "append_stalls": 0.02,
    "read_fails": 0.03,
}
"""The largest rates."""


def draw_faults(chance: Random) -> Faults:
    """Draw the rates of one life: in a tenth of them nothing goes wrong but in the children."""
    faults = Faults(
        failing=chance.choice((0.0, 0.1, 0.3, 0.6)),
        losing=chance.choice((0.0, 0.0, 0.15)),
        sticking=chance.choice((0.0, 0.0, 0.1)),
        deaf=chance.choice((0.0, 0.3)),
        talking=chance.choice((0.0, 0.5)),
        late_endings=chance.choice((0.0, 0.5)),
        filing=chance.choice((0.0, 0.5)),
    )
    if chance.random() < 0.1:
        return faults
    drawn: dict[str, Any] = {name: most * chance.random() for name, most in _RATES.items() if chance.random() < 0.4}
    if chance.random() < 0.2:  # a kind of actor or two die often, and the others are slow to hear of it
        drawn |= {"deaths": 0.15 * chance.random(), "slow": 0.3 * chance.random(), "victims": _victims(chance)}
    return replace(faults, **drawn)


def _victims(chance: Random) -> tuple[str, ...]:
    return tuple(chance.sample(VICTIMS, chance.choice((1, 2, 2))))


class FaultyMeddler(Meddler):
    """Loses, doubles, delays and reorders messages, and lets actors die, at the rates of the moment."""

    def __init__(self, faults: Faults, chance: Random) -> None:
        self.faults = faults
        self.drawn = faults
        """The rates before the faults stopped."""
        self.count: Counter[str] = Counter()
        self._random = chance.random

    def happens(self, name: str, rate: float) -> bool:
        """Whether a fault happens now; it is counted."""
        if rate and self._random() < rate:
            self.count[name] += 1
            return True
        return False

    def delays(self, runtime: SimulatedRuntime, actor: RuntimeActor, message: Any) -> Sequence[float]:
        """Lose, double or delay a message of one actor to another."""
        faults = self.faults
        if not (faults.lost or faults.doubled or faults.late) or _reliable(message):
            return AT_ONCE
        if self.happens("lost", faults.lost):
            return ()
        first = self._random() * DELAY_SECONDS_MAX if self.happens("late", faults.late) else 0.0
        if self.happens("doubled", faults.doubled):
            return (first, self._random() * DELAY_SECONDS_MAX)
        return (first,) if first else AT_ONCE

    def delivery(self, runtime: SimulatedRuntime, actor: RuntimeActor, message: Any) -> Delivery:
        """Let an actor die before or after a delivery."""
        faults = self.faults
        if not faults.deaths or (faults.victims and type(actor).__name__ not in faults.victims):
            return "plain"
        if self.happens("deaths", faults.deaths):
            return "die_before" if self._random() < 0.5 else "die_after"
        return "plain"

    def overtakes(self, waiting: int) -> int:
        """Let a later message go first."""
        if waiting > 1 and self.happens("overtaken", self.faults.overtaken):
            return int(self._random() * waiting)
        return 0

    def dawdles(self) -> bool:
        """Let time pass although messages wait."""
        slow = self.faults.slow
        return slow > 0.0 and self.happens("slow", slow)


def _reliable(message: Any) -> bool:
    kind = type(message)
    if kind is type:
        kind = message
    return kind in RELIABLE or kind.__name__ in TIMERS
