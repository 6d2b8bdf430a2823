"""Whether a state that was read, and not folded, can be one: its parts must agree with each other.

That is cheap, and far from proof: whoever forges a whole state with care is found by folding the record alone.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from events.state import ChildState, ParentState
from events.strategy import OUTCOMES

_COUNTS: Final = (
    *("total", "created", "next_index", "ahead", "running_count", "requeued_count", "nested_running"),
    *("nested_untouched", "nested_requeued", "retries", "redrives", *OUTCOMES),
)


def flaw_of(state: ParentState) -> str | None:
    """Return what rules a state out; None where nothing was found. A glance at each child."""
    if state.origin is None or state.created_at is None or state.max_workers < 1:
        return "it tells of no parent that was created"
    negative = next((name for name in _COUNTS if not 0 <= getattr(state, name) <= state.version), None)
    if negative is not None:
        return f"{negative} is {getattr(state, negative)} at version {state.version}"
    if not state.next_index <= state.created <= state.total or state.ahead > state.total - state.next_index:
        return f"{state.next_index} of {state.created} of {state.total} children have been started"
    if state.settled and (state.decision is None or state.ended != state.total):
        return "it is settled, and not over"
    if state.redacted and not state.settled:
        return "it is redacted, and not settled"
    return _flaw_of_children(state) or _flaw_of_queues(state)


def _flaw_of_children(state: ParentState) -> str | None:
    children = dict(state.children.items())
    if len(children) != state.total:
        return f"it has {len(children)} children, and says {state.total}"
    if any(place != child.place for place, child in enumerate(children.values())):
        return "its children are not where they should be"
    phases = Counter(child.phase for child in children.values())
    for phase in OUTCOMES:
        if phases[phase] != getattr(state, phase):
            return f"{phases[phase]} children are {phase}, and it says {getattr(state, phase)}"
    if phases["running"] != state.running_count:
        return f"{phases['running']} children are running, and it says {state.running_count}"
    lost = next((child_id for child_id, child in children.items() if not _is_complete(child)), None)
    return None if lost is None else f"child {lost!r} has nothing to do"


def _is_complete(child: ChildState) -> bool:
    """Whether it is known what a child is to do, as long as anybody may ask."""
    return child.prepared is not None or child.phase == "succeeded"


def _flaw_of_queues(state: ParentState) -> str | None:
    children = state.children
    if len(state.running) != state.running_count or len(state.requeued) != state.requeued_count:
        return f"it counts {state.running_count} running and {state.requeued_count} waiting children, and names others"
    for what, phase, table in (
        ("runs", "running", state.running),
        ("waits", "waiting", state.requeued),
    ):
        for child_id in table:
            child = children.get(child_id)
            if child is None or child.phase != phase:
                return f"child {child_id!r} {what}, and is not {phase}"
    for child_id in (*state.asked_to_stop, *(child_id for child_id, _ in state.late)):
        if child_id not in children:
            return f"there is no child {child_id!r}"
    return None
