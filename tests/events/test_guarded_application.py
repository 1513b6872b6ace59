"""The live events of an application all of whose routes one circuit guards."""

from __future__ import annotations

import asyncio

import httpx2
from fastapi import Depends

from fastapi_hybrid_breaker import circuit
from tests.fleet.instances import fail

from .reader import reading
from .serving import served

KEY = "inventory-api"


async def test_events_and_health_go_on_while_the_circuit_is_open() -> None:
    async with served(dependencies=[Depends(circuit(KEY))]) as (breaker, port):
        await fail(breaker, KEY)
        async with reading(port) as reader, httpx2.AsyncClient() as client:
            snapshot = await reader.next()
            assert [row["state"] for row in snapshot.data["circuits"]] == ["OPEN"]
            base = f"http://127.0.0.1:{port}/circuits"
            answers = await asyncio.gather(
                client.get(base),
                client.get(f"{base}/-/health"),
                client.get(f"{base}/-/fleet"),
                client.get(f"{base}/-/console"),
                client.get(f"{base}/{KEY}"),
            )
            assert [answer.status_code for answer in answers] == [200] * 5
            assert breaker.circuit(KEY).stats().rejected == 0
            assert (await client.delete(f"{base}/{KEY}")).status_code == 204
            await reader.until("circuit", state="CLOSED")
