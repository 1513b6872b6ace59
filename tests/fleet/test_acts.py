"""Who resets a circuit or clears an override, and why: all learn it, over real servers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitState, HybridBreaker, StateChange
from tests import inside

from .instances import CONFIG, cut_off, fail, fleet, settled, until
from .sessions import session_of, wake

if TYPE_CHECKING:
    from .proxy import Proxy
    from .server import Server

KEY = "inventory-api"
OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED
REGISTER = f"circuit#override:{{circuit:{KEY}}}"

TEXTS = [
    "x" * 200,
    '"' * 200,
    "\\" * 200,
    "\U0001f600" * 200,
    '","by":"eve"}',
    "|forced_open|0|{}",
    "</script><b>%s{}",
    "\u05d0\u05d1 ü 日本",
]


def last(breaker: HybridBreaker) -> StateChange:
    return breaker.circuit(KEY).history()[-1]


def said(breaker: HybridBreaker) -> tuple[str, str, str]:
    evidence = last(breaker).evidence
    return evidence.cause, evidence.by, evidence.reason


async def overridden(breaker: HybridBreaker) -> None:
    await breaker.override(KEY, "forced_open", by="bob", reason="a move", seconds=None)


async def test_a_reset_tells_all_who_and_why(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(server) as (a, b):
        told: list[StateChange] = []
        b.on_change(told.append)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        with caplog.at_level(logging.INFO, "fastapi_hybrid_breaker"):
            assert await a.reset(KEY, reason="the ledger is back", by="ann") == "fleet"
            await until(lambda: b.state(KEY) is CLOSED)
        for breaker in (a, b):
            assert said(breaker) == ("reset", "ann", "the ledger is back")
            assert last(breaker).instance == a.sync_status().instance
        assert told[-1].evidence.reason == "the ledger is back"
        lines = [one for one in caplog.records if "OPEN -> CLOSED" in one.message]
        assert len(lines) == 2
        assert all(one.message.endswith(": the ledger is back") for one in lines)
        assert {one.__dict__["circuit_by"] for one in lines} == {"ann"}


async def test_a_reset_by_an_instance_that_does_not_know_the_circuit_tells_it_too(
    server: Server,
) -> None:
    async with fleet(server, 1) as (a,):
        await fail(a, KEY)
        await settled(a)
        async with fleet(server, 1) as (b,):
            inside.registry_of(b).by_key.pop(KEY)
            await b.reset(KEY, reason="it is back", by="ann")
            await until(lambda: a.state(KEY) is CLOSED)
            assert said(a) == ("reset", "ann", "it is back")


async def test_a_clearing_tells_all_who_and_why(server: Server) -> None:
    async with fleet(server) as (a, b):
        await overridden(a)
        await until(lambda: b.state(KEY) is OPEN)
        order = {"reason": "the move is over", "by": "ann"}
        assert await b.circuit(KEY).clear_override(**order) == "fleet"
        await until(lambda: a.state(KEY) is CLOSED)
        for breaker in (a, b):
            assert last(breaker).cause == "override_ended"
            assert said(breaker) == ("", "ann", "the move is over")


async def test_who_missed_the_message_reads_who_and_why(server: Server) -> None:
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        await overridden(a)
        await until(lambda: b.stats(KEY).override is not None)
        await settled(b)
        deaf = session_of(b)
        deaf.exchange.inbox.receive = lambda data: None  # type: ignore[method-assign]
        await a.clear_override(KEY, reason="the move is over", by="ann")
        await a.reset(KEY, reason="it is back", by="carl")
        assert b.stats(KEY).override is not None
        deaf.exchange.rereading.repair()
        wake(deaf)
        await until(lambda: b.stats(KEY).override is None and b.state(KEY) is CLOSED)
        told = {(one.evidence.by, one.evidence.reason) for one in b.circuit(KEY).history()}
        assert {("ann", "the move is over"), ("carl", "it is back")} <= told


async def test_what_was_ordered_while_redis_was_away_says_who_and_why_later(
    server: Server, link: Proxy
) -> None:
    beyond = HybridBreaker(redis=link.url, defaults=CONFIG)
    async with beyond, fleet(server, 1) as (other,):
        await fail(beyond, KEY)
        await overridden(beyond)
        await until(lambda: other.stats(KEY).override is not None)
        await until(lambda: inside.of(other.circuit(KEY)).state is OPEN)
        link.hold()
        assert await beyond.clear_override(KEY, reason="the move is over", by="ann") == "queued"
        assert await beyond.reset(KEY, reason="too early", by="bob") == "queued"
        assert await beyond.reset(KEY, reason="it is back", by="carl") == "queued"
        assert said(beyond) == ("reset", "bob", "too early")  # the second one changed nothing
        link.release()
        link.cut()
        await until(lambda: other.state(KEY) is CLOSED)
        told = {(one.evidence.by, one.evidence.reason) for one in other.circuit(KEY).history()}
        assert ("ann", "the move is over") in told
        # The later of two resets that wait serves both. It was below the override, so that it is
        # what the circuit stands on, and no change of the state that callers met.
        stands_on = inside.of(other.circuit(KEY)).evidence
        assert stands_on is not None
        assert (stands_on.by, stands_on.reason) == ("carl", "it is back")
        assert ("bob", "too early") not in told


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_any_text_comes_through_whole_and_the_hash_stays_small(
    server: Server, text: str
) -> None:
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        await overridden(a)
        await until(lambda: b.stats(KEY).override is not None)
        await a.clear_override(KEY, reason=text, by=text)
        await until(lambda: b.stats(KEY).override is None)
        assert said(b) == ("", text, text)
        await b.reset(KEY, reason=text, by=text)
        await until(lambda: a.state(KEY) is CLOSED)
        assert said(a) == ("reset", text, text)
        for name in (f"circuit:{KEY}", REGISTER):
            stored = server.ask.hgetall(name)
            assert sum(len(str(part).encode()) for pair in stored.items() for part in pair) < 3000
        # Nor is it spoilt for who comes later, and it goes on from there.
        await fail(b, KEY)
        await until(lambda: a.state(KEY) is OPEN)
        assert [one.sync_status().dropped for one in (a, b)] == [0, 0]


async def test_a_reset_is_written_back_with_who_and_why(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await fail(a, KEY)
        await a.reset(KEY, reason="it is back", by="ann")
        server.ask.delete(f"circuit:{KEY}")
        session = session_of(a)
        session.exchange.read_all()
        wake(session)
        await until(lambda: server.hash(KEY))
        assert '"by":"ann","reason":"it is back"' in server.hash(KEY)["why"]


@pytest.mark.parametrize("field", ["by", "reason"])
@pytest.mark.parametrize("value", ["x" * 201, "two\nlines", "\x1b[2J", "\ud800", "\u2028", 5, None])
async def test_what_cannot_be_kept_is_refused_before_anything_happens(
    field: str, value: object
) -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    await fail(breaker, KEY)
    await overridden(breaker)
    circuit = breaker.circuit(KEY)
    wanted = f"{field} must be text of 0 to 200 printable characters, not "
    for act in (
        breaker.reset(KEY, **{field: value}),  # type: ignore[arg-type]
        circuit.reset(**{field: value}),  # type: ignore[arg-type]
        breaker.clear_override(KEY, **{field: value}),  # type: ignore[arg-type]
        circuit.clear_override(**{field: value}),  # type: ignore[arg-type]
    ):
        with pytest.raises((TypeError, ValueError), match=wanted):
            await act
    assert inside.of(circuit).state is OPEN
    assert breaker.stats(KEY).override is not None


async def test_without_a_fleet_it_is_in_the_history(server: Server) -> None:
    async with fleet(server, 1) as (breaker,):
        await fail(breaker, KEY)
        await cut_off(breaker)
        await breaker.reset(KEY, reason="it is back", by="ann")
        assert said(breaker) == ("reset", "ann", "it is back")


async def test_neither_has_to_be_said() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    await fail(breaker, KEY)
    assert await breaker.circuit(KEY).reset() == "local"
    assert said(breaker) == ("reset", "", "")
