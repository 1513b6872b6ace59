"""A guarded route around guarded calls: who gives the verdict, and who holds the permit."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from fastapi_hybrid_breaker import CircuitOpenError, CircuitState, circuit
from tests import inside

from .bench import (
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    arm,
    client_of,
    make_breaker,
    make_half_open,
    trip,
    verdict_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.testclient import TestClient

    from fastapi_hybrid_breaker import Circuit, HybridBreaker
    from fastapi_hybrid_breaker.testing import ManualClock

GUARDED = [Depends(circuit(KEY))]


async def work() -> str:
    return "fresh"


async def fail() -> str:
    raise ConnectionError("upstream")


class Shop:
    """An application with guarded routes that call through the same circuit."""

    def __init__(self) -> None:
        self.app = app = FastAPI()
        self.breaker, self.clock = breaker, _ = make_breaker(app)
        self.client = client_of(app)

        @app.get("/fallback", dependencies=GUARDED)
        async def with_fallback(ok: bool) -> str:
            try:
                return await breaker.execute(KEY, work if ok else fail)
            except ConnectionError:
                return "stale"

        @app.get("/in-a-thread", dependencies=GUARDED)
        def in_a_thread(ok: bool) -> str:
            def call() -> str:
                if not ok:
                    raise ConnectionError
                return "fresh"

            try:
                return breaker.circuit(KEY).call_sync(call)
            except ConnectionError:
                return "stale"

        @app.get("/uncaught", dependencies=GUARDED)
        async def uncaught() -> str:
            return await breaker.execute(KEY, fail)

        @app.get("/then-broken", dependencies=GUARDED)
        async def then_broken() -> str:
            await breaker.execute(KEY, work)
            raise ValueError("in our own code")

        @app.get("/streamed", dependencies=GUARDED)
        async def streamed() -> Response:
            async def body() -> AsyncIterator[str]:
                try:
                    yield await breaker.execute(KEY, fail)
                except ConnectionError:
                    yield "stale"

            return StreamingResponse(body())

        @app.get("/block", dependencies=GUARDED)
        async def block(ok: bool) -> str:
            try:
                with breaker.circuit(KEY).guard():
                    if not ok:
                        raise ConnectionError
            except ConnectionError:
                return "stale"
            return "fresh"

        @app.get("/other", dependencies=GUARDED)
        async def another_circuit() -> str:
            try:
                return await breaker.execute("another", fail)
            except ConnectionError:
                return "stale"


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with shop.client:
        yield shop


@pytest.mark.parametrize(
    "path", ["/fallback?ok=0", "/in-a-thread?ok=0", "/block?ok=0", "/streamed"]
)
def test_a_200_from_a_fallback_counts_the_failure_inside_and_no_success(
    shop: Shop, path: str
) -> None:
    guarded = shop.breaker.circuit(KEY)
    for _ in range(2):
        assert shop.client.get(path).status_code == 200
    assert guarded.stats().failures == 2
    assert shop.client.get(path).status_code == 200
    assert guarded.state is CircuitState.OPEN


@pytest.mark.parametrize("path", ["/fallback?ok=1", "/in-a-thread?ok=1", "/block?ok=1"])
def test_a_success_inside_is_the_success(shop: Shop, path: str) -> None:
    assert verdict_of(shop.breaker.circuit(KEY), lambda: shop.client.get(path)) is SUCCESS


def test_an_error_that_leaves_both_is_counted_once(shop: Shop) -> None:
    assert verdict_of(shop.breaker.circuit(KEY), lambda: shop.client.get("/uncaught")) is FAILURE


def test_after_a_success_inside_the_routes_own_error_does_not_count(shop: Shop) -> None:
    guarded = shop.breaker.circuit(KEY)
    assert verdict_of(guarded, lambda: shop.client.get("/then-broken")) is SUCCESS


def test_a_verdict_on_another_circuit_leaves_the_routes_own(shop: Shop) -> None:
    assert verdict_of(shop.breaker.circuit(KEY), lambda: shop.client.get("/other")) is SUCCESS


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("/fallback?ok=1", CircuitState.CLOSED),
        ("/fallback?ok=0", CircuitState.OPEN),
        ("/in-a-thread?ok=1", CircuitState.CLOSED),
        ("/in-a-thread?ok=0", CircuitState.OPEN),
        ("/block?ok=1", CircuitState.CLOSED),
        ("/block?ok=0", CircuitState.OPEN),
        ("/streamed", CircuitState.OPEN),
        ("/uncaught", CircuitState.OPEN),
        ("/then-broken", CircuitState.CLOSED),
        ("/other", CircuitState.CLOSED),
    ],
)
def test_the_call_inside_runs_under_the_routes_probe(
    shop: Shop, path: str, state: CircuitState
) -> None:
    guarded = shop.breaker.circuit(KEY)
    make_half_open(guarded, shop.clock)
    rejected = guarded.stats().rejected
    shop.client.get(path)
    assert guarded.state is state
    assert guarded.stats().rejected == rejected


def test_a_background_task_runs_after_the_verdict() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    guarded = breaker.circuit(KEY)
    seen: list[int] = []

    @app.get("/", dependencies=GUARDED)
    async def endpoint(tasks: BackgroundTasks) -> None:
        async def later() -> None:
            seen.append(guarded.stats().failures)
            await breaker.execute(KEY, fail)

        tasks.add_task(later)

    arm(guarded)
    client_of(app).get("/")
    assert guarded.stats().failures == 1  # 1 - 1 + 1
    assert seen == [0]


# -- rejections inside -----------------------------------------------------------------------


class Unavailable(Exception):
    pass


def rejecting(breaker: HybridBreaker, app: FastAPI) -> TestClient:
    """Return routes guarded by one circuit, whose calls are rejected by another."""
    trip(breaker.circuit("upstream"))

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, error: Exception) -> Response:
        return JSONResponse({"reason": str(error)}, 503)

    async def call() -> str:
        return await breaker.execute("upstream", work)

    @app.get("/handled", dependencies=GUARDED)
    async def handled() -> None:
        try:
            await call()
        except CircuitOpenError:
            raise Unavailable from None

    @app.get("/returned", dependencies=GUARDED)
    async def returned() -> Response:
        try:
            await call()
        except CircuitOpenError:
            pass
        return Response(status_code=503)

    @app.get("/unhandled", dependencies=GUARDED)
    async def unhandled() -> None:
        await call()

    @app.get("/wrapped", dependencies=GUARDED)
    async def wrapped() -> None:
        try:
            await call()
        except CircuitOpenError as error:
            raise ValueError from error

    @app.get("/in-a-thread", dependencies=GUARDED)
    async def in_a_thread() -> Response:
        def sync() -> Response:
            try:
                breaker.circuit("upstream").call_sync(str)
            except CircuitOpenError:
                return Response(status_code=503)
            raise AssertionError

        return await run_in_threadpool(sync)

    @app.get("/mid-stream", dependencies=GUARDED)
    async def mid_stream() -> Response:
        async def body() -> AsyncIterator[str]:
            yield "x"
            yield await call()

        return StreamingResponse(body())

    @app.get("/fallback", dependencies=GUARDED)
    async def fallback() -> str:
        try:
            return await call()
        except CircuitOpenError:
            return "stale"

    return client_of(app)


@pytest.mark.parametrize(
    "path", ["/handled", "/returned", "/unhandled", "/wrapped", "/in-a-thread", "/mid-stream"]
)
def test_a_failing_answer_after_a_rejection_inside_is_no_verdict(path: str) -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)
    client = rejecting(breaker, app)
    guarded = breaker.circuit(KEY)
    assert verdict_of(guarded, lambda: client.get(path)) is NOT_COUNTED
    make_half_open(guarded, clock)
    trip_again(breaker.circuit("upstream"), clock)
    client.get(path)
    assert guarded.state is CircuitState.HALF_OPEN
    assert guarded.stats().retry_after == 0.0


def test_a_good_answer_after_a_rejection_inside_is_a_success() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    client = rejecting(breaker, app)
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/fallback")) is SUCCESS


def trip_again(guarded: Circuit, clock: ManualClock) -> None:
    inside.reset_here(guarded)
    trip(guarded)


@pytest.mark.parametrize("path", ["/fallback", "/in-a-thread"])
def test_shadow_mode_counts_a_guarded_route_and_its_guarded_call_as_one(path: str) -> None:
    shop = Shop()
    with shop.client:
        inside.configure(
            shop.breaker.circuit(KEY), replace(shop.breaker.circuit(KEY).config, mode="shadow")
        )
        trip(shop.breaker.circuit(KEY))
        for number in range(1, 4):
            assert shop.client.get(path, params={"ok": False}).status_code == 200
            stats = shop.breaker.stats(KEY)
            assert (stats.shadowed, stats.shadowed_failures) == (number, number)
        shop.client.get(path, params={"ok": True})
        stats = shop.breaker.stats(KEY)
        assert (stats.shadowed, stats.shadowed_failures, stats.rejected) == (4, 3, 0)


@pytest.mark.parametrize("listens", [True, False])
def test_a_call_of_a_listener_is_none_of_the_request_in_which_it_listens(*, listens: bool) -> None:
    """Its rejection made the 503 of the route look like a rejection, passed on."""
    shop = Shop()
    optional, notified = shop.breaker.circuit("optional"), shop.breaker.circuit("notified")

    @shop.app.get("/failing", dependencies=GUARDED)
    async def failing() -> Response:
        trip(optional)
        return JSONResponse({}, 503)

    def notify(change: object) -> None:
        with contextlib.suppress(CircuitOpenError):
            notified.call_sync(int)

    trip(notified)
    if listens:
        shop.breaker.on_change(notify)
    for _ in range(2):
        inside.reset_here(optional)
        shop.client.get("/failing")
    assert shop.breaker.stats(KEY).failures == 2
