"""What a reader collects, as plain numbers."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from fastapi_hybrid_breaker import Circuit, HybridBreaker
from tests import inside

PREFIX = "circuit_breaker."


class Collected:
    """The points of all metrics at one moment."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self.metrics: dict[str, Any] = {}
        data = reader.get_metrics_data()
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                assert scope.scope.name == "fastapi_hybrid_breaker"
                self.metrics |= {metric.name: metric for metric in scope.metrics}

    def points(self, name: str, **attributes: str) -> list[Any]:
        """The points of a metric with these attributes; their names without the prefix."""
        metric = self.metrics.get(PREFIX + name)
        wanted = {PREFIX + key.replace("__", "."): value for key, value in attributes.items()}
        return [
            point
            for point in ([] if metric is None else metric.data.data_points)
            if wanted.items() <= point.attributes.items()
        ]

    def value(self, name: str, **attributes: str) -> float:
        """The sum of a metric's points with these attributes."""
        return sum(point.value for point in self.points(name, **attributes))

    def durations(self, **attributes: str) -> tuple[int, float]:
        """How many calls were timed, and how long they took together."""
        points = self.points("call.duration", **attributes)
        return sum(point.count for point in points), sum(point.sum for point in points)

    def calls(self, **attributes: str) -> dict[str, float]:
        """The calls by outcome."""
        points = self.points("calls", **attributes)
        found: dict[str, float] = {}
        for point in points:
            outcome = point.attributes[PREFIX + "outcome"]
            found[outcome] = found.get(outcome, 0) + point.value
        return found

    def keys(self, name: str) -> set[str]:
        """The labels of a metric's points."""
        return {point.attributes[PREFIX + "key"] for point in self.points(name)}


def instruments_of(circuit: Circuit) -> Any:
    return inside.observer_of(circuit)._instruments


def labelled_by(breaker: HybridBreaker) -> Any:
    """Return what is remembered of circuits that have a label."""
    observing: Any = inside.registry_of(breaker).made
    return observing.__self__._labels._given
