"""What the log says of changes that another instance has decided."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .instances import fail, fleet, settled, until
from .player import KEY

if TYPE_CHECKING:
    import pytest

    from .server import Server


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.getMessage().startswith("circuit ")]


async def test_a_change_received_from_elsewhere_names_the_instance(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        await settled(a, b)
        with caplog.at_level(logging.INFO, "fastapi_hybrid_breaker"):
            await fail(a, KEY)
            await until(lambda: b.state(KEY) == "OPEN")
        instance = a.sync_status().instance
        why = "3 failures in a row; ConnectionError"
        assert lines(caplog) == [
            f"circuit {KEY}: CLOSED -> OPEN (failures): {why}",
            f"circuit {KEY}: CLOSED -> OPEN (by instance {instance}): {why}",
        ]


async def test_an_override_received_from_elsewhere_names_the_instance_as_well(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        instance = a.sync_status().instance
        with caplog.at_level(logging.INFO, "fastapi_hybrid_breaker"):
            await a.override(KEY, "forced_open", by="ann", reason="a test", seconds=None)
            await until(lambda: b.state(KEY) == "OPEN")
            await a.clear_override(KEY, by="ann")
            await until(lambda: b.state(KEY) == "CLOSED")
        received = [line for line in lines(caplog) if "by instance" in line]
        assert [line.partition("(")[2].partition(")")[0] for line in received] == [
            f"override, by instance {instance}",
            f"override_ended, by instance {instance}",
        ]
        assert len(lines(caplog)) == 4
