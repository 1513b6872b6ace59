"""The exchange with the fleet, on a real server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument
from tests.fleet.instances import fail, fleet, settled, until
from tests.fleet.server import Server
from tests.fleet.sessions import session_of, subscribed_since, time_of, wake

from .collected import Collected

Collect = Callable[[], Collected]

CONFIG = CircuitConfig(failure_threshold=3, recovery_timeout=300.0)


async def test_a_connected_instance_tells_what_it_hears(
    server: Server, provider: MeterProvider, collect: Collect
) -> None:
    async with fleet(server, circuits={"db": CONFIG}) as (here, there):
        undo = instrument(here, meter_provider=provider)
        await settled(here, there)
        here.circuit("db")
        await settled(here)
        assert collect().value("sync.connected", namespace="circuit") == 1
        assert collect().points("sync.lag") == []
        sent = collect().value("sync.sent.messages")
        assert sent > 0
        received = collect().value("sync.received.messages")
        await fail(there, "db")
        await until(lambda: here.state("db") == "OPEN")
        await settled(here)
        found = collect()
        assert found.value("changes", key="db", change__cause="fleet") == 1
        assert found.value("sync.received.messages") > received
        assert found.value("sync.corrections") == 0
        assert found.value("sync.dropped.messages") == 0
        assert found.value("sync.queue.length") == 0
        (lag,) = found.points("sync.lag", sync__source="message")
        assert lag.count == 1
        assert 0 <= lag.sum < 3.0
        assert here.sync_status().lag == lag.sum
        undo()


async def test_an_instance_that_is_cut_off_says_0_and_its_queue_grows(
    server: Server, provider: MeterProvider, collect: Collect
) -> None:
    async with fleet(server, size=1) as (here,):
        undo = instrument(here, meter_provider=provider)
        server.kill()
        await until(lambda: here.sync_status().state == "isolated")
        assert collect().value("sync.connected") == 0
        assert len(collect().points("sync.connected")) == 1
        for key in ("db", "stock", "search"):
            await fail(here, key)
        await until(lambda: collect().value("sync.queue.length") >= 3)
        server.start()
        await until(lambda: collect().value("sync.connected") == 1)
        await settled(here)
        assert collect().value("sync.queue.length") == 0
        undo()


async def test_malformed_messages_are_counted(
    server: Server, provider: MeterProvider, collect: Collect
) -> None:
    async with fleet(server, size=1) as (here,):
        undo = instrument(here, meter_provider=provider)
        server.ask.publish("circuit:updates", "rubbish")
        await until(lambda: collect().value("sync.dropped.messages") == 1)
        undo()


def test_without_a_fleet_there_is_nothing_to_tell(breaker: HybridBreaker, collect: Collect) -> None:
    breaker.circuit("stock").call_sync(int)
    assert [name for name in collect().metrics if ".sync." in name] == []
    assert breaker.sync_status().lag is None


async def test_a_change_that_no_message_told_of_is_a_correction(
    server: Server, provider: MeterProvider, collect: Collect, monkeypatch: Any
) -> None:
    async with fleet(server, circuits={"db": CONFIG}) as (here, there):
        undo = instrument(here, meter_provider=provider)
        await settled(here, there)
        session = session_of(here)
        view, inbox = session.own.server, session.exchange.inbox
        # What is written before the subscription is no correction; when that was is known as well
        # as the server's clock is.
        await until(lambda: time_of(server) > subscribed_since(here))
        monkeypatch.setattr(inbox, "receive", lambda _: None)  # its messages get lost
        written = time.monotonic()
        await fail(there, "db")
        await settled(there)
        usual = view.now
        monkeypatch.setattr(view, "now", lambda: (usual() or 0.0) + 25.0)
        session.exchange.rereading.repair()
        wake(session)
        await until(lambda: here.state("db") == "OPEN")
        found = collect()
        assert found.value("sync.corrections") == 1 == here.sync_status().corrected
        assert found.points("sync.lag", sync__source="message") == []
        (lag,) = found.points("sync.lag", sync__source="reading")
        assert 25.0 <= lag.sum < 26.0 + time.monotonic() - written
        undo()
