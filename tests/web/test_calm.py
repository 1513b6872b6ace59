"""The quick way through guard and middleware: when it must not be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fastapi_hybrid_breaker import CircuitConfig, circuit
from tests import inside

from .bench import FAILURE, KEY, SUCCESS, calm, client_of, make_breaker, verdict_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GUARD = circuit(KEY)


def test_a_good_status_that_is_declared_a_failure_is_one() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    picky = breaker.circuit(
        "picky", CircuitConfig(failure_threshold=3, failure_statuses=frozenset({202}))
    )

    @app.get("/", dependencies=[Depends(circuit("picky"))])
    async def endpoint(status: int) -> Response:
        return Response(status_code=status)

    client = client_of(app)
    assert verdict_of(picky, lambda: client.get("/?status=202")) is FAILURE
    assert verdict_of(picky, lambda: client.get("/?status=200")) is SUCCESS


def test_it_is_so_though_that_is_declared_while_the_request_runs() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    known = inside.registry_of(breaker).hear_of(
        KEY
    )  # of the fleet, and so without its configuration
    assert known is not None
    calm(known)

    @app.get("/", dependencies=[Depends(GUARD)])
    async def endpoint() -> Response:
        breaker.circuit(KEY, CircuitConfig(failure_threshold=3, failure_statuses=frozenset({202})))
        return Response(status_code=202)

    client_of(app).get("/")
    assert known.stats().failures == 1


def test_a_guard_that_is_called_after_the_head_takes_the_status_as_it_was() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)

    @app.get("/")
    async def endpoint(request: Request, status: int) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"x"
            await GUARD(request)
            yield b"y"

        return StreamingResponse(body(), status)

    client = client_of(app)
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/?status=503")) is FAILURE
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/?status=200")) is SUCCESS


def test_of_two_guards_each_circuit_gets_its_verdict() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    first, second = breaker.circuit(KEY), breaker.circuit("second")

    @app.get("/", dependencies=[Depends(GUARD), Depends(circuit("second"))])
    async def endpoint(status: int) -> Response:
        return Response(status_code=status)

    client = client_of(app)
    calm(first)
    assert verdict_of(second, lambda: client.get("/?status=200")) is SUCCESS
    calm(second)
    assert verdict_of(first, lambda: client.get("/?status=200")) is SUCCESS
    assert verdict_of(first, lambda: client.get("/?status=503")) is FAILURE
    assert second.stats().failures == 2
