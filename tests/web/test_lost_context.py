"""A guarded call that runs in another context than what encloses it, on the same circuit.

It is short of the very place among the probes that the enclosing call or request holds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import httpx2
import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitState
from tests.lengths import slowly
from tests.patience import PATIENCE

from .bench import trip
from .lost_context import Shop
from .servers import request, uvicorn_serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATHS = [
    "/route/executor",
    "/route/worker",
    "/route/transport-in-executor",
    "/route/twice-apart",
    "/route/threadpool",
    "/route/to-thread",
    "/route/background-task",
    "/route/beside-unguarded",
    "/held/route-first",
    "/held/route-last",
    "/held/async-route-last",
    "/held/call",
    "/held/executor",
    "/call/executor",
    "/call/group",
    "/call/own-error",
    "/call/apart",
    "/call/twice-apart",
]

CONFIGS = {
    "defaults": CircuitConfig(),
    "one success": CircuitConfig(success_threshold=1),
    "one at a time": CircuitConfig(success_threshold=3, half_open_max_calls=1),
}

MOST_BURSTS = 60
"""More than chance ever needs, where the place moves by chance."""


async def recover(shop: Shop, ask: Callable[[], Awaitable[int]], at_once: int) -> Counter[int]:
    """Send requests in bursts until the circuit is closed; return how many had which status."""
    trip(shop.guarded)
    shop.clock.advance(shop.guarded.config.recovery_timeout)
    statuses: Counter[int] = Counter()
    for _ in range(MOST_BURSTS):
        statuses.update(await asyncio.gather(*(ask() for _ in range(at_once))))
        assert shop.guarded.state is not CircuitState.OPEN, "a healthy upstream is called dead"
        if shop.guarded.state is CircuitState.CLOSED:
            return statuses
    raise AssertionError(f"half-open for ever: {statuses}")


@pytest.mark.parametrize("at_once", [1, 10])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("path", PATHS)
async def test_a_circuit_recovers_whatever_context_its_calls_run_in(
    path: str, config: CircuitConfig, at_once: int
) -> None:
    shop = Shop(config)
    transport = httpx.ASGITransport(shop.app, raise_app_exceptions=False)
    async with (
        shop.lifespan(shop.app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):

        async def ask() -> int:
            return (await client.get(path)).status_code

        await recover(shop, ask, at_once)
        assert await asyncio.gather(*(ask() for _ in range(10))) == [200] * 10


@pytest.mark.parametrize(
    "path", ["/route/executor", "/route/worker", "/route/transport-in-executor"]
)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
async def test_the_first_request_is_a_good_probe(path: str, config: CircuitConfig) -> None:
    shop = Shop(config)
    transport = httpx.ASGITransport(shop.app)
    async with (
        shop.lifespan(shop.app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        trip(shop.guarded)
        shop.clock.advance(shop.guarded.config.recovery_timeout)
        for _ in range(config.success_threshold):
            assert (await client.get(path)).status_code == 200
        assert shop.guarded.state is CircuitState.CLOSED


@pytest.mark.parametrize("path", ["/held/call", "/held/executor", "/call/executor", "/call/apart"])
async def test_one_rejection_inside_of_a_probe_is_enough(path: str) -> None:
    """The call inside is of another kind, so nothing is left to chance."""
    shop = Shop(CONFIGS["one at a time"])
    transport = httpx.ASGITransport(shop.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        trip(shop.guarded)
        shop.clock.advance(shop.guarded.config.recovery_timeout)
        statuses = [(await client.get(path)).status_code for _ in range(5)]
    assert statuses == [503, 200, 200, 200, 200]
    assert shop.upstream.most == 1


async def burst(port: int, path: str, size: int = 10) -> Counter[int]:
    """Send requests at once, each on a connection of its own."""
    base = f"http://127.0.0.1:{port}"
    async with httpx2.AsyncClient(base_url=base, timeout=PATIENCE, verify=False) as client:
        answers = await asyncio.gather(*(client.get(path) for _ in range(size)))
    return Counter(answer.status_code for answer in answers)


def circuit_of(port: int) -> dict[str, object]:
    shown: dict[str, object] = request("GET", f"http://127.0.0.1:{port}/-/circuit").json()
    return shown


@pytest.mark.parametrize("successes", ["1", *slowly("2")])
async def test_behind_uvicorn_bursts_of_ten_are_served_again(
    successes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUCCESS_THRESHOLD", successes)
    with uvicorn_serving("tests.web.served_lost_context:app") as port:
        for path in PATHS:
            request("POST", f"http://127.0.0.1:{port}/-/half-open").raise_for_status()
            for _ in range(MOST_BURSTS):
                await burst(port, path)
                if circuit_of(port)["state"] == "CLOSED":
                    break
            assert await burst(port, path) == {200: 10}, path
