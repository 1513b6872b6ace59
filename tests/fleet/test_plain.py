"""Services that speak only the plain format share circuits with ours, both ways."""

from __future__ import annotations

import asyncio
import json

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from tests.patience import PATIENCE

from .instances import CONFIG, fail, fleet, hush, settled, succeed, until
from .server import Server
from .sessions import session_of, wake
from .speaker import PlainSpeaker

KEY = "inventory-api"


def scripts_run(server: Server) -> int:
    stats = server.ask.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


async def test_plain_open_opens_all_and_is_adopted_once(server: Server) -> None:
    async with fleet(server, 3) as breakers:
        for breaker in breakers:
            breaker.circuit(KEY)
        await settled(*breakers)
        PlainSpeaker(server).say("OPEN", failures=5, open_for=20)
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "OPEN")
        await settled(*breakers)
        versions = {breaker.stats(KEY).version for breaker in breakers}
        assert versions == {int(server.hash(KEY)["version"])}
        assert 15 < breakers[0].stats(KEY).retry_after <= 20


async def test_adoption_does_not_loop(server: Server) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        PlainSpeaker(server).say("OPEN", failures=5, open_for=20)
        await until(lambda: a.state(KEY) == b.state(KEY) == "OPEN")
        await settled(a, b)
        version, before = a.stats(KEY).version, server.commands()
        for breaker in (a, b):
            session = session_of(breaker)
            session.exchange.read_all()
            hush(breaker)
            wake(session)
        await settled(a, b)
        assert a.stats(KEY).version == b.stats(KEY).version == version
        assert server.commands() - before < 20  # readings, and nothing that answers them


async def test_plain_close_after_plain_open_closes_all(server: Server) -> None:
    speaker = PlainSpeaker(server)
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        speaker.say("OPEN", failures=5, open_for=20)
        await until(lambda: a.state(KEY) == b.state(KEY) == "OPEN")
        speaker.say("CLOSED")
        await until(lambda: a.state(KEY) == b.state(KEY) == "CLOSED")
        await settled(a, b)
        assert a.stats(KEY).version == b.stats(KEY).version


async def test_plain_speaker_that_missed_our_open_cannot_close_it_with_its_successes(
    server: Server,
) -> None:
    speaker = PlainSpeaker(server)
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        await settled(a, b)
        version = a.stats(KEY).version
        for _ in range(5):
            speaker.say("CLOSED", successes=1)
        await until(lambda: server.hash(KEY)["state"] == "OPEN", "our opening said again")
        await settled(a, b)
        assert a.state(KEY) == b.state(KEY) == "OPEN"
        assert a.stats(KEY).version == b.stats(KEY).version == version


async def test_plain_speaker_is_told_again_of_the_opening_it_missed(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await fail(a, KEY)
        await settled(a)
        listener = server.ask.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("circuit:updates")
        listener.get_message(timeout=PATIENCE)
        PlainSpeaker(server).say("CLOSED")
        said = []
        while len(said) < 2:
            message = await asyncio.to_thread(listener.get_message, timeout=PATIENCE)
            assert message is not None
            said.append(json.loads(message["data"])["stats"]["state"])
        assert said == ["CLOSED", "OPEN"]
        listener.close()


async def test_plain_close_after_the_open_time_closes(server: Server) -> None:
    defaults = CircuitConfig(failure_threshold=1, recovery_timeout=0.1)
    async with fleet(server, 2, defaults) as (a, b):
        b.circuit(KEY)
        await fail(a, KEY, 1)
        await until(lambda: b.state(KEY) == "OPEN")
        await until(lambda: a.stats(KEY).retry_after == b.stats(KEY).retry_after == 0)
        PlainSpeaker(server).say("CLOSED")
        await until(lambda: a.state(KEY) == b.state(KEY) == "CLOSED")


async def test_plain_counts_cost_no_command(server: Server) -> None:
    speaker = PlainSpeaker(server)
    async with fleet(server, 1) as (a,):
        a.circuit(KEY)
        await settled(a)
        before = scripts_run(server)
        for number in range(50):
            speaker.say("CLOSED", failures=number % 3)
        await until(lambda: a.sync_status().received == 50)
        await settled(a)
        assert scripts_run(server) == before
        assert a.state(KEY) == "CLOSED"


@pytest.mark.parametrize("skew", [-300.0, 300.0])
async def test_plain_speaker_whose_clock_is_minutes_off_opens_for_our_recovery_timeout(
    server: Server, skew: float
) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        PlainSpeaker(server, skew=skew).say("OPEN", failures=5, open_for=20)
        await until(lambda: a.state(KEY) == b.state(KEY) == "OPEN")
        assert a.stats(KEY).retry_after == pytest.approx(30, abs=3)


async def test_plain_open_in_the_hash_is_known_after_first_use(server: Server) -> None:
    server.ask.hset(f"circuit:{KEY}", mapping={"state": "OPEN", "nextAttempt": str(2**52)})
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    async with breaker:
        breaker.circuit(KEY)
        await until(lambda: breaker.state(KEY) == "OPEN")


async def test_past_open_time_in_a_plain_hash_means_that_the_time_is_up(server: Server) -> None:
    server.ask.hset(f"circuit:{KEY}", mapping={"state": "OPEN", "nextAttempt": "1000"})
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    async with breaker:
        breaker.circuit(KEY)
        await until(lambda: breaker.state(KEY) == "OPEN")
        assert breaker.stats(KEY).retry_after == 0
        await succeed(breaker, KEY)  # a probe, at once
        assert breaker.state(KEY) == "CLOSED"


async def test_our_trip_reaches_a_plain_reader_in_its_own_words(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        PlainSpeaker(server).say("CLOSED", failures=1)
        await fail(a, KEY)
        await until(lambda: server.hash(KEY).get("state") == "OPEN")
        stored = server.hash(KEY)
        assert stored["failures"] == "3"
        assert stored["nextAttempt"].isdigit()


async def test_plain_open_between_two_of_our_changes_is_not_overwritten(server: Server) -> None:
    speaker = PlainSpeaker(server)
    defaults = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.05)
    async with fleet(server, 1, defaults) as (a,):
        await fail(a, KEY, 1)
        await settled(a)
        await until(lambda: a.stats(KEY).retry_after == 0)
        server.ask.hset(  # written, but its message is lost
            f"circuit:{KEY}", mapping={"state": "OPEN", "nextAttempt": str(2**52)}
        )
        await succeed(a, KEY)
        assert speaker.key == KEY
        await until(lambda: a.state(KEY) == "OPEN", "the plain opening is adopted")
        assert server.hash(KEY)["state"] == "OPEN"
