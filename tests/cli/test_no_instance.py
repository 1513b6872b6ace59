"""The command is no instance of the fleet that it inspects and controls."""

from __future__ import annotations

import json
import time

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.fleet.values import VERSION_LIMIT
from tests import inside
from tests.fleet.instances import fail, fleet, settled, until
from tests.fleet.server import Server, arrived
from tests.fleet.speaker import PlainSpeaker
from tests.patience import PATIENCE

from .command import beside, on

KEY = "inventory-api"


# -- it is no instance ------------------------------------------------------------------------


async def test_the_command_is_no_instance_and_a_lone_service_stays_alone(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await settled(breaker)
        signals = server.ask.pubsub(ignore_subscribe_messages=True)
        signals.subscribe("circuit#signals")
        signals.get_message(timeout=PATIENCE)
        about = server.ask.hkeys("circuit#{live}:about")
        for order in (
            ("status",),
            ("show", KEY),
            ("reset", KEY),
            ("open", KEY, "--reason", "x", "--for", "1h"),
            ("disable", KEY, "--reason", "x", "--for", "1h"),
            ("clear", KEY),
        ):
            done = await beside(server, *order)
            assert done.code == 0, done
            assert server.ask.zrange("circuit#{live}", 0, -1) == [inside.sync_of(breaker).instance]
        assert server.ask.hkeys("circuit#{live}:about") == about
        assert inside.peers_of(breaker).live == 1
        heard = [json.loads(message["data"]) for message in arrived(signals)]
        assert all(one["signal"] == "tick" and one["live"] == 1 for one in heard), heard
        signals.close()


async def test_the_word_of_a_plain_speaker_is_not_adopted_by_the_command(server: Server) -> None:
    PlainSpeaker(server, "theirs").say("OPEN", failures=7, open_for=5000.0)
    before = server.ask.dump("circuit:theirs")
    for order in (("status", "--scan"), ("show", "theirs")):
        assert "OPEN" in (await beside(server, *order)).out
    await beside(server, "open", "other", "--reason", "x", "--for", "1h")
    assert server.ask.dump("circuit:theirs") == before


async def test_configurations_of_the_services_stay_theirs(server: Server) -> None:
    own = CircuitConfig(failure_threshold=2, success_threshold=1, recovery_timeout=1234.0)
    async with fleet(server, size=1, defaults=own) as (breaker,):
        await fail(breaker, KEY, times=2)
        await settled(breaker)
        await beside(server, "reset", KEY)
        await until(lambda: breaker.state(KEY) == "CLOSED")
        await fail(breaker, KEY, times=2)
        assert breaker.stats(KEY).retry_after > 1200


def test_the_index_is_not_cut(server: Server) -> None:
    many = {f"circuit-{number}": 10**15 + number for number in range(12_000)}
    server.ask.zadd("circuit#index", many)
    PlainSpeaker(server, KEY).say("OPEN", open_for=60.0)
    assert on(server, "reset", KEY).code == 0
    assert server.ask.zcard("circuit#index") == 12_001


def test_a_reset_comes_after_the_newest_version_in_the_index(server: Server) -> None:
    PlainSpeaker(server, KEY).say("OPEN", open_for=60.0)
    ahead = int(time.time() * 1_000_000) + 3_600_000_000  # the clock was ahead once
    server.ask.zadd("circuit#index", {"other": ahead, "nonsense": VERSION_LIMIT + 5})
    assert on(server, "reset", KEY).code == 0
    assert int(server.hash(KEY)["version"]) == ahead + 1
