"""Ending it, and beginning again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from opentelemetry.sdk.metrics import MeterProvider

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker, SlowCallRate, TimeWindow
from fastapi_hybrid_breaker.telemetry import instrument
from tests import inside

from .collected import Collected

Collect = Callable[[], Collected]


def test_it_ends_and_begins_again_without_counting_twice(
    provider: MeterProvider, collect: Collect
) -> None:
    breaker = HybridBreaker(redis=None, circuits={"stock": CircuitConfig()})
    circuit = breaker.circuit("stock")
    undo = instrument(breaker, meter_provider=provider)
    circuit.call_sync(int)
    undo()
    undo()
    circuit.call_sync(int)
    assert type(circuit) is Circuit
    assert inside.of(circuit).free_permit is not None
    assert collect().value("calls") == 1
    assert collect().points("state") == []
    undo = instrument(breaker, meter_provider=provider)
    circuit.call_sync(int)
    assert collect().value("calls") == 2
    assert collect().value("state", state="closed") == 1
    undo()


def test_twice_at_once_is_an_error(breaker: HybridBreaker) -> None:
    with pytest.raises(RuntimeError, match="instrumented already"):
        instrument(breaker)


def test_slow_call_rules_are_timed_still(provider: MeterProvider) -> None:
    rule = SlowCallRate(0.5, slower_than=1.0, window=TimeWindow(10.0))
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(trip=rule))
    circuit = breaker.circuit("stock")
    instrument(breaker, meter_provider=provider)()
    assert inside.of(circuit).timed
    assert inside.of(circuit).counts_successes


def test_a_forgotten_breaker_is_collected_with_all_of_it(
    provider: MeterProvider, collect: Collect
) -> None:
    gc.collect()  # those of other tests
    breaker = HybridBreaker(redis=None, circuits={"stock": CircuitConfig()})
    instrument(breaker, meter_provider=provider)
    breaker.circuit("stock").call_sync(int)
    callbacks = len(gc.callbacks)
    alive = weakref.ref(breaker)
    del breaker
    gc.collect()
    assert alive() is None
    assert len(gc.callbacks) == callbacks - 1
    assert collect().points("state") == []
