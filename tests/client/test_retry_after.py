"""Retry-After: what it says, and what becomes of it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.client.retry_after import read_retry_after
from fastapi_hybrid_breaker.testing import ManualClock

from .callers import AsyncCaller, Caller, SyncCaller

KEY = "inventory-api"
NOON = 1_795_521_600.0  # Tue, 24 Nov 2026 12:00:00 GMT
DATE = "Tue, 24 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", None, 120.0),
        (" 7 ", None, 7.0),
        ("0", None, 0.0),
        ("Tue, 24 Nov 2026 12:02:00 GMT", None, 120.0),
        ("Tue, 24 Nov 2026 12:02:00 GMT", "Tue, 24 Nov 2026 12:01:00 GMT", 60.0),
        ("Tue, 24 Nov 2026 12:02:00 -0000", DATE, 120.0),
        ("Tuesday, 24-Nov-26 12:00:30 GMT", DATE, 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", None, 0.0),
        ("Tue, 24 Nov 2026 12:02:00 GMT", "nonsense", 120.0),
    ],
)
def test_seconds_and_dates(value: str, date: str | None, seconds: float) -> None:
    assert read_retry_after(value, date, NOON) == seconds


@pytest.mark.parametrize(
    "value",
    [None, "", "soon", "-5", "1.5", "5 minutes", "١٢", "9" * 400, "1e3", "Tue, 99 Nov 2026",
     "Tue, 24 Nov 9999 12:00:00 GMT"],
)  # fmt: skip
def test_what_says_nothing_of_use_is_none(value: str | None) -> None:
    assert read_retry_after(value, None, NOON) is None


@given(st.none() | st.text(), st.none() | st.text(), st.floats(0, 1e10))
def test_it_never_raises(value: str | None, date: str | None, now: float) -> None:
    seconds = read_retry_after(value, date, now)
    assert seconds is None or 0 <= seconds <= 366 * 86_400


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def breaker_of(clock: ManualClock, **settings: Any) -> HybridBreaker:
    config = CircuitConfig(**{"failure_threshold": 2, "recovery_timeout": 60.0} | settings)
    return HybridBreaker(redis=None, defaults=config, clock=clock)


def caller_of(
    http: ModuleType, half: str, breaker: HybridBreaker, answers: list[tuple[int, str | None]]
) -> Caller:
    left = iter(answers)

    def answer(_: object) -> Any:
        status, value = next(left)
        return http.Response(status, headers={} if value is None else {"Retry-After": value})

    kind = AsyncCaller if half == "async" else SyncCaller
    return kind(http, breaker.transport(http.MockTransport(answer), KEY))


@pytest.mark.parametrize("status", [429, 503])
async def test_the_response_that_opens_the_circuit_says_for_how_long(
    http: ModuleType, half: str, clock: ManualClock, status: int
) -> None:
    breaker = breaker_of(clock)
    caller = caller_of(http, half, breaker, [(status, "17"), (status, "250")])
    await caller.get("http://a/")
    assert breaker.state(KEY) is CircuitState.CLOSED  # it never opens by itself
    await caller.get("http://a/")
    assert breaker.stats(KEY).retry_after == 250.0
    assert breaker.circuit(KEY).history()[-1].evidence.error == f"status {status}"
    await caller.close()


@pytest.mark.parametrize(
    ("value", "limits", "seconds"),
    [
        ("100000", (1.0, 300.0), 300.0),
        ("0", (90.0, 300.0), 90.0),
        ("1", (1.0, 300.0), 60.0),
        ("3600", (1.0, 30.0), 60.0),
        ("250", None, 60.0),
        ("soon", (1.0, 300.0), 60.0),
        (None, (1.0, 300.0), 60.0),
    ],
)
async def test_it_is_kept_within_limits_or_not_heeded(
    http: ModuleType,
    half: str,
    clock: ManualClock,
    value: str | None,
    limits: tuple[float, float] | None,
    seconds: float,
) -> None:
    breaker = breaker_of(clock, failure_threshold=1, retry_after_limits=limits)
    caller = caller_of(http, half, breaker, [(503, value)])
    await caller.get("http://a/")
    assert breaker.stats(KEY).retry_after == seconds
    await caller.close()


async def test_a_500_cannot_ask_for_a_pause(
    http: ModuleType, half: str, clock: ManualClock
) -> None:
    breaker = breaker_of(clock, failure_threshold=1)
    caller = caller_of(http, half, breaker, [(500, "250")])
    await caller.get("http://a/")
    assert breaker.stats(KEY).retry_after == 60.0
    await caller.close()


async def test_a_failed_probe_is_heeded_as_well(
    http: ModuleType, half: str, clock: ManualClock
) -> None:
    breaker = breaker_of(clock, failure_threshold=1)
    caller = caller_of(http, half, breaker, [(500, None), (503, "250")])
    await caller.get("http://a/")
    clock.advance(60.0)
    await caller.get("http://a/")
    assert breaker.stats(KEY).retry_after == 250.0
    await caller.close()


async def test_four_responses_that_ask_for_a_pause_are_not_forgotten_for_a_fifth_that_does_not(
    http: ModuleType, half: str, clock: ManualClock
) -> None:
    breaker = breaker_of(clock, failure_threshold=5)
    caller = caller_of(http, half, breaker, [(503, "120")] * 4 + [(500, None)])
    for _ in range(5):
        await caller.get("http://a/")
    assert breaker.stats(KEY).retry_after == 120.0
    await caller.close()


async def test_a_good_response_ends_what_was_asked_for(
    http: ModuleType, half: str, clock: ManualClock
) -> None:
    breaker = breaker_of(clock)
    caller = caller_of(http, half, breaker, [(503, "120"), (200, None), (500, None), (500, None)])
    for _ in range(4):
        await caller.get("http://a/")
    assert (breaker.state(KEY), breaker.stats(KEY).retry_after) == (CircuitState.OPEN, 60.0)
    await caller.close()
