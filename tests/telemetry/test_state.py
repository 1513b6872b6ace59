"""The state of each circuit, its changes, and operators' overrides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fastapi_hybrid_breaker import Circuit, HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.circuits.parts import trip

from .collected import Collected

Collect = Callable[[], Collected]


def states(collected: Collected, key: str) -> dict[str, float]:
    points = collected.points("state", key=key)
    return {point.attributes["circuit_breaker.state"]: point.value for point in points}


def test_one_series_for_each_state_is_1_for_that_in_force(
    circuit: Circuit, clock: ManualClock, collect: Collect
) -> None:
    assert states(collect(), "stock") == {"closed": 1, "open": 0, "half_open": 0}
    trip(circuit)
    assert states(collect(), "stock") == {"closed": 0, "open": 1, "half_open": 0}
    clock.advance(10.0)
    with circuit.guard():
        assert states(collect(), "stock") == {"closed": 0, "open": 0, "half_open": 1}
    assert states(collect(), "stock") == {"closed": 1, "open": 0, "half_open": 0}


def test_an_open_circuit_that_nobody_calls_is_not_open_in_metrics(
    circuit: Circuit, clock: ManualClock, collect: Collect
) -> None:
    trip(circuit)
    clock.advance(10.0)
    idle = {"closed": 0, "open": 0, "half_open": 0, "ready_to_probe": 1}
    assert states(collect(), "stock") == idle
    circuit.call_sync(int)
    assert states(collect(), "stock") == {**idle, "ready_to_probe": 0, "closed": 1}


def test_a_circuit_that_keeps_failing_is_counted_until_it_succeeds(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock, collect: Collect
) -> None:
    trip(breaker.circuit("host:well"))

    def fail_a_probe() -> float:
        clock.advance(600.0)
        with pytest.raises(ZeroDivisionError):
            circuit.call_sync(lambda: 1 // 0)
        return collect().value("reopened", key="stock")

    trip(circuit)
    assert [fail_a_probe(), fail_a_probe()] == [0, 1]
    clock.advance(3000.0)
    assert collect().value("reopened", key="stock") == 1
    clock.advance(1.0)
    assert collect().value("reopened", key="stock") == 0
    assert fail_a_probe() == 0  # the one before was over an hour ago
    assert fail_a_probe() == 1
    clock.advance(600.0)
    circuit.call_sync(int)
    assert collect().value("reopened") == 0


def test_a_declared_circuit_has_a_state_before_its_first_call(
    breaker: HybridBreaker, collect: Collect
) -> None:
    assert len(inside.registry_of(breaker)) == 0
    assert states(collect(), "stock") == {"closed": 1, "open": 0, "half_open": 0}
    assert len(inside.registry_of(breaker)) == 0


def test_circuits_of_one_label_are_counted_together(
    breaker: HybridBreaker, collect: Collect
) -> None:
    for name in "abc":
        breaker.circuit(f"host:{name}")
    trip(breaker.circuit("host:b"))
    assert states(collect(), "host:*") == {"closed": 2, "open": 1, "half_open": 0}


def test_changes_count_by_cause_with_the_states_before_and_after(
    circuit: Circuit, clock: ManualClock, collect: Collect
) -> None:
    for _ in range(2):
        trip(circuit)
        clock.advance(10.0)
        circuit.call_sync(int)
    found = collect()
    opened = found.points("changes", change__cause="failures", key="stock")
    assert [point.value for point in opened] == [2]
    assert opened[0].attributes["circuit_breaker.change.old"] == "closed"
    assert opened[0].attributes["circuit_breaker.change.new"] == "open"
    assert found.value("changes", change__cause="timeout", change__new="half_open") == 2
    assert found.value("changes", change__cause="probes_succeeded") == 2


async def test_an_override_shows_in_the_state_and_by_its_kind(
    circuit: Circuit, clock: ManualClock, collect: Collect
) -> None:
    assert collect().points("override.count") == []
    await circuit.override("forced_open", by="ann", reason="a test", seconds=60.0)
    assert states(collect(), "stock")["open"] == 1
    assert collect().value("override.count", key="stock", override__kind="forced_open") == 1
    clock.advance(61.0)
    assert states(collect(), "stock")["closed"] == 1
    assert collect().points("override.count") == []
    trip(circuit)
    await circuit.override("disabled", by="ann", reason="a test", seconds=None)
    assert states(collect(), "stock")["closed"] == 1
    assert collect().value("override.count", override__kind="disabled") == 1
    await circuit.clear_override()
    assert states(collect(), "stock")["open"] == 1


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("state", "{circuit}"),
        ("calls", "{call}"),
        ("call.duration", "s"),
        ("rejections", "{call}"),
        ("changes", "{change}"),
    ],
)
def test_units_are_those_of_the_conventions(
    circuit: Circuit, collect: Collect, name: str, unit: str
) -> None:
    trip(circuit)
    with pytest.raises(Exception, match="OPEN"):
        circuit.call_sync(int)
    assert collect().metrics[f"circuit_breaker.{name}"].unit == unit


def test_buckets_are_in_seconds(circuit: Circuit, collect: Collect) -> None:
    circuit.call_sync(int)
    (point,) = collect().points("call.duration")
    assert point.explicit_bounds[0] == 0.005
    assert point.explicit_bounds[-1] == 10.0


def test_the_namespace_tells_breakers_apart(provider: object, collect: Collect) -> None:
    breakers = [HybridBreaker(redis=None, namespace=name) for name in ("orders", "billing")]
    undo = [
        instrument(breaker, meter_provider=provider, key=lambda key: key)  # type: ignore[arg-type]
        for breaker in breakers
    ]
    for breaker in breakers:
        breaker.circuit("db").call_sync(int)
    trip(breakers[0].circuit("db"))
    found = collect()
    assert found.value("calls", namespace="billing") == 1
    assert found.value("state", namespace="orders", state="open") == 1
    assert found.value("state", namespace="billing", state="open") == 0
    for end in undo:
        end()
