"""Rates over the calls of a whole fleet, on a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CountWindow,
    FailureRate,
    HybridBreaker,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside

from .instances import fail, fleet, hush, settled, succeed, until
from .sessions import report_number, session_of

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"
EVIDENCE = "circuit#evidence:{circuit:inventory-api}"


def rate(share: float, minimum: int, **more: Any) -> CircuitConfig:
    rule = FailureRate(share, window=TimeWindow(20.0), minimum_calls=minimum)
    return CircuitConfig(trip=rule, recovery_timeout=30.0, **more)


def know(breakers: list[HybridBreaker]) -> None:
    for breaker in breakers:
        breaker.circuit(KEY)


def counted(server: Server) -> list[int]:
    """All calls that the fleet has counted, by kind."""
    sums = [0] * 5
    for field, value in server.ask.hgetall(EVIDENCE).items():
        if field.startswith(":calls:"):
            for kind, calls in enumerate(value.split("|")[1].split(",")):
                sums[kind] += int(calls)
    return sums


async def test_fifty_instances_with_nine_failures_each_open_what_ten_calls_open(
    server: Server,
) -> None:
    async with fleet(server, 50, rate(0.5, 10)) as breakers:
        know(breakers)
        await settled(*breakers)
        await asyncio.gather(*(fail(breaker, KEY, times=9) for breaker in breakers))
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "OPEN")
        evidence = breakers[0].circuit(KEY).history()[-1].evidence
        assert evidence.rule.endswith("in the whole fleet")
        assert evidence.calls >= 10
        assert evidence.failed == evidence.calls


async def test_one_sick_instance_among_busy_ones_opens_nothing(server: Server) -> None:
    async with fleet(server, 5, rate(0.5, 20)) as breakers:
        sick, *well = breakers
        know(breakers)
        await settled(*breakers)
        await asyncio.gather(*(succeed(breaker, KEY, times=50) for breaker in well))
        await fail(sick, KEY, times=19)
        await until(lambda: sum(counted(server)) == 219, "all have told all")
        await settled(*breakers)
        exchange = session_of(sick).exchange
        number = report_number(exchange)
        await until(lambda: report_number(exchange) > number + 4, "asked again for what all count")
        assert {breaker.state(KEY) for breaker in breakers} == {"CLOSED"}
        await fail(sick, KEY, times=1)  # its own calls are enough by now: at once, for all
        assert sick.state(KEY) == "OPEN"
        await until(lambda: well[0].state(KEY) == "OPEN")


async def test_each_call_is_counted_once_however_often_it_is_told(server: Server) -> None:
    async with fleet(server, 3, rate(1.0, 1_000)) as breakers:
        know(breakers)
        await settled(*breakers)
        await asyncio.gather(*(succeed(breaker, KEY, times=30) for breaker in breakers[1:]))
        for _ in range(20):
            await fail(breakers[0], KEY, times=2)
            await succeed(breakers[1], KEY)
            await asyncio.sleep(0)
        await until(lambda: counted(server) == [80, 40, 0, 0, 0], "all have told all")
        await settled(*breakers)
        assert counted(server) == [80, 40, 0, 0, 0]


async def test_slow_calls_of_all_count_together(server: Server) -> None:
    rule = SlowCallRate(0.5, slower_than=1.0, window=TimeWindow(20.0), minimum_calls=10)
    async with fleet(server, 3, CircuitConfig(trip=rule, recovery_timeout=30.0)) as breakers:
        know(breakers)
        await settled(*breakers)
        for breaker in breakers:
            circuit = breaker.circuit(KEY)
            for _ in range(4):
                inside.settle(circuit, inside.admit(circuit), Outcome.SUCCESS, seconds=2.0)
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "OPEN")
        change = next(
            one for b in breakers for one in b.circuit(KEY).history() if one.cause != "fleet"
        )
        assert change.cause == "slow_calls"
        assert change.evidence.slow >= 10


async def test_calm_and_merely_busy_circuits_tell_nothing(server: Server) -> None:
    async with fleet(server, 2, rate(0.5, 1_000)) as (a, b):
        know([a, b])
        await settled(a, b)
        hush(a, b)
        await succeed(a, KEY, times=10)
        before = server.commands()
        for _ in range(100):
            await succeed(a, KEY, times=10)
            await fail(a, KEY, times=1)
            await succeed(b, KEY, times=1)
        await settled(a, b)
        assert server.commands() == before


async def test_a_count_window_is_not_added_up(server: Server) -> None:
    rule = FailureRate(0.5, window=CountWindow(100), minimum_calls=10)
    async with fleet(server, 2, CircuitConfig(trip=rule, recovery_timeout=30.0)) as (a, b):
        know([a, b])
        await settled(a, b)
        await fail(a, KEY, times=9)
        await fail(b, KEY, times=9)
        await settled(a, b)
        assert counted(server) == [0] * 5
        await fail(a, KEY, times=1)
        await until(lambda: a.state(KEY) == b.state(KEY) == "OPEN")
