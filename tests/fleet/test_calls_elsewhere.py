"""A guarded route whose guarded calls are made by another process, as in a pool of processes."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError
from fastapi_hybrid_breaker.core.states import SUCCESS
from tests import inside
from tests.patience import PATIENCE

from .instances import fail, fleet, succeed, until

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"
CONFIG = CircuitConfig(
    failure_threshold=3, success_threshold=1, half_open_max_calls=1, recovery_timeout=0.2
)


async def test_the_circuit_recovers_although_the_route_holds_the_place_elsewhere(
    server: Server,
) -> None:
    async with fleet(server, defaults=CONFIG) as (serving, calling):
        await fail(serving, KEY)
        await until(lambda: calling.state(KEY) == "OPEN")
        route = serving.circuit(KEY)

        async def request() -> None:
            permit = inside.admit(route, is_route=True)
            try:
                await succeed(calling, KEY)
            except CircuitOpenError as error:
                inside.settle_error(route, permit, pickle.loads(pickle.dumps(error)))  # noqa: S301 - ours
            else:
                inside.settle(route, permit, SUCCESS)

        async with asyncio.timeout(PATIENCE):
            while (serving.state(KEY), calling.state(KEY)) != ("CLOSED", "CLOSED"):
                try:
                    await request()
                except CircuitOpenError:
                    pass
                await asyncio.sleep(0.005)
