"""Both libraries, both halves of each, on real and on pretended connections."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from tests.client.bench import KEY, Bench
from tests.client.callers import AsyncCaller, Caller, SyncCaller
from tests.client.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def http(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.fixture(params=["async", "sync"])
def half(request: pytest.FixtureRequest) -> str:
    half: str = request.param
    return half


@pytest.fixture(params=[False, True], ids=["closed", "probing"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(probing=request.param)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


def real_transport(http: ModuleType, half: str, **options: Any) -> Any:
    kind = http.AsyncHTTPTransport if half == "async" else http.HTTPTransport
    # Without certificates of authorities, which take longer to read than a test runs.
    return kind(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False, **options)


@pytest.fixture
async def make_caller(http: ModuleType, half: str) -> AsyncIterator[Callable[..., Caller]]:
    """Return what makes a client around a guarded transport: real connections unless given."""
    callers: list[Caller] = []

    def make(bench: Bench, inner: Any = None, circuit: Any = KEY, **options: Any) -> Caller:
        kind = AsyncCaller if half == "async" else SyncCaller
        if inner is None:
            inner = real_transport(http, half)
        caller = kind(http, bench.breaker.transport(inner, circuit), **options)
        callers.append(caller)
        return caller

    yield make
    for caller in callers:
        await caller.close()
