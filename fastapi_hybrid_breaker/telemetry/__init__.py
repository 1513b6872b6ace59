"""Metrics and span events by OpenTelemetry: ``instrument(breaker)``; see docs/telemetry.md.

Needs ``opentelemetry-api``, and its SDK to measure anything: the extra ``otel``.
"""

from __future__ import annotations

from .instrumentation import instrument

__all__ = ["instrument"]
