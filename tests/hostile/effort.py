"""How much is tried: little every day, a hundred times as much with `--hypothesis-profile hostile-long`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_EVERYDAY = 100
"""How many examples Hypothesis tries unless a profile says otherwise."""


def tries(everyday: int) -> settings:
    """Return settings that try so many examples, and as many times more as the profile in force does."""
    profile = settings.default.max_examples if settings.default is not None else _EVERYDAY
    return settings(
        max_examples=max(1, everyday * profile // _EVERYDAY),
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
