"""The names of tasks that are no functions of the user's, as they stand on record."""

from __future__ import annotations

from typing import Final

NESTED_TASK: Final = "parallel"
"""The task of a child that is itself a parent. Its input is that parent; see `events.nested`."""
