"""What a route's 4xx mean for its circuit: some show an upstream that has answered."""

from __future__ import annotations

import contextlib

import pytest
from fastapi import Depends, FastAPI
from starlette.responses import JSONResponse, Response

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker, circuit
from fastapi_hybrid_breaker.testing import ManualClock

from .bench import KEY, client_of, trip

ANSWERED = [400, 402, 404, 409, 410, 412, 423, 451]
OTHERS = [401, 403, 405, 408, 422, 429, 499]


class Shop:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.app = FastAPI()
        self.breaker = HybridBreaker(
            self.app, redis=None, defaults=CircuitConfig(), clock=self.clock
        )
        self.guarded = self.breaker.circuit(KEY)
        self.client = client_of(self.app)

        async def upstream(works: bool) -> None:
            if not works:
                raise ConnectionError

        @self.app.get("/answer/{status}", dependencies=[Depends(circuit(KEY))])
        async def answer(status: int) -> Response:
            return JSONResponse({}, status)

        @self.app.get("/calls/{works}/{status}", dependencies=[Depends(circuit(KEY))])
        async def calls(works: bool, status: int) -> Response:
            with contextlib.suppress(ConnectionError):
                await self.guarded.call(upstream, works)
            return JSONResponse({}, status)

    def let_probe(self) -> None:
        trip(self.guarded)
        self.clock.advance(self.guarded.config.recovery_timeout)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize("status", ANSWERED)
def test_only_such_answers_after_an_outage_close_the_circuit(shop: Shop, status: int) -> None:
    shop.let_probe()
    assert [shop.client.get(f"/answer/{status}").status_code for _ in range(20)] == [status] * 20
    assert shop.guarded.state is CircuitState.CLOSED


def test_a_few_500s_among_many_404s_open_nothing(shop: Shop) -> None:
    for number in range(400):
        shop.client.get("/answer/500" if number % 40 == 0 else "/answer/404")
    assert shop.guarded.state is CircuitState.CLOSED
    assert shop.guarded.stats().failures <= 1


@pytest.mark.parametrize("status", OTHERS)
def test_other_4xx_neither_close_nor_open_it_and_give_their_place_back(
    shop: Shop, status: int
) -> None:
    shop.let_probe()
    assert [shop.client.get(f"/answer/{status}").status_code for _ in range(20)] == [status] * 20
    assert shop.guarded.state is CircuitState.HALF_OPEN
    assert shop.guarded.stats().successes == 0


@pytest.mark.parametrize("status", [*ANSWERED[:3], *OTHERS[:3]])
def test_where_the_route_made_a_guarded_call_that_call_counts_instead(
    shop: Shop, status: int
) -> None:
    shop.let_probe()
    shop.client.get(f"/calls/true/{status}")
    assert shop.guarded.stats().successes == 1
    shop.client.get(f"/calls/false/{status}")
    assert shop.guarded.state is CircuitState.OPEN
