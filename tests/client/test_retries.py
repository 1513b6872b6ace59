"""Beside httpx-retries: inside, one verdict for all attempts; outside, one for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from httpx_retries import Retry, RetryTransport

from fastapi_hybrid_breaker import CircuitOpenError
from fastapi_hybrid_breaker.testing import open_circuit
from tests.client.bench import KEY, Bench
from tests.client.callers import AsyncCaller, SyncCaller

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client.callers import Caller

URL = "http://upstream/"


class Flaky:
    """Answers by turns what it is given; it raises what is an exception."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.calls = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, text="hello")


@pytest.fixture
def caller_of(half: str) -> Callable[[Any], Caller]:
    def make(transport: Any) -> Caller:
        return (AsyncCaller if half == "async" else SyncCaller)(httpx, transport)

    return make


@pytest.fixture
def bench() -> Bench:
    return Bench(probing=False)


async def test_a_rejection_is_not_retried(bench: Bench, caller_of: Callable[[Any], Caller]) -> None:
    upstream = Flaky(200)
    guarded = bench.breaker.transport(httpx.MockTransport(upstream), KEY)

    with open_circuit(bench.breaker, KEY), pytest.raises(CircuitOpenError):
        await caller_of(RetryTransport(guarded)).get(URL)

    assert upstream.calls == 0
    assert bench.circuit.stats().rejected == 1


async def test_outside_each_attempt_gives_a_verdict(
    bench: Bench, caller_of: Callable[[Any], Caller]
) -> None:
    upstream = Flaky(503, httpx.ConnectError("refused"), 503, 503)
    guarded = bench.breaker.transport(httpx.MockTransport(upstream), KEY)

    await caller_of(RetryTransport(guarded, Retry(total=3))).get(URL)

    assert bench.circuit.stats().failures == 5, "one before the test, four in it"


async def test_outside_the_circuit_ends_the_retries(caller_of: Callable[[Any], Caller]) -> None:
    upstream = Flaky(*[503] * 10)
    bench = Bench(probing=True)
    guarded = bench.breaker.transport(httpx.MockTransport(upstream), KEY)

    with pytest.raises(CircuitOpenError):
        await caller_of(RetryTransport(guarded, Retry(total=9))).get(URL)

    assert upstream.calls == 1


@pytest.mark.parametrize(
    ("answers", "failures"), [((503, httpx.ReadError("gone"), 200), 0), ((503, 503, 503), 2)]
)
async def test_inside_all_attempts_give_one_verdict(
    bench: Bench,
    caller_of: Callable[[Any], Caller],
    answers: tuple[int | Exception, ...],
    failures: int,
) -> None:
    upstream = Flaky(*answers)
    retrying = RetryTransport(httpx.MockTransport(upstream), Retry(total=2))

    await caller_of(bench.breaker.transport(retrying, KEY)).get(URL)

    assert upstream.calls == 3
    assert bench.circuit.stats().failures == failures
