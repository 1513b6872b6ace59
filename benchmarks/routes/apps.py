"""One application for each way to guard a route; all have the same one route."""

# No "from __future__ import annotations" here: FastAPI reads the annotation of ``connection``,
# and finds no module to look a string up in when a dependency is an object.

import os
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

from benchmarks.calls.by_hand import ByHand
from fastapi_hybrid_breaker import HybridBreaker, circuit

from .by_hand import Guard, Middleware

REDIS: Final = "BENCH_REDIS"
"""Names the server in the environment of a served application."""

PATH: Final = "/stock"

OURS: Final = "ours"
UNGUARDED: Final = "unguarded"
NO_OP_OBJECT: Final = "no-op object"
NO_OP_YIELD: Final = "no-op yield"
BY_HAND: Final = "by hand"
FASTAPI_CB: Final = "fastapi-cb"


class NoOp:
    """The least that a dependency can be which looks at requests and WebSockets alike."""

    async def __call__(self, connection: HTTPConnection) -> None:
        pass


async def no_op_yield() -> AsyncIterator[None]:
    yield


async def stock() -> dict[str, str]:
    return {"sku": "42"}


def unguarded() -> FastAPI:
    app = FastAPI()
    app.get(PATH)(stock)
    return app


def ours() -> FastAPI:
    app = FastAPI()
    HybridBreaker(app, redis=os.environ.get(REDIS))
    app.get(PATH, dependencies=[Depends(circuit("stock"))])(stock)
    return app


def with_no_op_object() -> FastAPI:
    app = FastAPI()
    app.get(PATH, dependencies=[Depends(NoOp())])(stock)
    return app


def by_hand() -> FastAPI:
    app = FastAPI()
    app.add_middleware(Middleware)
    app.get(PATH, dependencies=[Depends(Guard("stock", {"stock": ByHand()}))])(stock)
    return app


def with_no_op_yield() -> FastAPI:
    app = FastAPI()
    app.get(PATH, dependencies=[Depends(no_op_yield)])(stock)
    return app


def with_fastapi_cb() -> FastAPI:
    from fastapi_cb import CircuitBreaker  # noqa: PLC0415 - only where it is installed

    app = FastAPI()
    guarded: Any = CircuitBreaker()(stock)
    app.get(PATH)(guarded)
    return app


FACTORIES: Final = {
    UNGUARDED: unguarded,
    OURS: ours,
    BY_HAND: by_hand,
    NO_OP_OBJECT: with_no_op_object,
    NO_OP_YIELD: with_no_op_yield,
    FASTAPI_CB: with_fastapi_cb,
}
