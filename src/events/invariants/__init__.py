"""An independent check of what is on record: every invariant of the contract, at every prefix, one fact at a time.

It serves the tests, the simulator, the campaigns of faults and `audit verify`. It shares no rule with what it checks:
an audit that did would find nothing. See `docs/decisions/0010-an-independent-checker.md`.
"""

from __future__ import annotations

from events.invariants.bounds import LogCheck
from events.invariants.history import HistoryCheck, check_history
from events.invariants.promises import INVARIANTS, Invariant

__all__ = ["INVARIANTS", "HistoryCheck", "Invariant", "LogCheck", "check_history"]
