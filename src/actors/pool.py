"""The worker pool: how many children may run at a time over all parents, who is next, and hand-out to executors.

A parent says how many slots it could use (`Share`) and is told how many it has (`Allotment`). Allotments never add
up to more than the pool has. One that was lowered frees its slots only when the parent has seen it and says how
many it still uses, so at no instant, and at no prefix of the log, are more children started than there are slots.
Both messages tell levels, not differences: a lost or doubled one does no harm.

Who gets how many is worked out in `fair_parts`: strictly by priority, among equals by weight. A free slot goes to the
one that has least of its part. Where somebody has more than its part and others less, its allotment is lowered, and
its slots come free as its children end; nothing that runs is stopped.

A pool that takes the place of one that died does not know what runs. It gives out nothing before every parent that
lived then has told it, or has gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Final

from actors.endings import Endings
from actors.executors.work import Executor, Work
from actors.fair_parts import Wish, fair_parts
from actors.hungry import Hungry, Rank
from actors.messages import (
    Allotment,
    AttemptsEnded,
    Echo,
    Hand,
    ParentLeft,
    Rotate,
    Share,
    StopAttempts,
    Tick,
    ToParent,
    Whereabouts,
)
from actors.runtime import Address, Begin, OnDeath, Ref, Runtime, RuntimeActor, tell

SLICE_SECONDS: Final = 0.1
"""How long a parent's turn lasts, where there are fewer slots than parents that wait."""
LOWER_SECONDS: Final = 0.01
"""How long a parent may hold more than its part of the slots, where others have less of theirs."""
SLICE_PARENTS: Final = 1_000
"""How many parents make a slice longer by as much again: seeing to all of them takes its time."""
AT_ONCE_MAX: Final = 64
"""Among how many parents parts are worked out anew whenever a slot comes free, not only once in a slice."""
LOOK_SECONDS: Final = 1.0
"""How often the pool looks whether somebody left without a word."""


class _Holding:
    """One parent's part of the pool."""

    __slots__ = (
        *("arrived", "endings", "had", "hand_outs", "number", "part", "priority", "ref"),
        *("reserved", "sequence", "target", "used", "wanted", "weight"),
    )

    def __init__(self, share: Share, supervisor: Address, arrived: int, had: float) -> None:
        self.belong_to(share, supervisor)
        self.arrived = arrived
        self.had = had
        """How long it has held slots while others waited, divided by its weight; a newcomer has had what others had."""
        self.weight = share.weight
        self.priority = share.priority
        self.part = 1
        """Its fair part, as it was worked out last: whoever is new is to have a slot before others have another one."""
        self.wanted = 0
        self.used = 0
        self.target = 0
        """What it was told it has."""
        self.number = share.seen
        """The number of that allotment; it goes on from the latest one that the parent has seen."""
        self.reserved = 0
        """What is taken from the pool for it."""

    def belong_to(self, share: Share, supervisor: Address) -> None:
        """Go over to the incarnation of the parent that says this."""
        self.ref = share.ref
        self.endings = Endings(partial(_announce, share.parent_id, share.ref, supervisor))
        self.sequence = 0
        """The number of its latest share."""
        self.hand_outs = share.handed
        """The number of its latest hand-out."""

    @property
    def rank(self) -> Rank:
        """When it is served, next to others that wait: the smallest rank comes first."""
        return (-self.priority, self.target >= self.part, self.target / self.weight, self.had, self.arrived)


def _announce(parent_id: str, ref: Ref, supervisor: Address, endings: Endings) -> None:
    """Tell a parent of endings. One that is over and has gone is brought to life for a late one."""
    ended = AttemptsEnded(endings)
    if not tell(ref, ended) and endings.late:
        supervisor.tell(ToParent(parent_id, ended))


class PoolActor(RuntimeActor):
    """Caps concurrency over all parents; each parent's own cap is held by its `decide`."""

    lane: ClassVar[str] = "core"

    def __init__(
        self,
        runtime: Runtime,
        on_death: OnDeath,
        max_workers: int,
        executor_for: Callable[[str], Executor],
        executors: Mapping[str, Executor],
        supervisor: Address,
        heirs: Mapping[str, Ref],
    ) -> None:
        """`heirs` are the parents that live already, where this is not the first pool: their children may run."""
        super().__init__(runtime, on_death)
        self._supervisor = supervisor
        self._unheard = dict(heirs)
        self._free = max_workers
        self._max_workers = max_workers
        self._executor_for = executor_for
        self._executors = executors
        self._in_use = {id(executor): executor for executor in executors.values()} if heirs else {}
        """Those that were given work, by us or by the pool before."""
        self._holdings: dict[str, _Holding] = {}
        self._parted: dict[str, tuple[Ref, int, int]] = {}
        """Of parents that want nothing now: who they are, and the numbers of their latest share and hand-out."""
        self._hungry = Hungry()
        self._arrivals = 0
        self._stale = False
        """Whether the parts were worked out before somebody came, left, or wanted something else."""
        self._uneven = False
        """Whether somebody may have more than its part, or its turn."""
        self._rotating = False
        self._sliced_at = runtime.monotonic() - SLICE_SECONDS
        self._least_had: dict[int, float] = {}
        """Of each priority, how long the one has held slots that has done so for the shortest time."""

    def on_receive(self, message: object) -> None:
        """Handle one message."""
        if isinstance(message, Hand):
            self._hand(message)
        elif isinstance(message, Share):
            self._share(message)
        elif isinstance(message, StopAttempts):
            for executor in self._executors.values():
                executor.cancel(message.keys, reason=message.reason)
        elif isinstance(message, ParentLeft):
            self._leave(message)
        elif isinstance(message, Echo):
            tell(message.ref, message.message)
        elif message is Rotate:
            self._rotate()
        elif message is Tick or message is Begin:
            self._look()

    # Work

    def _hand(self, message: Hand) -> None:
        if message.forget:
            for executor in self._in_use.values():
                executor.forget(message.forget)
        holding = self._holdings.get(message.parent_id)
        if holding is None or holding.ref is not message.ref:
            return  # whoever has work has a share in the pool; what is too late is handed out again
        if message.again:
            holding.endings.tell_again()
        if message.sequence > holding.hand_outs:
            holding.hand_outs = message.sequence
            self._submit(message.run, holding.endings)

    def _submit(self, run: Sequence[Work], endings: Endings) -> None:
        executors: dict[str, Executor] = {}
        by_executor: dict[int, list[Work]] = {}
        for work in run:
            executor = executors.get(work.task)
            if executor is None:
                executor = executors[work.task] = self._executor_for(work.task)
                self._in_use[id(executor)] = executor
            by_executor.setdefault(id(executor), []).append(work)
        for number, works in by_executor.items():
            self._in_use[number].submit(works, endings.put, endings.hear)

    # Slots

    def _share(self, share: Share) -> None:
        if not share.ref.is_alive():
            return  # it came too late
        self._unheard.pop(share.parent_id, None)
        holding = self._holdings.get(share.parent_id)
        if holding is None:
            if share.wanted == 0 or self._said_before(share):
                self._distribute()
                return
            holding = self._holdings[share.parent_id] = self._inherit(share)
        elif holding.ref is not share.ref:  # a new incarnation of the parent, which knows of no allotment yet
            holding.belong_to(share, self._supervisor)
            self._announce(holding)
        if share.sequence <= holding.sequence:
            return
        self._take_note(holding, share)
        if holding.wanted < holding.target:
            holding.target = holding.wanted
            if share.seen != holding.number:  # it has yet to hear of more slots than it wants
                self._announce(holding)
        elif share.again and (share.seen != holding.number or share.held < holding.target):
            self._announce(holding)  # it never heard of them, or we never heard that it gave them up
        self._free_unused(share, holding)
        self._distribute()

    def _take_note(self, holding: _Holding, share: Share) -> None:
        """Keep what a parent says of itself."""
        most = self._max_workers  # what is wanted beyond that makes no difference
        if min(share.wanted, most) != min(holding.wanted, most) or share.weight != holding.weight:
            self._stale = True
        if share.priority != holding.priority:
            self._stale = True
            holding.had = self._least_had.get(share.priority, 0.0)
        holding.sequence, holding.wanted, holding.used = share.sequence, share.wanted, share.used
        holding.weight, holding.priority = share.weight, share.priority

    def _said_before(self, share: Share) -> bool:
        """Whether a parent has said something else since, and wants nothing now: this came late."""
        ref, sequence, _ = self._parted.get(share.parent_id, (None, 0, 0))
        return ref is share.ref and share.sequence <= sequence

    def _inherit(self, share: Share) -> _Holding:
        """Take note of a parent that is new to us; it may have slots from a pool before."""
        self._arrivals += 1
        self._stale = True
        holding = _Holding(share, self._supervisor, self._arrivals, self._least_had.get(share.priority, 0.0))
        ref, sequence, hand_outs = self._parted.pop(share.parent_id, (None, 0, 0))
        if ref is share.ref:
            holding.sequence, holding.hand_outs = sequence, max(hand_outs, holding.hand_outs)
        holding.target = min(share.held, share.wanted)
        holding.reserved = max(holding.target, share.used)
        self._free -= holding.reserved
        return holding

    def _free_unused(self, share: Share, holding: _Holding) -> None:
        """Take back what the parent does not use, once it knows that it may not."""
        if share.seen == holding.number:
            reserved = max(holding.target, holding.used)
            self._free += holding.reserved - reserved
            holding.reserved = reserved
        if holding.wanted > holding.target:
            self._hungry.put(share.parent_id, holding.rank)
        else:
            self._hungry.discard(share.parent_id)
        if holding.wanted == 0 and holding.reserved == 0:
            self._drop(share.parent_id)

    def _leave(self, message: ParentLeft) -> None:
        """Take back what a parent had that will not come back. Another actor of it may have come meanwhile."""
        if self._unheard.get(message.parent_id) is message.ref:
            del self._unheard[message.parent_id]
        holding = self._holdings.get(message.parent_id)
        if holding is not None and holding.ref is message.ref:
            self._drop(message.parent_id)
        if self._parted.get(message.parent_id, (None,))[0] is message.ref:
            del self._parted[message.parent_id]
        self._distribute()

    def _look(self) -> None:
        """Ask about those who are dead, and may have left without our hearing of it."""
        self.runtime.tell_later(LOOK_SECONDS, self.actor_ref, Tick)
        refs = {parent_id: holding.ref for parent_id, holding in self._holdings.items()}
        self._parted = {parent_id: parted for parent_id, parted in self._parted.items() if parted[0].is_alive()}
        for parent_id, ref in (self._unheard | refs).items():
            if not ref.is_alive():
                self._supervisor.tell(Whereabouts(parent_id, ref))

    def _drop(self, parent_id: str) -> None:
        holding = self._holdings.pop(parent_id, None)
        if holding is not None:
            self._parted[parent_id] = (holding.ref, holding.sequence, holding.hand_outs)
            self._stale = True
            self._free += holding.reserved
            self._hungry.discard(parent_id)

    def _distribute(self) -> None:
        """Give free slots to those who wait: first to those who have less than their part."""
        while self._free > 0 and self._hungry and not self._unheard:
            if self._stale and len(self._hungry) > 1 and len(self._holdings) <= AT_ONCE_MAX:
                self._reckon()
            parent_id = self._hungry.pop()
            holding = self._holdings[parent_id]
            slots = wanting = holding.wanted - holding.target
            if self._hungry:
                lacking = holding.part - holding.target
                slots = lacking if lacking > 0 else max(1, self._free // (len(self._hungry) + 1))
            self._grant(holding, min(wanting, slots, self._free))
            if holding.target < holding.wanted:
                self._hungry.put(parent_id, holding.rank)
        if self._hungry and not self._rotating and len(self._holdings) > 1 and (self._stale or self._uneven):
            self._rotating = True
            wait = self._sliced_at + self._slice_seconds() - self.runtime.monotonic()
            self.runtime.tell_later(max(0.0, wait), self.actor_ref, Rotate)

    def _grant(self, holding: _Holding, slots: int) -> None:
        holding.target += slots
        fresh = max(0, holding.target - holding.reserved)
        self._free -= fresh
        holding.reserved += fresh
        self._announce(holding)

    def _announce(self, holding: _Holding) -> None:
        holding.number += 1
        tell(holding.ref, Allotment(holding.target, holding.number, self.actor_ref))

    def _reckon(self) -> None:
        """Work out everybody's part anew."""
        holdings = self._holdings.values()
        wishes = [Wish(holding.wanted, holding.weight, holding.priority, holding.had) for holding in holdings]
        parts = fair_parts(self._max_workers, wishes)
        for holding, part in zip(holdings, parts.slots, strict=True):
            holding.part = part
        for parent_id in list(self._hungry):
            self._hungry.put(parent_id, self._holdings[parent_id].rank)
        self._stale = False
        self._uneven = parts.turns or any(holding.target > holding.part for holding in holdings)

    def _slice_seconds(self) -> float:
        if self._stale and len(self._holdings) <= AT_ONCE_MAX:
            return LOWER_SECONDS
        return SLICE_SECONDS * (1 + len(self._holdings) // SLICE_PARENTS)

    def _rotate(self) -> None:
        """Where some have less than their part, lower the allotments of those who have more."""
        self._rotating = False
        now = self.runtime.monotonic()
        elapsed, self._sliced_at = min(now - self._sliced_at, SLICE_SECONDS), now
        least: dict[int, float] = {}
        for holding in self._holdings.values():
            holding.had += elapsed * holding.reserved / holding.weight
            least[holding.priority] = min(holding.had, least.get(holding.priority, holding.had))
        self._least_had = least
        if not self._hungry or self._unheard:
            return
        self._reckon()
        for parent_id, holding in self._holdings.items():
            if holding.target > holding.part:
                holding.target = holding.part
                self._announce(holding)
                self._hungry.put(parent_id, holding.rank)
        self._distribute()
