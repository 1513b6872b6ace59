"""Errors whose texts hold secrets: none of them reaches Redis, or the pages of other services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitState

from .instances import fleet, until

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"


async def fail() -> None:
    raise RuntimeError("no answer from redis://:s3cret@db/0, password=s3cret")


@pytest.mark.parametrize("failures", [1, 3])
async def test_an_openings_error_tells_the_fleet_no_secret(server: Server, failures: int) -> None:
    config = CircuitConfig(failure_threshold=failures)
    async with fleet(server, defaults=config) as (a, b):
        b.circuit(KEY)
        # Those of one instance, or of both: then one of them tells of the other's error too.
        for number in range(failures):
            with pytest.raises(RuntimeError):
                await (a if number < 2 else b).execute(KEY, fail)
        await until(lambda: {a.state(KEY), b.state(KEY)} == {CircuitState.OPEN})
        await until(lambda: "why" in server.hash(KEY))
        assert "s3cret" not in str(server.hash(KEY))
        for one in (a, b):
            (change,) = one.circuit(KEY).history()
            assert change.evidence.error.startswith("RuntimeError: no answer from redis://***@db")
            assert "s3cret" not in change.evidence.error
