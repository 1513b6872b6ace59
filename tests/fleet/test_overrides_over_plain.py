"""Overrides of circuits whose hash a plain speaker has written since, over real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker import CircuitState, HybridBreaker
from tests import inside

from .instances import fail, fleet, settled, until
from .sessions import session_of, wake

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"
HASH = f"circuit:{KEY}"
OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED


def write_plainly(server: Server, state: str, next_attempt: int = 0) -> None:
    """Write the hash, and say nothing on the channel: the message is lost, or comes later."""
    server.ask.hset(
        HASH,
        mapping={"state": state, "failures": 0, "successes": 0, "nextAttempt": next_attempt},
    )


def below(breaker: HybridBreaker) -> tuple[CircuitState, int, str]:
    core = inside.of(breaker.circuit(KEY))
    return core.state, core.version, core.writer


async def overridden(server: Server, first: HybridBreaker, other: HybridBreaker) -> None:
    """Disable the circuit at one instance, and wait until both have done what follows."""
    await first.override(KEY, "disabled", by="ann", reason="it is fine", seconds=None)
    await until(lambda: other.stats(KEY).override is not None)
    await settled(first, other)
    assert server.hash(KEY)["state"] == "CLOSED"  # what is in force


async def test_an_opening_that_a_plain_speaker_denied_goes_on_below_an_override(
    server: Server,
) -> None:
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        await settled(a, b)
        opened = below(a)
        write_plainly(server, "CLOSED")
        await overridden(server, a, b)
        stored = server.hash(KEY)
        assert stored["under"].startswith("OPEN|")
        assert (int(stored["version"]), stored["writer"]) == opened[1:]
        await b.clear_override(KEY)
        await until(lambda: a.state(KEY) is OPEN)
        await settled(a, b)
        assert below(a) == below(b) == opened
        assert server.hash(KEY)["state"] == "OPEN"


async def test_an_opening_by_a_plain_speaker_becomes_the_fleets_when_it_is_overridden(
    server: Server,
) -> None:
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        await a.reset(KEY)
        await until(lambda: below(b) == below(a))
        before = below(a)[1]
        seconds, _ = server.ask.time()
        write_plainly(server, "OPEN", (seconds + 30) * 1000)
        await overridden(server, a, b)
        stored = server.hash(KEY)
        assert int(stored["version"]) > before
        assert stored["under"].startswith("OPEN|")
        await until(lambda: below(a)[0] is below(b)[0] is OPEN)
        assert below(a) == below(b) == (OPEN, int(stored["version"]), stored["writer"])


async def test_an_override_brought_back_over_a_plain_hash_leaves_all_agreed(
    server: Server,
) -> None:
    async with fleet(server, 1) as (one,):
        await one.reset(KEY)
        await overridden(server, one, one)
        server.ask.flushdb()
        write_plainly(server, "CLOSED")  # the server forgot, and a plain speaker was first
        session = session_of(one)
        session.exchange.rereading.repair()
        wake(session)
        await until(lambda: "override" in server.ask.hgetall(f"circuit#override:{{{HASH}}}"))
        await settled(one)
        stored = server.hash(KEY)
        assert below(one) == (CLOSED, int(stored["version"]), stored["writer"])
