"""``HybridBreaker`` without a fleet: looking, resetting, starting and stopping."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.core.states import never_used
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import CONFIG, Shape, each_async_shape, fail, fine, let_probe, trip


async def test_looking_makes_no_circuit(breaker: HybridBreaker) -> None:
    assert breaker.state("never-used") == "CLOSED"
    assert breaker.stats("never-used") == never_used(CONFIG)
    assert await breaker.look_up("never-used") is None
    assert list(breaker.circuits()) == []


async def test_a_circuit_that_is_known_can_be_looked_up(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    fail(circuit)
    view = await breaker.look_up("inventory-api")
    assert view is not None
    assert (view.key, view.config, view.stats) == ("inventory-api", CONFIG, circuit.stats())
    assert breaker.stats("inventory-api") == circuit.stats()
    assert view.stats.failures == 1
    assert [one.key for one in breaker.circuits()] == ["inventory-api"]


async def test_a_circuit_that_is_declared_can_be_looked_up_before_its_use() -> None:
    config = CircuitConfig(failure_threshold=3)
    breaker = HybridBreaker(redis=None, circuits={"declared": config, "host:*": config})
    view = await breaker.look_up("declared")
    assert view is not None
    assert (view.config, view.stats) == (config, never_used(config))
    assert await breaker.look_up("host:a") is None


async def test_a_reset_closes_and_empties_whatever_the_state(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock
) -> None:
    fail(circuit)
    assert await circuit.reset() == "local"
    assert circuit.stats().failures == 0
    trip(circuit)
    assert await breaker.reset("inventory-api") == "local"
    assert await circuit.call(fine) == 1
    let_probe(circuit, clock)
    probe = asyncio.create_task(circuit.call(asyncio.Event().wait))
    await asyncio.sleep(0)
    assert await circuit.reset() == "local"
    assert (circuit.state, circuit.stats().retry_after) == ("CLOSED", 0.0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe


async def test_resetting_what_was_never_used_makes_no_circuit(breaker: HybridBreaker) -> None:
    assert await breaker.reset("never-used") == "local"
    assert list(breaker.circuits()) == []
    with pytest.raises(ValueError, match="key"):
        await breaker.reset("..")


async def test_circuits_live_on_over_start_and_stop(breaker: HybridBreaker) -> None:
    circuit = breaker.circuit("a")
    async with breaker.lifespan():
        trip(circuit)
        assert breaker.sync_status().state == "disabled"
    async with breaker, breaker:
        assert breaker.circuit("a") is circuit
    assert circuit.state == "OPEN"


def test_texts_for_people_name_the_circuit_and_its_state(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    trip(circuit)
    assert repr(circuit) == "<Circuit 'inventory-api' OPEN>"
    assert repr(breaker) == "<HybridBreaker of 1 circuits, disabled>"


@each_async_shape
@pytest.mark.parametrize("kind", ["rejected", "group of rejections", "ignored"])
async def test_gives_no_verdict(breaker: HybridBreaker, shape: Shape, kind: str) -> None:
    circuit = breaker.circuit("a", CircuitConfig(ignored_exceptions=(KeyError,)))
    error: Exception = CircuitOpenError("another", 1.0)
    if kind == "group of rejections":
        error = ExceptionGroup("all", [error])
    elif kind == "ignored":
        error = KeyError("sku")

    async def raise_it() -> None:
        raise error

    fail(circuit)
    for _ in range(10):
        with pytest.raises(type(error)):
            await shape(circuit, raise_it)
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 1)


async def test_two_breakers_know_nothing_of_each_other(clock: ManualClock) -> None:
    one, other = (HybridBreaker(redis=None, defaults=CONFIG, clock=clock) for _ in range(2))
    trip(one.circuit("a"))
    assert other.state("a") == "CLOSED"
    assert await other.execute("a", fine) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"defaults": {"failure_threshold": 3}}, "defaults must be a CircuitConfig"),
        ({"circuits": ["a"]}, "circuits must map keys"),
        ({"app": "redis://h"}, "a FastAPI or Starlette application"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        HybridBreaker(**{"redis": None} | wrong)


@pytest.mark.parametrize("listener", [3, fine])
def test_a_listener_that_could_never_hear_is_refused(breaker: HybridBreaker, listener: Any) -> None:
    with pytest.raises(TypeError, match="a plain function of one StateChange"):
        breaker.on_change(listener)


def test_a_key_that_was_never_used_shows_the_figures_of_a_circuit_without_calls() -> None:
    breaker = HybridBreaker(redis=None)
    shown = breaker.stats("never-used")
    assert shown == breaker.circuit("new").stats()
    assert (shown.reopenings, shown.shadowed, shown.shadowed_failures) == (0, 0, 0)
