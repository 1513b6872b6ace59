"""One set of probes for the whole fleet, on a real server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside
from tests.patience import PATIENCE

from .instances import cut_off, fail, fix_round_trip, fleet, probe, settled, until
from .sessions import posts_of, session_of

if TYPE_CHECKING:
    from .player import Player
    from .server import Server

KEY = "inventory-api"


def config(**more: Any) -> CircuitConfig:
    settings = {"failure_threshold": 1, "success_threshold": 2, "recovery_timeout": 0.3}
    return CircuitConfig(**(settings | more))


class Upstream:
    """A dependency that counts the calls in it, and answers when it is told to."""

    def __init__(self) -> None:
        self.calls = self.running = self.most = 0
        self.answers = asyncio.Event()

    async def __call__(self) -> None:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.answers.wait()
        finally:
            self.running -= 1


@contextlib.asynccontextmanager
async def traffic(upstream: Upstream, *breakers: HybridBreaker) -> Any:
    """Let each instance call all the time."""

    async def call(breaker: HybridBreaker) -> None:
        while True:
            with contextlib.suppress(CircuitOpenError):
                await breaker.execute(KEY, upstream)
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(call(breaker)) for breaker in breakers for _ in range(3)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def opened(*breakers: HybridBreaker) -> None:
    """Open the circuit at the first one, and wait until all know each other and it."""
    for breaker in breakers:
        breaker.circuit(KEY)
    await settled(*breakers)
    for breaker in breakers:
        await until(lambda b=breaker: inside.peers_of(b).live == len(breakers))
    await fail(breakers[0], KEY, times=1)
    for breaker in breakers:
        await until(lambda b=breaker: b.state(KEY) == "OPEN")


def lease_of(server: Server) -> list[str]:
    return server.hash(KEY).get("lease", "").split("|")


async def test_no_more_probes_run_in_the_fleet_than_the_configuration_allows(
    server: Server,
) -> None:
    async with fleet(server, 5, config(half_open_timeout=20.0)) as breakers:
        upstream = Upstream()
        await opened(*breakers)
        async with traffic(upstream, *breakers):
            await until(lambda: upstream.running == 2)
            for breaker in breakers:
                await until(lambda b=breaker: b.state(KEY) == "HALF_OPEN")
            rejected = [breaker.stats(KEY).rejected for breaker in breakers]
            await until(  # a good while: each instance has been refused again and again
                lambda: all(
                    b.stats(KEY).rejected > before + 100
                    for b, before in zip(breakers, rejected, strict=True)
                )
            )
            assert upstream.most == 2
            upstream.answers.set()
            for breaker in breakers:
                await until(lambda b=breaker: b.state(KEY) == "CLOSED")


async def test_a_rejected_caller_is_told_to_wait_a_second_at_least(server: Server) -> None:
    # The probes hold their places for as long as this test may take on a busy machine.
    async with fleet(server, 2, config(half_open_timeout=10 * PATIENCE)) as (a, b):
        upstream = Upstream()
        await opened(a, b)
        async with traffic(upstream, a):
            await until(lambda: upstream.running == 2)
            await until(lambda: inside.of(b.circuit(KEY)).probes_elsewhere == 2)
            with pytest.raises(CircuitOpenError) as caught:
                async with asyncio.timeout(PATIENCE):
                    await b.execute(KEY, upstream)
            assert caught.value.retry_after >= 1.0
            assert b.stats(KEY).retry_after >= 1.0


async def test_the_lease_of_an_instance_that_is_cut_off_passes_on(server: Server) -> None:
    async with fleet(server, 2, config(half_open_timeout=0.5)) as (a, b):
        upstream = Upstream()
        await opened(a, b)
        async with traffic(upstream, a):
            await until(lambda: upstream.running == 2)
        # Its calls are cancelled, and it never says a word any more.
        await cut_off(a)
        upstream.answers.set()
        async with traffic(upstream, b), asyncio.timeout(PATIENCE):
            while b.state(KEY) != "CLOSED":
                await asyncio.sleep(0.01)


async def test_probes_of_who_lost_the_lease_still_take_their_places(server: Server) -> None:
    async with fleet(server, 2, config(half_open_timeout=20.0)) as (a, b):
        upstream = Upstream()
        await opened(a, b)
        async with traffic(upstream, a):
            await until(lambda: server.hash(KEY).get("probing", "").split(":")[1:2] == ["2"])
            await cut_off(a)
            async with traffic(upstream, b):
                await until(lambda: inside.of(b.circuit(KEY)).lease is None)
                post = posts_of(session_of(b).exchange)
                async with asyncio.timeout(PATIENCE):
                    while lease_of(server)[2:3] and not _is_over(server):
                        await asyncio.sleep(0.01)
                before = b.stats(KEY).rejected
                await until(lambda: b.stats(KEY).rejected > before + 100)
                assert upstream.most == 2
                assert KEY in post


def _is_over(server: Server) -> bool:
    seconds, microseconds = server.ask.time()
    return int(lease_of(server)[2]) < seconds * 1000 + microseconds / 1000 - 300


async def test_a_lease_without_calls_passes_to_who_has_some(server: Server) -> None:
    async with fleet(server, 2, config(recovery_timeout=0.5)) as (a, b):
        upstream = Upstream()
        upstream.answers.set()
        fix_round_trip(a, b, seconds=0.3)
        await opened(a, b)
        with contextlib.suppress(CircuitOpenError):
            await a.execute(KEY, upstream)  # has traffic, so it asks in time, and then no more
        await until(lambda: lease_of(server)[0] == a.sync_status().instance)
        async with traffic(upstream, b), asyncio.timeout(PATIENCE):
            while b.state(KEY) != "CLOSED":
                await asyncio.sleep(0.01)


async def test_successes_carry_over_to_the_next_holder(server: Server) -> None:
    async with fleet(server, 2, config()) as (a, b):
        await opened(a, b)
        await until(lambda: a.stats(KEY).retry_after == 0)
        await probe(a, KEY)
        assert a.stats(KEY).successes == 1
        async with asyncio.timeout(PATIENCE):
            while lease_of(server)[3:4] != ["1"]:
                await asyncio.sleep(0.01)
            # One more is enough, wherever it comes from, when the lease has passed on.
            while True:
                with contextlib.suppress(CircuitOpenError):
                    await b.execute(KEY, lambda: None)
                    break
                await asyncio.sleep(0.01)
        assert b.state(KEY) == "CLOSED"
        await until(lambda: a.state(KEY) == "CLOSED")


async def test_a_failed_probe_opens_it_again_for_all(server: Server) -> None:
    async with fleet(server, 3, config(recovery_timeout=0.4)) as (a, b, c):
        await opened(a, b, c)
        version = b.stats(KEY).version
        await until(lambda: a.stats(KEY).retry_after == 0)
        await probe(a, KEY, works=False)
        await until(lambda: b.stats(KEY).version > version and b.state(KEY) == "OPEN")
        assert c.circuit(KEY).history()[-1].cause == "fleet"


async def test_who_is_the_only_instance_probes_at_once(server: Server) -> None:
    async with fleet(server, 1, config(success_threshold=1)) as (a,):
        await opened(a)
        await until(lambda: a.stats(KEY).retry_after == 0)
        await a.execute(KEY, lambda: None)
        assert a.state(KEY) == "CLOSED"


async def test_without_redis_each_instance_probes_for_itself(server: Server) -> None:
    async with fleet(server, 2, config(success_threshold=1)) as breakers:
        await opened(*breakers)
        server.kill()
        for breaker in breakers:
            await until(lambda b=breaker: b.sync_status().state == "isolated")
        for breaker in breakers:
            await until(lambda b=breaker: b.stats(KEY).retry_after == 0)
            await breaker.execute(KEY, lambda: None)
            assert breaker.state(KEY) == "CLOSED"


async def test_a_hung_server_does_not_keep_the_circuit_from_probing(server: Server) -> None:
    async with fleet(server, 2, config(success_threshold=1)) as (a, b):
        await opened(a, b)
        server.hang()
        async with asyncio.timeout(PATIENCE):
            while a.state(KEY) != "CLOSED":
                with contextlib.suppress(CircuitOpenError):
                    await a.execute(KEY, lambda: None)
                await asyncio.sleep(0.005)


def test_many_circuits_that_open_together_do_not_ask_in_one_burst(
    players: tuple[Player, Player],
) -> None:
    a, _ = players  # whose clock stands still: however slow the machine, all open together
    circuits = [a.breaker.circuit(f"host:{number}") for number in range(200)]
    for circuit in circuits:
        inside.settle(circuit, inside.admit(circuit), Outcome.FAILURE)
    assert len({inside.of(circuit).open_until for circuit in circuits}) == 1
    posts = posts_of(a.exchange)
    asked = sorted(posts[circuit.key].not_before for circuit in circuits)
    assert 0.3 < asked[-1] - asked[0] < 2.0
