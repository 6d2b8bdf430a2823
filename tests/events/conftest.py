"""A profile for long runs: `pytest tests/events/test_stateful.py --timeout 0 --hypothesis-profile events-long`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("events-long", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
