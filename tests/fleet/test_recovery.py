"""Recoveries with few calls: nobody waits for a lease, and a place is free as soon as it can be."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.core.lease import FEW_CALLS
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.fleet.leases import UNUSED_TERM
from tests import inside

from .companion import Companion, together
from .instances import fail, fix_round_trip, fleet, settled, until
from .player import KEY
from .recovering import _field, open_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .server import Server

OPEN_TIME = 0.4


def config(**more: Any) -> CircuitConfig:
    settings = {"failure_threshold": 1, "success_threshold": 2, "recovery_timeout": OPEN_TIME}
    return CircuitConfig(**(settings | more))


@pytest.fixture
def join(server: Server) -> Iterator[Callable[..., Companion]]:
    """Add an instance to the fleet."""
    with contextlib.ExitStack() as stack:

        def enter(instance: str, **settings: Any) -> Companion:
            companion = Companion(server, instance, **{"recovery_timeout": OPEN_TIME, **settings})
            companion.circuit  # noqa: B018 - made
            stack.callback(companion.close)
            return companion

        yield enter


async def opened(*breakers: HybridBreaker) -> None:
    """Open the circuit everywhere, and let its recovery timeout elapse without a call."""
    fix_round_trip(*breakers, seconds=0.001)
    for breaker in breakers:
        breaker.circuit(KEY)
    await settled(*breakers)
    for breaker in breakers:
        await until(lambda b=breaker: inside.peers_of(b).live == len(breakers))
    await fail(breakers[0], KEY, times=1)
    for breaker in breakers:
        await until(lambda b=breaker: b.state(KEY) == "OPEN")
    for breaker in breakers:
        await until(lambda b=breaker: inside.of(b.circuit(KEY)).calls_per_second is not None)
        await until(lambda b=breaker: b.stats(KEY).retry_after == 0)


async def nothing() -> None:
    pass


# -- the next call is a probe ---------------------------------------------------------------------


async def test_no_call_is_rejected_after_the_open_time_where_calls_are_rare(server: Server) -> None:
    async with fleet(server, 3, config()) as (a, b, c):
        await opened(a, b, c)
        await b.execute(KEY, nothing)  # it has never had a call before
        await until(lambda: inside.of(c.circuit(KEY)).successes == 1)
        await c.execute(KEY, nothing)
        assert c.state(KEY) == "CLOSED"
        for breaker in (a, b):
            await until(lambda x=breaker: x.state(KEY) == "CLOSED")
            assert breaker.stats(KEY).rejected == 0


async def test_a_probe_that_runs_elsewhere_keeps_others_back_until_it_ends(server: Server) -> None:
    async with fleet(server, 2, config(half_open_max_calls=1)) as (a, b):
        await opened(a, b)
        answers = asyncio.Event()
        probe = asyncio.create_task(a.execute(KEY, answers.wait))
        await until(lambda: inside.of(b.circuit(KEY)).probes_elsewhere == 1)
        with pytest.raises(CircuitOpenError):
            await b.execute(KEY, nothing)
        answers.set()
        await probe
        await until(lambda: inside.of(b.circuit(KEY)).probes_elsewhere == 0)
        await b.execute(KEY, nothing)
        assert b.state(KEY) == "CLOSED"


@pytest.mark.parametrize("ends_by", ["an error", "cancellation"])
async def test_a_probe_that_is_not_counted_gives_its_place_back_as_well(
    server: Server, ends_by: str
) -> None:
    settings = config(half_open_max_calls=1, ignored_exceptions=(KeyError,))
    async with fleet(server, 2, settings) as (a, b):
        await opened(a, b)
        answers = asyncio.Event()

        async def work() -> None:
            await answers.wait()
            raise KeyError

        probe = asyncio.create_task(a.execute(KEY, work))
        await until(lambda: inside.of(b.circuit(KEY)).probes_elsewhere == 1)
        if ends_by == "cancellation":
            probe.cancel()
        answers.set()
        await asyncio.wait([probe])
        await until(lambda: inside.of(b.circuit(KEY)).probes_elsewhere == 0)
        await b.execute(KEY, nothing)


async def test_a_failed_probe_opens_it_again_and_the_next_is_as_quick(server: Server) -> None:
    async with fleet(server, 3, config(success_threshold=1)) as (a, b, c):
        await opened(a, b, c)
        version = c.stats(KEY).version
        await fail(a, KEY, times=1)
        await until(lambda: c.stats(KEY).version > version and c.state(KEY) == "OPEN")
        await until(lambda: c.circuit(KEY).stats().retry_after == 0)
        await c.execute(KEY, nothing)
        assert c.state(KEY) == "CLOSED"


# -- with many calls the lease decides ----------------------------------------------------------


async def test_where_calls_are_not_rare_a_call_needs_a_lease(server: Server) -> None:
    async with fleet(server, 2, config()) as (a, b):
        await opened(a, b)
        fix_round_trip(a, b, seconds=60.0)
        core = inside.of(b.circuit(KEY))
        assert (core.calls_per_second or 0) * 2 * 60.0 > FEW_CALLS
        with pytest.raises(CircuitOpenError):
            await b.execute(KEY, nothing)
        await until(lambda: core.lease is not None)
        assert core.state == "OPEN"
        await b.execute(KEY, nothing)


def test_a_lease_that_nobody_uses_passes_on_soon(server: Server, join: Any) -> None:
    a, b = (join(name, round_trip=60.0) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    for player in (a, b):
        inside.peers_of(player.breaker).round_trip = 0.01  # as it is
        inside.of(player.circuit).calls_per_second = 1_000.0  # and yet calls are many
    with pytest.raises(CircuitOpenError):
        a.call()
    a.send()
    owner, given, ends, _ = _field(server, "lease").split("|")
    assert owner == "aaaa"
    assert int(ends) - int(given) == UNUSED_TERM * 1000
    lease = inside.of(a.circuit).lease
    assert lease is not None
    assert lease.deadline - a.clock() <= UNUSED_TERM / 2  # no probe begins in the last half
    with pytest.raises(CircuitOpenError):
        b.call()
    b.send()
    assert inside.of(b.circuit).lease is None
    together(a, b, seconds=UNUSED_TERM + 0.1)
    with pytest.raises(CircuitOpenError):
        b.call()
    b.send()
    assert inside.of(b.circuit).lease is not None


@pytest.mark.parametrize(
    ("round_trip", "seconds"), [(0.01, 0.3), (0.1, 0.4), (0.25, 1.0), (5.0, 2.0)]
)
def test_it_lasts_for_four_round_trips_and_two_seconds_at_most(
    server: Server, join: Any, round_trip: float, seconds: float
) -> None:
    a = join("aaaa", round_trip=60.0)
    open_for_all(a)
    inside.peers_of(a.breaker).round_trip = round_trip
    inside.of(a.circuit).calls_per_second = 1_000.0
    with pytest.raises(CircuitOpenError):
        a.call()
    a.send()
    _, given, ends, _ = _field(server, "lease").split("|")
    assert int(ends) - int(given) == round(seconds * 1000)


def test_a_lease_that_is_used_is_prolonged_and_shortened_when_the_probe_has_ended(
    server: Server, join: Any
) -> None:
    a = join("aaaa", round_trip=60.0, success_threshold=3)
    open_for_all(a)
    inside.peers_of(a.breaker).round_trip = 0.01
    inside.of(a.circuit).calls_per_second = 1_000.0
    with pytest.raises(CircuitOpenError):
        a.call()
    a.send()
    permit = inside.admit(a.circuit)
    a.send()
    _, given, ends, _ = _field(server, "lease").split("|")
    assert int(ends) - int(given) == 2000
    inside.settle(a.circuit, permit, Outcome.SUCCESS)
    a.send()
    _, given, ends, successes = _field(server, "lease").split("|")
    assert (int(ends) - int(given), successes) == (300, "1")
    assert _field(server, "probing") == ""
