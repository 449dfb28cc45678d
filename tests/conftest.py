"""Hypothesis for all tests: nothing is timed, so that a busy machine fails no example."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Hypothesis has loaded its profile for CI, or for a developer's machine.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
