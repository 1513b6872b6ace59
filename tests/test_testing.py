"""What users test their own services with; first the way it is meant to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
    circuit,
)
from fastapi_hybrid_breaker.testing import ManualClock, open_circuit
from tests.inside import FleetSide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import StateChange

KEY = "inventory-api"

# -- a service, and its tests -------------------------------------------------------------------

app = FastAPI()
clock = ManualClock()
breaker = HybridBreaker(app, redis=None, clock=clock)


@app.get("/stock/{sku}", dependencies=[Depends(circuit(KEY))])
async def stock(sku: str) -> dict[str, str]:
    return {"sku": sku}


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_the_stock_page_says_when_to_come_back(client: TestClient) -> None:
    with open_circuit(breaker, KEY, retry_after=30.0):
        response = client.get("/stock/42")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "30"
    assert response.headers["Content-Type"] == "application/problem+json"


def test_the_stock_page_answers_again_after_the_block(client: TestClient) -> None:
    with open_circuit(breaker, KEY):
        assert client.get("/stock/42").status_code == 503

    assert client.get("/stock/42").json() == {"sku": "42"}


def test_the_stock_page_recovers_when_the_open_time_is_over(client: TestClient) -> None:
    with open_circuit(breaker, KEY, retry_after=30.0):
        clock.advance(29.0)
        assert client.get("/stock/42").status_code == 503
        clock.advance(1.0)
        assert client.get("/stock/42").status_code == 200
        assert breaker.state(KEY) is CircuitState.HALF_OPEN


# -- open_circuit -------------------------------------------------------------------------------


@pytest.fixture
def local() -> HybridBreaker:
    return HybridBreaker(redis=None, clock=ManualClock(1000.0))


def test_a_call_in_the_block_is_rejected_and_the_block_gives_the_circuit(
    local: HybridBreaker,
) -> None:
    with open_circuit(local, KEY, retry_after=5.0) as opened:
        assert opened is local.circuit(KEY)
        with pytest.raises(CircuitOpenError) as caught:
            opened.call_sync(int)

    assert caught.value.retry_after == 5.0
    assert opened.call_sync(int) == 0


def test_the_open_time_is_a_minute_unless_said(local: HybridBreaker) -> None:
    with open_circuit(local, KEY):
        assert local.stats(KEY).retry_after == 60.0


def test_the_circuit_is_closed_with_empty_counts_after_the_block(local: HybridBreaker) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            local.circuit(KEY).call_sync(lambda: 1 / 0)

    with open_circuit(local, KEY):
        pass

    stats = local.stats(KEY)
    assert (stats.state, stats.failures, stats.retry_after) == (CircuitState.CLOSED, 0, 0.0)


def test_the_circuit_is_put_back_when_the_block_raises(local: HybridBreaker) -> None:
    with pytest.raises(ZeroDivisionError), open_circuit(local, KEY):
        raise ZeroDivisionError

    assert local.state(KEY) is CircuitState.CLOSED


def test_blocks_nest(local: HybridBreaker) -> None:
    with open_circuit(local, KEY, retry_after=20.0):
        with open_circuit(local, KEY, retry_after=5.0):
            assert local.stats(KEY).retry_after == 5.0
        assert local.state(KEY) is CircuitState.OPEN
        assert local.stats(KEY).retry_after == 20.0

    assert local.state(KEY) is CircuitState.CLOSED


def test_calls_from_before_the_block_count_no_more(local: HybridBreaker) -> None:
    running = local.circuit(KEY).guard()
    running.__enter__()
    error = RuntimeError("late")

    with open_circuit(local, KEY) as opened:
        running.__exit__(RuntimeError, error, None)
        assert opened.stats().retry_after == 60.0

    assert opened.stats().failures == 0


def test_other_circuits_are_not_touched(local: HybridBreaker) -> None:
    with open_circuit(local, KEY):
        assert local.circuit("another").call_sync(int) == 0


def test_listeners_hear_of_it_as_of_any_trip(local: HybridBreaker) -> None:
    heard: list[StateChange] = []
    local.on_change(heard.append)

    with open_circuit(local, KEY):
        pass

    assert [(change.old, change.new, change.cause) for change in heard] == [
        ("CLOSED", "OPEN", "failures"),
        ("OPEN", "CLOSED", "reset"),
    ]


def test_the_fleet_is_told_nothing(local: HybridBreaker) -> None:
    with open_circuit(local, KEY) as opened:
        assert FleetSide(opened).propose() is None
    assert FleetSide(opened).propose() is None
    assert opened.stats().version == 0


def test_a_trip_of_the_circuits_own_after_the_block_is_told(local: HybridBreaker) -> None:
    with open_circuit(local, KEY) as opened:
        pass
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            opened.call_sync(lambda: 1 / 0)

    assert opened.state is CircuitState.OPEN
    assert FleetSide(opened).propose() is not None


@pytest.mark.parametrize("retry_after", [0, -1.0, float("nan"), float("inf"), 100_000])
def test_an_open_time_out_of_range_is_refused(local: HybridBreaker, retry_after: float) -> None:
    with (
        pytest.raises(ValueError, match="retry_after must be a number of seconds"),
        open_circuit(local, KEY, retry_after=retry_after),
    ):
        pass

    assert list(local.circuits()) == []


# -- ManualClock ----------------------------------------------------------------------------------


def test_the_clock_stands_still_until_it_is_told() -> None:
    clock = ManualClock(10.0)

    assert [clock(), clock()] == [10.0, 10.0]
    clock.advance(2.5)
    clock.advance(0)
    assert clock() == 12.5


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_the_clock_never_goes_back(seconds: float) -> None:
    clock = ManualClock()

    with pytest.raises(ValueError, match="advances by 0 seconds or more"):
        clock.advance(seconds)

    assert clock() == 0.0


def test_a_recovery_is_played_without_waiting() -> None:
    clock = ManualClock()
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=30.0)
    guarded = HybridBreaker(redis=None, defaults=config, clock=clock).circuit(KEY)
    with pytest.raises(ZeroDivisionError):
        guarded.call_sync(lambda: 1 / 0)

    clock.advance(29.999)
    with pytest.raises(CircuitOpenError):
        guarded.call_sync(int)
    clock.advance(0.001)
    guarded.call_sync(int)

    assert guarded.state is CircuitState.CLOSED
