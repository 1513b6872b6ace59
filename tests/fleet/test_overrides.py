"""An operator's hand on a circuit, in the whole fleet, over real servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitOpenError, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside
from tests.patience import PATIENCE

from .forced import KEY, force_open
from .instances import CONFIG, fail, fleet, settled, succeed, until
from .server import arrived
from .sessions import session_of, wake
from .speaker import PlainSpeaker

if TYPE_CHECKING:
    from .server import Server
OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED
REGISTER = f"circuit#override:{{circuit:{KEY}}}"


async def test_forced_open_reaches_the_others_with_who_and_why(server: Server) -> None:
    async with fleet(server) as (a, b):
        await succeed(b, KEY)
        assert await force_open(a) == "fleet"
        await until(lambda: b.state(KEY) is OPEN)
        with pytest.raises(CircuitOpenError) as rejection:
            await succeed(b, KEY)
        assert 3500 < rejection.value.retry_after <= 3600
        view = b.stats(KEY).override
        assert view is not None
        assert (view.kind, view.by, view.reason) == ("forced_open", "ann", "a migration")
        change = b.circuit(KEY).history()[-1]
        assert change.instance == a.sync_status().instance
        assert (change.cause, change.evidence.by, change.evidence.reason) == (
            "override",
            "ann",
            "a migration",
        )


async def test_disabled_admits_and_counts_nothing_on_every_instance(server: Server) -> None:
    async with fleet(server) as (a, b):
        await fail(b, KEY)
        await until(lambda: a.state(KEY) is OPEN)
        await a.override(KEY, "disabled", by="ann", reason="it is fine", seconds=None)
        await until(lambda: b.state(KEY) is CLOSED)
        await fail(b, KEY, times=10)
        await succeed(b, KEY)
        assert b.state(KEY) is CLOSED
        await b.clear_override(KEY)
        await until(lambda: a.state(KEY) is OPEN)  # as it was underneath
        assert b.state(KEY) is OPEN


async def test_long_names_and_reasons_in_any_script_arrive_whole(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        by, reason = "\U0001f600" * 200, "ж" * 200
        assert await a.override(KEY, "forced_open", by=by, reason=reason, seconds=60) == "fleet"
        async with fleet(server, 1) as (late,):
            view = late.stats(KEY).override
            assert view is not None
            assert (view.by, view.reason) == (by, reason)


async def test_clearing_on_one_instance_ends_it_on_the_other(server: Server) -> None:
    async with fleet(server) as (a, b):
        await force_open(a)
        await until(lambda: b.state(KEY) is OPEN)
        assert await b.clear_override(KEY, by="bob") == "fleet"
        await until(lambda: a.state(KEY) is CLOSED)
        await succeed(a, KEY)
        assert a.circuit(KEY).history()[-1].evidence.by == "bob"


async def test_an_instance_that_starts_later_knows_it_before_it_serves(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await force_open(a)
        await settled(a)
        async with fleet(server, 1) as (late,):
            assert late.state(KEY) is OPEN
            with pytest.raises(CircuitOpenError):
                await succeed(late, KEY)


async def test_plain_readers_see_the_state_in_force_and_the_own_one_after_it(
    server: Server,
) -> None:
    async with fleet(server, 1) as (a,):
        await succeed(a, KEY)
        await force_open(a, seconds=600)
        stored = server.hash(KEY)
        assert stored["state"] == "OPEN"
        assert 595_000 < int(stored["nextAttempt"]) - int(server.ask.time()[0]) * 1000 < 601_500
        await a.clear_override(KEY)
        assert server.hash(KEY) == {}  # nobody had told a state before


async def test_plain_readers_see_a_disabled_circuit_as_closed(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await fail(a, KEY)
        await a.override(KEY, "disabled", by="ann", reason="fine", seconds=600)
        assert server.hash(KEY)["state"] == "CLOSED"
        await a.clear_override(KEY)
        assert server.hash(KEY)["state"] == "OPEN"


async def test_messages_tell_plain_listeners_what_is_in_force(server: Server) -> None:
    with server.ask.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("circuit:updates")
        listener.get_message(timeout=PATIENCE)
        async with fleet(server, 1) as (a,):
            await force_open(a)
            await a.clear_override(KEY)
        said = [json.loads(message["data"]) for message in arrived(listener)]
        assert [one["stats"]["state"] for one in said] == ["OPEN", "CLOSED"]


async def test_it_ends_by_itself_at_its_time_on_every_instance(server: Server) -> None:
    async with fleet(server) as (a, b):
        await succeed(b, KEY)
        await force_open(a, seconds=0.4)
        await until(lambda: b.stats(KEY).override is not None)
        await until(lambda: a.state(KEY) is CLOSED and b.state(KEY) is CLOSED)
        await succeed(a, KEY)
        await succeed(b, KEY)
        await until(lambda: not server.hash(KEY))  # plain readers need not wait for its end
        await until(lambda: b.circuit(KEY).history()[-1].cause == "override_ended")


async def test_a_trip_and_a_reset_change_the_state_underneath_only(server: Server) -> None:
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        await force_open(a)
        await until(lambda: b.stats(KEY).override is not None)
        assert await b.reset(KEY) == "fleet"
        assert (a.state(KEY), b.state(KEY)) == (OPEN, OPEN)
        assert server.hash(KEY)["state"] == "OPEN"
        await a.clear_override(KEY)
        await until(lambda: b.state(KEY) is CLOSED)
        assert a.state(KEY) is CLOSED


async def test_it_survives_an_outage_in_memory_and_is_written_back(server: Server) -> None:
    async with fleet(server) as (a, b):
        await force_open(a, seconds=None)
        await until(lambda: b.state(KEY) is OPEN)
        server.kill()
        with pytest.raises(CircuitOpenError):
            await succeed(b, KEY)
        server.start()  # empty
        await until(lambda: server.ask.exists(REGISTER))
        async with fleet(server, 1) as (late,):
            await until(lambda: late.state(KEY) is OPEN)
            view = late.stats(KEY).override
            assert view is not None
            assert (view.by, view.remaining) == ("ann", None)
        assert a.state(KEY) is OPEN


async def test_set_while_redis_is_away_it_is_in_force_here_and_reaches_the_fleet_later(
    server: Server,
) -> None:
    async with fleet(server) as (a, b):
        await succeed(b, KEY)
        server.kill()
        assert await force_open(a) == "queued"
        assert (a.state(KEY), b.state(KEY)) == (OPEN, CLOSED)
        server.start()
        await until(lambda: b.state(KEY) is OPEN)


async def test_cleared_while_an_instance_was_away_it_is_not_brought_back(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await force_open(a, seconds=None)
        async with fleet(server, 1) as (b,):
            await until(lambda: b.state(KEY) is OPEN)
            deaf = session_of(b)
            deaf.exchange.inbox.receive = lambda data: None  # type: ignore[method-assign]
            await a.clear_override(KEY)
            await settled(a)
            assert b.state(KEY) is OPEN  # it missed the message
            deaf.exchange.rereading.repair()
            wake(deaf)
            await until(lambda: b.state(KEY) is CLOSED)
            await settled(b)
        assert server.ask.hget(REGISTER, "override").split("|")[2] == "-"


async def test_without_a_fleet_it_holds_in_this_process() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    assert await force_open(breaker) == "local"
    assert breaker.state(KEY) is OPEN
    assert await breaker.clear_override(KEY) == "local"
    assert breaker.state(KEY) is CLOSED


async def test_a_plain_speaker_that_writes_over_it_is_told_again(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await succeed(a, KEY)
        await force_open(a)
        PlainSpeaker(server).say("CLOSED", successes=1)
        await until(lambda: server.hash(KEY)["state"] == "OPEN")
        assert inside.of(a.circuit(KEY)).state is CLOSED


@pytest.mark.parametrize("key", ["/stock/{sku}", "a}b", "{}x", "a{b", "a b/ü"])
async def test_keys_with_braces_have_overrides_like_any_other(server: Server, key: str) -> None:
    async with fleet(server) as (a, b):
        await force_open(a, key)
        await until(lambda: b.state(key) is OPEN)
        await b.clear_override(key)
        await until(lambda: a.state(key) is CLOSED)


# -- a reset, and what happens below ---------------------------------------------------------------


async def test_reset_says_which_override_stays_also_of_a_circuit_that_is_not_known_here(
    server: Server,
) -> None:
    async with fleet(server) as (a, b):
        await force_open(a)
        await until(lambda: b.state(KEY) is OPEN or not list(b.circuits()))
        for breaker in (a, b):
            result = await breaker.reset(KEY)
            assert result == "fleet"
            assert result.override is not None
            assert (result.override.kind, result.override.by) == ("forced_open", "ann")
        await a.clear_override(KEY)
        assert (await b.reset(KEY)).override is None


async def test_trip_of_another_instance_below_a_forced_opening_is_told_when_that_ends(
    server: Server,
) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            await succeed(breaker, KEY)
        circuit = b.circuit(KEY)
        permit = inside.admit(circuit)
        await force_open(a)
        await until(lambda: circuit.state is OPEN)
        told: list[tuple[str, str]] = []
        b.on_change(lambda change: told.append((change.old, change.new)))
        for _ in range(CONFIG.failure_threshold or 0):
            inside.settle(circuit, permit, Outcome.FAILURE)  # calls that were running
        version = a.stats(KEY).version
        await until(lambda: a.stats(KEY).version > version)
        assert (told, a.state(KEY)) == ([], OPEN)
        await a.clear_override(KEY)
        await until(lambda: bool(told))
        assert told == [(OPEN, OPEN)]
        await b.reset(KEY)
        await until(lambda: a.state(KEY) is CLOSED)
        assert a.circuit(KEY).history()[-1].old is OPEN
