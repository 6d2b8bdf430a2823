"""The worker pool: how many children may run at a time over all parents, who is next, and hand-out to executors.

A parent says how many slots it could use (`Share`) and is told how many it has (`Allotment`). Allotments never add
up to more than the pool has. One that was lowered frees its slots only when the parent has seen it and says how
many it still uses, so at no instant, and at no prefix of the log, are more children started than there are slots.
Both messages tell levels, not differences: a lost or doubled one does no harm.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final

from actors.endings import Endings
from actors.executors.work import Done, Executor, Work
from actors.messages import Allotment, AttemptsEnded, Hand, ParentHalted, Rotate, Share, StopAttempts
from actors.runtime import OnDeath, Ref, Runtime, RuntimeActor, tell

SLICE_SECONDS: Final = 0.1
"""How long a parent may hold its slots while others have none."""


class _Holding:
    """One parent's part of the pool."""

    __slots__ = ("number", "ref", "reserved", "sequence", "target", "used", "wanted")

    def __init__(self, ref: Ref, seen: int) -> None:
        self.ref = ref
        self.wanted = 0
        self.used = 0
        self.target = 0
        """What it was told it has."""
        self.number = seen
        """The number of that allotment; it goes on from the latest one that the parent has seen."""
        self.sequence = 0
        """The number of its latest share."""
        self.reserved = 0
        """What is taken from the pool for it."""


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
        awaited: Iterable[str] = (),
    ) -> None:
        super().__init__(runtime, on_death)
        self._awaited = set(awaited)
        """Parents that had slots of a pool before this one: until all have said what they use, nobody gets any."""
        self._free = max_workers
        self._max_workers = max_workers
        self._executor_for = executor_for
        self._executors = executors
        self._holdings: dict[str, _Holding] = {}
        self._hungry: OrderedDict[str, None] = OrderedDict()
        self._endings: dict[Ref, Endings] = {}
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
        elif isinstance(message, ParentHalted):
            self._drop(message.parent_id)
            self._hear_of(message.parent_id)
        elif message is Rotate:
            self._rotate()

    # Work

    def _hand(self, message: Hand) -> None:
        if message.forget:
            for executor in self._executors.values():
                executor.forget(message.forget)
        if not message.run:
            return
        by_executor: dict[int, tuple[Executor, list[Work]]] = {}
        for work in message.run:
            executor = self._executor_for(work.task)
            by_executor.setdefault(id(executor), (executor, []))[1].append(work)
        for executor, works in by_executor.values():
            executor.submit(works, self._done_for(message.ref))

    def _done_for(self, ref: Ref) -> Done:
        endings = self._endings.get(ref)
        if endings is None:
            endings = self._endings[ref] = Endings(lambda endings: tell(ref, AttemptsEnded(endings)))
        return endings.put

    # Slots

    def _hear_of(self, parent_id: str) -> None:
        """Note that a parent has said what it uses, or is gone."""
        if parent_id in self._awaited:
            self._awaited.discard(parent_id)
            self._distribute()

    def _share(self, share: Share) -> None:
        self._take_share(share)
        self._hear_of(share.parent_id)

    def _take_share(self, share: Share) -> None:
        holding = self._holdings.get(share.parent_id)
        if holding is None:
            if share.wanted == 0:
                return
            holding = self._holdings[share.parent_id] = _Holding(share.ref, share.seen)
        elif holding.ref is not share.ref:  # a new incarnation of the parent, which knows of no allotment yet
            self._endings.pop(holding.ref, None)
            holding.ref, holding.sequence = share.ref, 0
            self._announce(holding)
        if share.sequence <= holding.sequence:
            return
        holding.sequence, holding.wanted, holding.used = share.sequence, share.wanted, share.used
        if holding.wanted < holding.target:
            holding.target = holding.wanted
            if share.seen != holding.number:  # it has yet to hear of more slots than it wants
                self._announce(holding)
        self._free_unused(share, holding)
        self._distribute()

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

    def _drop(self, parent_id: str) -> None:
        holding = self._holdings.pop(parent_id, None)
        if holding is not None:
            self._free += holding.reserved
            self._endings.pop(holding.ref, None)
            self._hungry.pop(parent_id, None)

    def _distribute(self) -> None:
        """Give free slots to those who wait, in turn, a fair part at a time."""
        if self._awaited:
            return
        while self._free > 0 and self._hungry:
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
        tell(holding.ref, Allotment(holding.target, holding.number))

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
