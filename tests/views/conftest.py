"""A profile for long runs: `pytest tests/views/test_every_position.py --timeout 0 --hypothesis-profile views-long`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("views-long", max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
