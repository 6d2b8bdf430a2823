"""The worker pool: how many children may run at a time over all parents, who is next, and hand-out to executors.

A parent says how many slots it could use (`Share`) and is told how many it has (`Allotment`). Allotments never add
up to more than the pool has. One that was lowered frees its slots only when the parent has seen it and says how
many it still uses, so at no instant, and at no prefix of the log, are more children started than there are slots.
Both messages tell levels, not differences: a lost or doubled one does no harm.

A pool that takes the place of one that died does not know what runs. It gives out nothing before every parent that
lived then has told it, or has gone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from actors.endings import Endings
from actors.executors.work import Executor, Work
from actors.messages import (
    Allotment,
    AttemptsEnded,
    Hand,
    ParentLeft,
    Rotate,
    Share,
    StopAttempts,
    Tick,
    Whereabouts,
)
from actors.runtime import Address, Begin, OnDeath, Ref, Runtime, RuntimeActor, tell

SLICE_SECONDS: Final = 0.1
"""How long a parent may hold its slots while others have none."""
LOOK_SECONDS: Final = 1.0
"""How often the pool looks whether somebody left without a word."""


class _Holding:
    """One parent's part of the pool."""

    __slots__ = ("endings", "hand_outs", "number", "ref", "reserved", "sequence", "target", "used", "wanted")

    def __init__(self, share: Share) -> None:
        self.belong_to(share)
        self.wanted = 0
        self.used = 0
        self.target = 0
        """What it was told it has."""
        self.number = share.seen
        """The number of that allotment; it goes on from the latest one that the parent has seen."""
        self.reserved = 0
        """What is taken from the pool for it."""

    def belong_to(self, share: Share) -> None:
        """Go over to the incarnation of the parent that says this."""
        ref = self.ref = share.ref
        self.endings = Endings(lambda endings: tell(ref, AttemptsEnded(endings)))
        self.sequence = 0
        """The number of its latest share."""
        self.hand_outs = share.handed
        """The number of its latest hand-out."""


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
        self._holdings: dict[str, _Holding] = {}
        self._hungry: OrderedDict[str, None] = OrderedDict()
        self._rotating = False

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
        elif message is Rotate:
            self._rotate()
        elif message is Tick or message is Begin:
            self._look()

    # Work

    def _hand(self, message: Hand) -> None:
        if message.forget:
            for executor in self._executors.values():
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
        by_executor: dict[int, tuple[Executor, list[Work]]] = {}
        for work in run:
            executor = self._executor_for(work.task)
            by_executor.setdefault(id(executor), (executor, []))[1].append(work)
        for executor, works in by_executor.values():
            executor.submit(works, endings.put, endings.hear)

    # Slots

    def _share(self, share: Share) -> None:
        if not share.ref.is_alive():
            return  # it came too late
        self._unheard.pop(share.parent_id, None)
        holding = self._holdings.get(share.parent_id)
        if holding is None:
            if share.wanted == 0:
                self._distribute()
                return
            holding = self._holdings[share.parent_id] = self._inherit(share)
        elif holding.ref is not share.ref:  # a new incarnation of the parent, which knows of no allotment yet
            holding.belong_to(share)
            self._announce(holding)
        if share.sequence <= holding.sequence:
            return
        holding.sequence, holding.wanted, holding.used = share.sequence, share.wanted, share.used
        if holding.wanted < holding.target:
            holding.target = holding.wanted
            if share.seen != holding.number:  # it has yet to hear of more slots than it wants
                self._announce(holding)
        elif share.again and (share.seen != holding.number or share.held < holding.target):
            self._announce(holding)  # it never heard of them, or we never heard that it gave them up
        self._free_unused(share, holding)
        self._distribute()

    def _inherit(self, share: Share) -> _Holding:
        """Take note of a parent that is new to us; it may have slots from a pool before."""
        holding = _Holding(share)
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
            self._hungry.setdefault(share.parent_id)
        else:
            self._hungry.pop(share.parent_id, None)
        if holding.wanted == 0 and holding.reserved == 0:
            self._drop(share.parent_id)

    def _leave(self, message: ParentLeft) -> None:
        """Take back what a parent had that will not come back. Another actor of it may have come meanwhile."""
        if self._unheard.get(message.parent_id) is message.ref:
            del self._unheard[message.parent_id]
        holding = self._holdings.get(message.parent_id)
        if holding is not None and holding.ref is message.ref:
            self._drop(message.parent_id)
        self._distribute()

    def _look(self) -> None:
        """Ask about those who are dead, and may have left without our hearing of it."""
        self.runtime.tell_later(LOOK_SECONDS, self.actor_ref, Tick)
        refs = {parent_id: holding.ref for parent_id, holding in self._holdings.items()}
        for parent_id, ref in (self._unheard | refs).items():
            if not ref.is_alive():
                self._supervisor.tell(Whereabouts(parent_id, ref))

    def _drop(self, parent_id: str) -> None:
        holding = self._holdings.pop(parent_id, None)
        if holding is not None:
            self._free += holding.reserved
            self._hungry.pop(parent_id, None)

    def _distribute(self) -> None:
        """Give free slots to those who wait, in turn, a fair part at a time."""
        while self._free > 0 and self._hungry and not self._unheard:
            parent_id, _ = self._hungry.popitem(last=False)
            holding = self._holdings[parent_id]
            part = max(1, self._free // (len(self._hungry) + 1))
            self._grant(holding, min(holding.wanted - holding.target, part))
            if holding.target < holding.wanted:
                self._hungry[parent_id] = None
        if self._hungry and not self._rotating:
            self._rotating = True
            self.runtime.tell_later(SLICE_SECONDS, self.actor_ref, Rotate)

    def _grant(self, holding: _Holding, slots: int) -> None:
        holding.target += slots
        fresh = max(0, holding.target - holding.reserved)
        self._free -= fresh
        holding.reserved += fresh
        self._announce(holding)

    def _announce(self, holding: _Holding) -> None:
        holding.number += 1
        tell(holding.ref, Allotment(holding.target, holding.number, self.actor_ref))

    def _rotate(self) -> None:
        """Where parents wait without any slot, lower the allotments of those who have had theirs for a while."""
        starving = sum(1 for parent_id in self._hungry if self._holdings[parent_id].target == 0)
        if not starving:
            self._rotating = False
            return
        self.runtime.tell_later(SLICE_SECONDS, self.actor_ref, Rotate)
        fair = self._max_workers // len(self._holdings)
        for parent_id, holding in self._holdings.items():
            if starving <= 0:
                break
            if holding.target > fair:
                starving -= holding.target - fair
                holding.target = fair
                self._announce(holding)
                self._hungry.setdefault(parent_id)
