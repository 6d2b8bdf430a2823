"""Bugs to plant, one at a time: each a few words of the source replaced by others, that the simulator must find."""

from __future__ import annotations

from typing import Final, NamedTuple


class Edit(NamedTuple):
    """Some text of a module, which stands there once, and what it is replaced by."""

    module: str
    old: str
    new: str


class Bug(NamedTuple):
    """A mistake somebody might make."""

    what: str
    edits: tuple[Edit, ...]
    world: str = "plain"
    """On which kind of machine it is looked for: see `WORLDS`."""


def bug(what: str, *edits: str, world: str = "plain") -> Bug:
    """Return a mistake; edits are module, old text, new text, again and again."""
    return Bug(what, tuple(Edit(*edits[start : start + 3]) for start in range(0, len(edits), 3)), world)


_RULE: Final = {
    "threshold-off-by-one": bug(
        "one success more than required is waited for",
        "events.strategy",
        "tally.succeeded >= required and",
        "tally.succeeded > required and",
    ),
    "gives-up-too-early": bug(
        "failed although the open children could still make it",
        "events.strategy",
        "tally.total - tally.failed < required",
        "tally.total - tally.failed <= required",
    ),
    "failures-off-by-one": bug(
        "one failure fewer is allowed",
        "events.strategy",
        "return tally.failed > strategy.max_failures",
        "return tally.failed >= strategy.max_failures",
    ),
    "percent-rounded-down": bug(
        "66.7 % of 5 children are 3",
        "events.strategy",
        "return ceil(total * Fraction(str(percent)) / 100)",
        "return int(total * Fraction(str(percent)) / 100)",
    ),
    "decision-flips": bug(
        "late children change the status of a decided parent",
        "events.strategy",
        "if tally.decided is not None:",
        "if tally.decided in ('cancelled', 'timed_out'):",
    ),
    "succeeds-while-open": bug(
        "all succeeded, though children may still be added",
        "events.strategy",
        "not (tally.open_membership and strategy.waits_for_membership())",
        "True",
    ),
}

_CORE: Final = {
    "late-ending-counts": bug(
        "the ending of an earlier attempt ends a later one",
        "events.decide_attempts",
        """    if child is None or child.phase != "running" or child.attempts != command.attempt:
        return
    if command.outcome""",
        """    if child is None or child.phase != "running":
        return
    if command.outcome""",
    ),
    "retries-while-halting": bug(
        "a failed child is to run again though the parent is over",
        "events.decide_attempts",
        'in ("failed", "timed_out") and not state.halting and _may_retry(',
        'in ("failed", "timed_out") and _may_retry(',
    ),
    "one-retry-too-many": bug(
        "max_attempts are exceeded by one",
        "events.decide_attempts",
        "if child.failures + 1 >= (",
        "if child.failures + 1 > (",
    ),
    "failures-forgotten": bug(
        "a retry does not count the failure before it",
        "events.evolve",
        "failures=child.failures + 1,",
        "failures=child.failures,",
    ),
    "failing-retry-decides": bug(
        "a failure that will be retried counts as one for good",
        "events.decide_attempts",
        "        return\n    _finish_child(draft, command, child_id, command.attempt)",
        "    _finish_child(draft, command, child_id, command.attempt)",
    ),
    "lost-runs-again": bug(
        "on_lost='fail' is not looked at",
        "events.decide_attempts",
        "elif limits.fail_when_lost:",
        "elif limits.fail_when_lost and state.halting:",
    ),
    "takeover-keeps-running": bug(
        "who takes over believes that the old owner's children run",
        "events.decide_parent",
        "    _lose_all(draft, command.at, command.reason)\n    for",
        "    for",
    ),
    "release-keeps-running": bug(
        "who lets go forgets that children run",
        "events.decide_parent",
        "        _lose_all(draft, command.at, command.reason)\n        draft.emit(OwnershipReleased",
        "        draft.emit(OwnershipReleased",
    ),
    "epoch-forgotten": bug(
        "a takeover does not begin a new epoch",
        "events.decide_parent",
        "epoch=draft.state.epoch + 1",
        "epoch=draft.state.epoch or 1",
    ),
    "tried-ends-skipped": bug(
        "a child that was tried is skipped instead of cancelled",
        "events.decide_children",
        'outcome: Outcome = "cancelled" if attempts else "skipped"',
        'outcome: Outcome = "skipped"',
    ),
    "settles-too-early": bug(
        "settled with one child open",
        "events.draft",
        "state.membership_closed and state.ended == state.total",
        "state.membership_closed and state.ended >= state.total - 1",
    ),
    "membership-left-open": bug(
        "a parent that starts no more stays open for children",
        "events.draft",
        "if self.state.halting and not self.state.membership_closed:",
        "if self.state.halting and self.state.total == 0:",
    ),
    "place-in-queue-lost": bug(
        "after children that ended out of order the next one is not found",
        "events.evolve",
        "    while ahead and not",
        "    if ahead and not",
    ),
    "slots-off-by-one": bug(
        "a parent wants one slot more than it may use",
        "events.frontier",
        "places = max(0, state.max_workers - state.running_count)",
        "places = max(0, state.max_workers + 1 - state.running_count)",
    ),
}

_PARENT: Final = {
    "acts-before-append": bug(
        "work is handed out before its start is on record",
        "actors.parent",
        "            self._append(self._in_flight)",
        "            mine = self._turns.mine(turn.state)\n"
        "            self._effects.cause(turn.facts, turn.state, self._position, endings, mine=mine)\n"
        "            self._append(self._in_flight)",
    ),
    "answers-before-append": bug(
        "whoever asked is answered before that is on record",
        "actors.parent",
        "            self._append(self._in_flight)",
        "            answer(accepted, turn.state)\n            self._append(self._in_flight)",
    ),
    "counts-instead-of-claiming": bug(
        "starts are counted from what was last on record, and not claimed by it",
        "actors.turns",
        "places = state.max_workers - state.running_count",
        "places = self._slots.allotment",
        "actors.turns",
        "leaves = self._slots.allotment - state.leaves_running",
        "leaves = self._slots.allotment",
        "events.decide_attempts",
        "        or state.running_count >= state.max_workers\n",
        "",
    ),
    "old-owner-goes-on": bug(
        "who has lost a parent works on it all the same",
        "actors.turns",
        "return working and state.owner == self._surroundings.owner",
        "return working",
    ),
    "living-owner-robbed": bug(
        "nobody asks whether the owner lives",
        "actors.claiming",
        "    return around.owner_alive(owner)\n",
        "    return False\n",
    ),
    "timer-lost-on-restart": bug(
        "children that wait for a retry are forgotten by a restart",
        "actors.effects",
        "        self.retries.begin(state)\n",
        "",
    ),
    "retry-too-early": bug(
        "a wait is cut short by half",
        "actors.retries",
        "seconds = wait_us * _MICROSECOND",
        "seconds = wait_us * _MICROSECOND / 2",
    ),
    "deadline-forgotten": bug(
        "the parent's own deadline is never set",
        "actors.effects",
        "or state.decision or self._deadline_set == begun_at:",
        "or state.decision or self._deadline_set != begun_at:",
    ),
    "engine-not-told": bug(
        "the engine that started a parent is not told of its end",
        "actors.observers",
        "if state.decision is not None and self._to_tell:",
        "if state.decision is None and self._to_tell:",
    ),
    "flag-left-raised": bug(
        "the second ending of a parent is announced to nobody",
        "actors.endings",
        "        self._told = self.late = False\n        arrived = self._arrived",
        "        self.late = False\n        arrived = self._arrived",
    ),
    "rests-after-append": bug(
        "a free slot waits for the next tick",
        "actors.parent",
        "if self._put_off or self._news or over or may_start:",
        "if self._put_off or self._news:",
    ),
    "conflict-forgets-who-asked": bug(
        "who asked for what met a conflict is never answered",
        "actors.parent",
        "            self._asked[:0] = flight.asked\n",
        "",
    ),
}

_SERVICES: Final = {
    "told-before-append": bug(
        "the journal says that facts are on record before it writes them",
        "actors.journal",
        "        batches = [FactBatch(",
        "        for early in appends:\n"
        "            version = early.expected_version + len(early.facts)\n"
        "            tell(early.ref, Appended(version, self._log.last_position() + len(early.facts)))\n"
        "        batches = [FactBatch(",
    ),
    "version-not-checked": bug(
        "the journal appends at whatever version the stream is",
        "actors.journal",
        "FactBatch(append.parent_id, append.expected_version, append.facts)",
        "FactBatch(append.parent_id, head.version if (head := self._log.head(append.parent_id)) else 0, append.facts)",
    ),
    "last-fact-not-read": bug(
        "the loader stops one fact before the end",
        "events.log.folding",
        "    replay = Replay(log.location, state)\n",
        "    replay, held = Replay(log.location, state), []\n",
        "events.log.folding",
        "            replay.take(record)\n",
        "            for earlier in held:\n                replay.take(earlier)\n            held = [record]\n",
    ),
    "slot-taken-back-early": bug(
        "the pool gives a slot away before the parent has let go of it",
        "actors.pool",
        "if share.seen == holding.number:\n            reserved = max(holding.target, holding.used)",
        "if True:\n            reserved = holding.target",
    ),
    "slot-given-twice": bug(
        "the pool does not note what it gives",
        "actors.pool",
        "        self._free -= fresh\n",
        "",
    ),
    "new-pool-does-not-wait": bug(
        "a new pool gives out slots before it knows who has some",
        "actors.pool",
        "while self._free > 0 and self._hungry and not self._unheard:",
        "while self._free > 0 and self._hungry:",
    ),
    "halted-slots-freed": bug(
        "a halted parent's slots are given away while its children run on record",
        "actors.supervisor",
        "        self._prepare_burial(parent_id, live, error)",
        "        self._surroundings.pool.tell(ParentLeft(parent_id, live.ref))\n"
        "        self._prepare_burial(parent_id, live, error)",
    ),
    "late-hand-out-runs": bug(
        "a hand-out that comes late runs again what is over",
        "actors.pool",
        "if message.sequence > holding.hand_outs:",
        "if message.run:",
    ),
    "lost-allotment-stays-lost": bug(
        "slots that a parent never heard of are not announced again",
        "actors.pool",
        "elif share.again and (",
        "elif False and (",
    ),
    "death-goes-unnoticed": bug(
        "the supervisor trusts that it is told of every death",
        "actors.supervisor",
        "            else:\n                self._parent_died(parent_id, live)",
        "            else:\n                pass",
    ),
    "leftover-slots": bug(
        "a share that comes after its parent's death takes slots for ever",
        "actors.pool",
        "        if not share.ref.is_alive():\n            return  # it came too late\n",
        "",
        "actors.pool",
        "            if not ref.is_alive():\n",
        "            if ref is None:\n",
    ),
}

FIRST: Final = {**_RULE, **_CORE, **_PARENT, **_SERVICES}
