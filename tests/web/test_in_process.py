"""A guarded route that calls an application in process, whose route the same circuit guards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitState,
    CountWindow,
    FailureRate,
    HybridBreaker,
    circuit,
)
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .bench import FAILURE, KEY, NOT_COUNTED, SUCCESS, client_of, trip, verdict_of

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import Circuit

GUARDED = [Depends(circuit(KEY))]


class Shop:
    """``/self``, ``/other``, ``/twice``, ``/thread`` call ``/answer`` or ``/guarded-call``."""

    def __init__(self, successes: int = 1) -> None:
        self.clock = ManualClock()
        config = CircuitConfig(
            failure_threshold=3,
            success_threshold=successes,
            half_open_max_calls=1,
            recovery_timeout=10.0,
        )
        self.app, self.other = FastAPI(), FastAPI()
        self.breaker = HybridBreaker(self.app, redis=None, defaults=config, clock=self.clock)
        self.breaker.install(self.other)
        for app in (self.app, self.other):
            self._add_routes(app)
        self.client = client_of(self.app)

    @property
    def guarded(self) -> Circuit:
        return self.breaker.circuit(KEY)

    def let_probe(self) -> None:
        trip(self.guarded)
        self.clock.advance(10.0)

    async def get_guarded(self, path: str, *, raises: bool = False) -> httpx.Response:
        """Call the other application in process, through a transport of the same circuit."""
        inner = httpx.ASGITransport(self.other, raise_app_exceptions=raises)
        transport = self.breaker.transport(inner, circuit=KEY)
        async with httpx.AsyncClient(transport=transport, base_url="http://in") as client:
            return await client.get("/" + path)

    def _add_routes(self, app: FastAPI) -> None:
        breaker = self.breaker

        async def upstream(status: int) -> None:
            if status >= 500:
                raise ConnectionError

        @app.get("/answer/{status}", dependencies=GUARDED)
        async def answer(status: int) -> Response:
            return JSONResponse({}, status)

        @app.get("/guarded-call/{status}")
        async def guarded_call(status: int) -> Response:
            await breaker.execute(KEY, upstream, status)
            return JSONResponse({})

        async def passed(called: FastAPI, path: str) -> Response:
            transport = httpx.ASGITransport(called, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://in") as client:
                return JSONResponse({}, (await client.get("/" + path)).status_code)

        @app.get("/self/{path:path}", dependencies=GUARDED)
        async def itself(path: str) -> Response:
            return await passed(app, path)

        @app.get("/other/{path:path}", dependencies=GUARDED)
        async def other(path: str) -> Response:
            return await passed(self.other, path)

        @app.get("/twice/{path:path}", dependencies=GUARDED)
        async def twice(path: str) -> Response:
            return await passed(self.other, "self/" + path)

        @app.get("/task/{path:path}", dependencies=GUARDED)
        async def task(path: str) -> Response:
            return await asyncio.create_task(passed(self.other, path))

        @app.get("/client/{path:path}", dependencies=GUARDED)
        async def client(path: str) -> Response:
            answer = await self.get_guarded(path)
            return JSONResponse({}, answer.status_code)

        @app.get("/thread/{path:path}", dependencies=GUARDED)
        async def thread(path: str) -> Response:
            client = TestClient(self.other, raise_server_exceptions=False)
            answer = await run_in_threadpool(client.get, "/" + path)
            return JSONResponse({}, answer.status_code)


each_way = pytest.mark.parametrize("way", ["self", "other", "twice", "task", "thread", "client"])
each_end = pytest.mark.parametrize("end", ["answer", "guarded-call"])


@each_way
@each_end
def test_one_good_request_closes_the_circuit(way: str, end: str) -> None:
    for _ in range(6):
        shop = Shop()
        shop.let_probe()
        assert shop.client.get(f"/{way}/{end}/200").status_code == 200
        assert shop.guarded.state is CircuitState.CLOSED


@each_way
@each_end
def test_it_is_one_success_and_not_one_for_each_route(way: str, end: str) -> None:
    shop = Shop(successes=3)
    shop.let_probe()
    for successes in (1, 2):
        assert shop.client.get(f"/{way}/{end}/200").status_code == 200
        assert shop.guarded.stats().successes == successes


@each_way
@each_end
def test_one_failure_counts_once(way: str, end: str) -> None:
    shop = Shop()
    for failures in (1, 2):
        assert shop.client.get(f"/{way}/{end}/500").status_code == 500
        assert shop.guarded.stats().failures == failures


@each_way
@each_end
@pytest.mark.parametrize(("status", "outcome"), [(200, SUCCESS), (502, FAILURE)])
def test_the_inner_outcome_is_the_outcome(way: str, end: str, status: int, outcome: object) -> None:
    shop = Shop()
    assert verdict_of(shop.guarded, lambda: shop.client.get(f"/{way}/{end}/{status}")) is outcome


def test_what_says_nothing_inside_says_nothing_outside() -> None:
    shop = Shop()
    assert verdict_of(shop.guarded, lambda: shop.client.get("/other/answer/401")) is NOT_COUNTED


@each_way
def test_while_the_circuit_is_open_the_outer_route_rejects(way: str) -> None:
    shop = Shop()
    trip(shop.guarded)
    assert shop.client.get(f"/{way}/answer/200").status_code == 503
    assert shop.guarded.stats().rejected == 1


async def test_a_task_that_goes_on_when_the_outer_request_is_over_makes_requests_of_its_own() -> (
    None
):
    shop = Shop(successes=3)
    go = asyncio.Event()
    tasks = []

    @shop.app.get("/begins", dependencies=GUARDED)
    async def begins() -> None:
        async def later() -> int:
            await go.wait()
            transport = httpx.ASGITransport(shop.other)
            async with httpx.AsyncClient(transport=transport, base_url="http://in") as client:
                return (await client.get("/answer/200")).status_code

        tasks.append(asyncio.create_task(later()))

    shop.let_probe()
    transport = httpx.ASGITransport(shop.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://in") as client:
        assert (await client.get("/begins")).status_code == 200
    assert shop.guarded.stats().successes == 1
    go.set()
    assert await tasks[0] == 200
    assert shop.guarded.stats().successes == 2  # a probe of its own


async def test_nor_does_it_find_a_place_while_another_probe_has_the_only_one() -> None:
    shop = Shop(successes=3)
    shop.let_probe()
    permit = inside.admit(shop.guarded)
    transport = httpx.ASGITransport(shop.other)
    async with httpx.AsyncClient(transport=transport, base_url="http://in") as client:
        assert (await client.get("/answer/200")).status_code == 503
    inside.settle(shop.guarded, permit, SUCCESS)


async def test_a_guarded_client_outside_of_any_request_counts_one_failure_once() -> None:
    shop = Shop()
    for failures in (1, 2):
        assert (await shop.get_guarded("answer/500")).status_code == 500
        assert shop.guarded.stats().failures == failures


async def test_so_it_does_where_the_failure_arrives_as_an_exception() -> None:
    shop = Shop()

    @shop.other.get("/raises", dependencies=GUARDED)
    async def raises() -> None:
        raise ConnectionError

    for failures in (1, 2):
        with pytest.raises(ConnectionError):
            await shop.get_guarded("raises", raises=True)
        assert shop.guarded.stats().failures == failures


async def test_where_no_guard_inside_has_an_outcome_the_client_counts_for_itself() -> None:
    shop = Shop()

    @shop.other.get("/unguarded/{status}")
    async def unguarded(status: int) -> Response:
        return JSONResponse({}, status)

    assert (await shop.get_guarded("answer/200")).status_code == 200  # that one had an outcome
    for failures in (1, 2):
        assert (await shop.get_guarded("unguarded/500")).status_code == 500
        assert shop.guarded.stats().failures == failures


async def test_clients_that_call_at_once_count_a_failure_each() -> None:
    shop = Shop()
    shop.breaker.circuit(KEY)
    answers = await asyncio.gather(*(shop.get_guarded("answer/500") for _ in range(2)))
    assert [answer.status_code for answer in answers] == [500, 500]
    assert shop.guarded.stats().failures == 2


async def test_a_rate_counts_a_call_through_a_guarded_client_once() -> None:
    shop = Shop()
    rate = FailureRate(0.5, window=CountWindow(10), minimum_calls=10)
    shop.breaker.circuit(KEY, CircuitConfig(trip=rate))
    for status in (200, 500, 200):
        await shop.get_guarded(f"answer/{status}")
    assert shop.guarded.stats().calls == 3
    assert shop.guarded.stats().failure_rate == 1 / 3
