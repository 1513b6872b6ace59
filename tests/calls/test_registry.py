"""Circuits are found or made by key, and bounded in number."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from tests.clock import ManualClock


def bounded(most: int, clock: ManualClock | None = None, **options: Any) -> HybridBreaker:
    clock = clock or ManualClock()
    return HybridBreaker(redis=None, max_circuits=most, clock=clock, **options)


def trip(circuit: Circuit) -> None:
    while circuit.state == "CLOSED":
        circuit.settle(circuit.admit(), Outcome.FAILURE)


def test_50000_distinct_keys_stay_bounded() -> None:
    breaker = bounded(1_000)
    for number in range(50_000):
        breaker.circuit(f"tenant-{number}")
    assert len(list(breaker.circuits())) == 1_000


def test_held_circuit_is_never_replaced() -> None:
    breaker = bounded(10)
    held = breaker.circuit("held")
    for number in range(200):
        breaker.circuit(f"tenant-{number}")
    assert breaker.circuit("held") is held


def test_open_circuit_is_never_forgotten() -> None:
    breaker = bounded(10)
    trip(breaker.circuit("open"))
    for number in range(200):
        breaker.circuit(f"tenant-{number}")
    assert breaker.state("open") == "OPEN"


def test_recently_used_circuit_outlives_idle_ones() -> None:
    breaker = bounded(10)
    breaker.circuit("busy").settle(breaker.circuit("busy").admit(), Outcome.FAILURE)
    for number in range(200):
        breaker.circuit(f"tenant-{number}")
        breaker.circuit("busy")
    assert breaker.stats("busy").failures == 1


def test_when_nothing_can_go_keys_share_one_that_never_rejects(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    breaker = bounded(3, clock)
    held = [breaker.circuit(f"held-{number}") for number in range(3)]
    with caplog.at_level(logging.ERROR, "fastapi_hybrid_breaker"):
        surplus = breaker.circuit("surplus")
        assert breaker.circuit("another") is surplus
    assert surplus.key == "overflow"
    for _ in range(50):
        surplus.settle(surplus.admit(), Outcome.FAILURE)
    assert surplus.state == "CLOSED"
    assert len(caplog.records) == 1
    assert len(list(breaker.circuits())) == 3
    held.clear()
    clock.advance(2)
    assert breaker.circuit("surplus").key == "surplus"


def test_key_heard_of_never_pushes_out_one_used_here() -> None:
    breaker = bounded(2)
    for key in ("a", "b"):
        breaker.circuit(key)
    assert breaker.registry.hear_of("c") is None
    assert breaker.registry.hear_of("a") is breaker.circuit("a")


def test_configuration_by_key_then_pattern_then_default() -> None:
    exact, pattern, default = (CircuitConfig(failure_threshold=n) for n in (2, 3, 4))
    breaker = HybridBreaker(
        redis=None,
        defaults=default,
        circuits={"host:*": pattern, "host:a": exact, "host:b*": exact, "[::1]:*": exact},
    )
    assert breaker.circuit("host:a").config is exact
    assert breaker.circuit("host:b").config is pattern
    assert breaker.circuit("other").config is default
    assert breaker.circuit("[::1]:80").config is exact


def test_another_configuration_for_a_known_key_is_an_error() -> None:
    breaker = bounded(10)
    config = CircuitConfig(failure_threshold=9)
    circuit = breaker.circuit("a", config)
    assert breaker.circuit("a", CircuitConfig(failure_threshold=9)) is circuit
    assert breaker.circuit("a") is circuit
    with pytest.raises(ValueError, match="'a' exists with another configuration"):
        breaker.circuit("a", CircuitConfig(failure_threshold=8))
    with pytest.raises(TypeError, match="config must be a CircuitConfig"):
        breaker.circuit("b", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"circuits\['c'\] must be a CircuitConfig"):
        HybridBreaker(redis=None, circuits={"c": None})  # type: ignore[dict-item]


@pytest.mark.parametrize("most", [0, -1, True, 1.5])
def test_max_circuits_out_of_range_is_refused(most: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="max_circuits must be a whole number"):
        bounded(most)


def test_threads_that_look_up_one_new_key_get_one_object() -> None:
    breaker = bounded(1_000)
    found: list[set[int]] = [set() for _ in range(100)]
    ready = threading.Barrier(8)
    kept: list[Circuit] = []

    def look() -> None:
        ready.wait()
        for number in range(100):
            circuit = breaker.circuit(f"k{number}")
            kept.append(circuit)
            found[number].add(id(circuit))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(ids) == 1 for ids in found)
