"""How many functions a reader has to follow: of a trip to another process, and of a recovery."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError
from tests.ways import way_of

from .instances import fail, fleet, hush, settled, succeed, until

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import HybridBreaker, StateChange

    from .server import Server

KEY = "inventory-api"

MOST_OF_A_TRIP = (162, 54)
MOST_OF_A_RECOVERY = (280, 70)
"""Functions and files, with some room for what else happens to be due in that moment. To be
lowered, never raised: a trip to 80 and 30."""


def check(way: list[tuple[str, str]], most: tuple[int, int]) -> None:
    entered = "\n".join(f"{file} {function}" for file, function in way)
    files = {file for file, _ in way}
    assert (len(way) <= most[0], len(files) <= most[1]) == (True, True), (
        f"{len(way)} functions in {len(files)} files:\n{entered}"
    )


async def calm(*breakers: HybridBreaker) -> None:
    """Let everything end that is under way, heartbeats included."""
    await settled(*breakers)
    hush(*breakers)


async def test_a_trip_to_another_process_enters_no_more_functions_than_before(
    server: Server,
) -> None:
    config = CircuitConfig(failure_threshold=2, success_threshold=1, recovery_timeout=30.0)
    async with fleet(server, defaults=config) as (a, b):
        changes: list[StateChange] = []
        b.on_change(changes.append)
        for breaker in (a, b):
            breaker.circuit(KEY)
        await fail(a, KEY, times=1)
        await asyncio.sleep(0.3)  # the first failure has been reported
        await calm(a, b)

        async def trip() -> None:
            await fail(a, KEY, times=1)
            await until(lambda: changes)

        way = await way_of(trip)
        assert [change.new for change in changes] == ["OPEN"]
        check(way, MOST_OF_A_TRIP)


async def test_a_recovery_of_two_processes_enters_no_more_functions_than_before(
    server: Server,
) -> None:
    config = CircuitConfig(failure_threshold=2, success_threshold=2, recovery_timeout=0.5)
    async with fleet(server, defaults=config) as (a, b):
        circuits = [breaker.circuit(KEY) for breaker in (a, b)]
        await fail(a, KEY, times=2)
        await until(lambda: b.state(KEY) == "OPEN")
        await until(lambda: all(circuit.is_ready_to_probe() for circuit in circuits))
        await calm(a, b)

        async def recover() -> None:
            while not (a.state(KEY) == b.state(KEY) == "CLOSED"):
                for breaker in (a, b):
                    with contextlib.suppress(CircuitOpenError):
                        await succeed(breaker, KEY)
                await asyncio.sleep(0.01)

        check(await way_of(recover), MOST_OF_A_RECOVERY)


async def test_a_failing_call_enters_one_function_for_the_fleet(server: Server) -> None:
    """And one more where it is the first since the loop has looked: that wakes it."""
    config = CircuitConfig(failure_threshold=100)
    async with fleet(server, 1, defaults=config) as (a,):
        a.circuit(KEY)
        await calm(a)
        first = await way_of(lambda: fail(a, KEY, times=1))
        second = await way_of(lambda: fail(a, KEY, times=1))

    def of_the_fleet(way: list[tuple[str, str]]) -> list[str]:
        return [function for file, function in way if file.startswith("fleet/")]

    assert of_the_fleet(second) == ["Incoming.touched"]
    assert of_the_fleet(first) == [*of_the_fleet(second), "Incoming._wake"]
