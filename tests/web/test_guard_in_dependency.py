"""A ``yield`` dependency that holds a guard: the route's exceptions are thrown into it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Body, Depends, FastAPI, WebSocket
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import Request

from fastapi_hybrid_breaker import Circuit, CircuitConfig
from fastapi_hybrid_breaker.core.outcomes import Classifier

from .bench import FAILURE, KEY, NOT_COUNTED, SUCCESS, client_of, make_breaker, verdict_of


class Shop:
    def __init__(self, *, is_async: bool) -> None:
        self.app = app = FastAPI()
        self.breaker, _ = make_breaker()
        self.breaker.install(app)
        guarded = self.breaker.circuit(KEY)

        async def held() -> AsyncIterator[None]:
            async with guarded.guard():
                yield

        def held_sync() -> Iterator[None]:
            with guarded.guard():
                yield

        holding = [Depends(held if is_async else held_sync)]
        self.client = client_of(app)

        @app.get("/http/{status}", dependencies=holding)
        async def http(status: int) -> None:
            if status != 200:
                raise HTTPException(status)

        @app.get("/raised", dependencies=holding)
        async def raised() -> None:
            raise ConnectionError

        @app.get("/end", dependencies=holding)
        async def end() -> None:
            raise StopAsyncIteration

        @app.post("/body", dependencies=holding)
        async def body(number: Annotated[int, Body()]) -> int:
            return number

        @app.post("/reads", dependencies=holding)
        async def reads(request: Request) -> None:
            await request.body()

        @app.websocket("/socket", dependencies=holding)
        async def socket(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.receive_text()

        @app.websocket("/refused", dependencies=holding)
        async def refused(websocket: WebSocket) -> None:
            raise WebSocketException(1008)

    @property
    def guarded(self) -> Circuit:
        return self.breaker.circuit(KEY)

    def leave_a_socket(self) -> None:
        with contextlib.suppress(Exception), self.client.websocket_connect("/socket"):
            pass

    def be_refused(self) -> None:
        with contextlib.suppress(Exception), self.client.websocket_connect("/refused"):
            pass

    def leave_before_the_body(self) -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/reads",
            "query_string": b"",
            "headers": [],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pass

        async def main() -> None:
            with contextlib.suppress(Exception):
                await self.app(scope, receive, send)  # type: ignore[arg-type]

        asyncio.run(main())


ACTS: dict[str, tuple[Callable[[Shop], object], object]] = {
    "good": (lambda shop: shop.client.get("/http/200"), SUCCESS),
    "404": (lambda shop: shop.client.get("/http/404"), NOT_COUNTED),
    "401": (lambda shop: shop.client.get("/http/401"), NOT_COUNTED),
    "502": (lambda shop: shop.client.get("/http/502"), FAILURE),
    "raised": (lambda shop: shop.client.get("/raised"), FAILURE),
    "end of an iterator": (lambda shop: shop.client.get("/end"), NOT_COUNTED),
    "path of another type": (lambda shop: shop.client.get("/http/what"), NOT_COUNTED),
    "body of another type": (lambda shop: shop.client.post("/body", json="what"), NOT_COUNTED),
    "client gone": (Shop.leave_before_the_body, NOT_COUNTED),
    "socket left": (Shop.leave_a_socket, NOT_COUNTED),
    "socket refused": (Shop.be_refused, NOT_COUNTED),
}


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize(("act", "outcome"), ACTS.values(), ids=ACTS)
def test_what_the_client_did_wrong_is_no_failure_of_the_upstream(
    is_async: bool, act: Callable[[Shop], object], outcome: object
) -> None:
    shop = Shop(is_async=is_async)
    assert verdict_of(shop.guarded, lambda: act(shop)) is outcome


def test_it_is_one_where_its_class_is_named() -> None:
    named = Classifier(CircuitConfig(failure_exceptions=(HTTPException,)))
    assert named.judge(HTTPException(404)) is FAILURE
    assert Classifier(CircuitConfig()).judge(HTTPException(404)) is NOT_COUNTED
