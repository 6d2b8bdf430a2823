"""How long anybody waits at a time. Systems refuse waits of centuries, which a timeout may well ask for."""

WAIT_SECONDS_MAX = 3_600.0  # not Final: spawners begin without typing
"""The longest single wait; whoever wakes looks at the clock and goes on waiting."""
