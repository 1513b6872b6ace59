"""What readers of the live events get, over real connections."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitOpenError,
    FailureRate,
    TimeWindow,
    bearer_token,
)
from fastapi_hybrid_breaker.web.events import broadcast
from tests import inside
from tests.fleet.instances import fail, fleet, succeed
from tests.patience import PATIENCE

from .reader import reading
from .serving import CONFIG, served

if TYPE_CHECKING:
    from tests.fleet.proxy import Proxy
    from tests.fleet.server import Server

KEY = "inventory-api"


async def test_a_snapshot_of_all_circuits_comes_first() -> None:
    async with served(circuits={"declared": CONFIG}) as (breaker, port):
        await fail(breaker, KEY)
        async with reading(port) as reader:
            event = await reader.next()
    assert event.name == "snapshot"
    assert event.data["sync"]["state"] == "disabled"
    assert event.data["instances"] == []
    rows = {row["key"]: row for row in event.data["circuits"]}
    assert set(rows) == {KEY, "declared"}
    assert rows["declared"]["state"] == "CLOSED"
    assert rows["declared"]["since"] is None
    row = rows[KEY]
    assert row["state"] == "OPEN"
    assert row["why"] == "3 failures in a row; ConnectionError"
    assert row["next_attempt"] > event.data["at"] + 3000
    assert [state for _, state in row["recent"]] == ["CLOSED", "OPEN"]


async def test_a_circuit_that_nobody_calls_becomes_ready_to_probe_by_itself() -> None:
    quick = CircuitConfig(failure_threshold=3, recovery_timeout=0.5)
    async with served(circuits={KEY: quick}) as (breaker, port), reading(port) as reader:
        await reader.next()
        await fail(breaker, KEY)
        event = await reader.until("circuit", state="OPEN")
        assert event.data["circuit"]["ready_to_probe"] is False
        event = await reader.until("figures")
        (row,) = event.data["circuits"]
        assert (row["state"], row["ready_to_probe"]) == ("OPEN", True)
        assert row["next_attempt"] < event.data["at"]
        await fail(breaker, "other", times=1)
        event = await reader.until("figures")  # says no more of it: nothing differs
        assert [row["key"] for row in event.data["circuits"]] == ["other"]


async def test_every_change_is_told_with_its_evidence() -> None:
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        await fail(breaker, KEY)
        event = await reader.until("circuit", state="OPEN")
        assert event.data["change"]["evidence"]["failures"] == 3
        assert event.data["change"]["old"] == "CLOSED"
        await breaker.reset(KEY)
        event = await reader.until("circuit", state="CLOSED")
        assert event.data["change"]["cause"] == "reset"


async def test_overrides_are_told_when_they_are_set_and_when_they_end() -> None:
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        await breaker.override(KEY, "forced_open", by="ann", reason="a migration", seconds=60)
        row = (await reader.until("circuit", state="OPEN")).data["circuit"]
        assert row["override"].items() >= {"by": "ann", "reason": "a migration"}.items()
        assert row["why"].endswith("a migration")
        await breaker.clear_override(KEY, by="bob")
        event = await reader.until("circuit", state="CLOSED")
        assert event.data["circuit"]["override"] is None
        assert event.data["change"]["evidence"]["by"] == "bob"


async def test_figures_follow_within_a_second_and_only_where_they_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "EVERY", 0.02)
    rate = CircuitConfig(trip=FailureRate(0.5, window=TimeWindow(60.0), minimum_calls=100))
    circuits = {"quiet": CONFIG, "rated": rate}
    async with served(circuits=circuits) as (breaker, port), reading(port) as reader:
        await reader.next()
        await fail(breaker, KEY)
        await reader.until("circuit", state="OPEN")
        with pytest.raises(CircuitOpenError):
            await fail(breaker, KEY, 1)
        event = await reader.until("figures")
        assert [row["key"] for row in event.data["circuits"]] == [KEY]
        assert event.data["circuits"][0]["rejected"] == 1
        await fail(breaker, "rated", 1)
        event = await reader.until("figures")
        assert [row["key"] for row in event.data["circuits"]] == ["rated"]
        assert event.data["circuits"][0]["failure_rate"] == 1.0
        assert event.data["circuits"][0]["calls"] == 1


async def test_circuits_that_were_evicted_are_told_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "EVERY", 0.02)
    async with served(max_circuits=2) as (breaker, port), reading(port) as reader:
        await reader.next()
        for key in ("a", "b"):
            await succeed(breaker, key)
            event = await reader.until("figures")
            assert [row["key"] for row in event.data["circuits"]] == [key]
        await succeed(breaker, "c")
        event = await reader.until("figures")
        assert [row["key"] for row in event.data["circuits"]] == ["c"]
        assert len(event.data["gone"]) == 1


async def test_changes_in_other_threads_are_told() -> None:
    def broken() -> None:
        raise ConnectionError

    def work() -> None:
        for _ in range(3):
            with pytest.raises(ConnectionError):
                circuit.call_sync(broken)

    async with served() as (breaker, port), reading(port) as reader:
        circuit = breaker.circuit(KEY)
        await reader.next()
        thread = threading.Thread(target=work)
        thread.start()
        await reader.until("circuit", state="OPEN")
        thread.join()


async def test_keys_and_texts_of_any_kind_arrive_as_they_are() -> None:
    key = "a b/\u0416\u2028:<script>'\"\\"
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        await breaker.override(key, "disabled", by="</script>", reason="data: x", seconds=None)
        row = (await reader.until("circuit", key=key)).data["circuit"]
    assert row["override"] == {
        "kind": "disabled",
        "by": "</script>",
        "reason": "data: x",
        "until": None,
    }


async def test_the_fleet_is_told_of_and_its_loss(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "EVERY", 0.05)
    monkeypatch.setattr(broadcast, "INSTANCES_EVERY", 0.1)
    async with (
        served(server.url) as (breaker, port),
        fleet(server, 1, CONFIG) as (other,),
        reading(port) as reader,
    ):
        names = {inside.sync_of(breaker).instance, inside.sync_of(other).instance}
        snapshot = await reader.next()
        told = snapshot.data["instances"]
        while {one["id"] for one in told} != names:
            told = (await reader.until("instances")).data["instances"]
        await fail(other, KEY)
        event = await reader.until("circuit", state="OPEN")
        assert event.data["change"]["cause"] == "fleet"
        assert event.data["change"]["instance"] == inside.sync_of(other).instance
        server.kill()
        await reader.until("sync", state="isolated")
        server.start()
        await reader.until("sync", state="connected")


async def test_what_instances_reject_is_told_by_their_signs_of_life(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.heartbeat.BEAT_EVERY", 0.1)
    monkeypatch.setattr(broadcast, "INSTANCES_EVERY", 0.1)
    async with (
        served(server.url) as (_, port),
        fleet(server, 1, CONFIG) as (other,),
        reading(port) as reader,
    ):
        await fail(other, KEY)

        async def reject() -> None:
            while True:
                with pytest.raises(CircuitOpenError):
                    await fail(other, KEY, 1)
                await asyncio.sleep(0.01)

        rejecting = asyncio.create_task(reject())
        said: Any = None
        while not said or said["rejecting"] == 0.0:
            event = await reader.until("instances")
            found = [
                one
                for one in event.data["instances"]
                if one["id"] == inside.sync_of(other).instance
            ]
            said = found[0]["circuits"].get(KEY) if found else None
        assert said["state"] == "OPEN"
        rejecting.cancel()


async def test_a_quiet_circuit_that_gets_another_configuration_or_is_made_anew_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "EVERY", 0.02)
    async with served() as (breaker, port):
        inside.registry_of(breaker).hear_of(KEY)  # before the code that uses it
        inside.open_here(breaker.circuit("other"), 60.0)
        inside.reset_here(breaker.circuit("other"))
        async with reading(port) as reader:
            rows = (await reader.next()).data["circuits"]
            assert {row["mode"] for row in rows} == {"enforce"}
            breaker.circuit(KEY, CircuitConfig(mode="shadow"))
            (row,) = (await reader.until("figures")).data["circuits"]
            assert (row["key"], row["mode"]) == (KEY, "shadow")
            del inside.registry_of(breaker).by_key["other"]  # as if to make room
            breaker.circuit("other")
            (row,) = (await reader.until("figures")).data["circuits"]
            assert (row["key"], row["since"]) == ("other", None)


async def test_an_order_that_waits_for_redis_is_told_and_that_it_waits_no_more(
    server: Server, link: Proxy
) -> None:
    async with served(link.url) as (breaker, port), reading(port) as reader:
        assert (await reader.next()).data["sync"]["orders"] == []
        link.hold()
        assert await breaker.reset(KEY) == "queued"
        await reader.until("sync", orders=[KEY])
        link.release()
        link.cut()
        await reader.until("sync", orders=[])


async def test_auth_is_asked_first() -> None:
    async with served(auth=bearer_token("a secret of 20 characters".replace(" ", "-"))) as (
        _,
        port,
    ):
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE
        ) as client:
            assert (await client.get("/circuits/-/events")).status_code == 401


async def test_what_happens_below_an_override_is_no_event() -> None:
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        await fail(breaker, KEY)
        await reader.until("circuit", state="OPEN")
        await breaker.override(KEY, "disabled", by="ann", reason="x", seconds=None)
        await reader.until("circuit", state="CLOSED")
        await breaker.reset(KEY)  # OPEN below
        await breaker.clear_override("another")
        await breaker.override(KEY, "forced_open", by="ann", reason="y", seconds=None)
        event = await reader.until("circuit")
        assert event.data["change"]["evidence"]["reason"] == "y"
        assert (event.data["change"]["old"], event.data["change"]["new"]) == ("CLOSED", "OPEN")


async def test_events_tell_the_mode_and_which_calls_would_have_failed() -> None:
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        await fail(breaker, KEY)
        await breaker.override(KEY, "shadow", by="ann", reason="x", seconds=None)
        event = await reader.until("circuit", mode="shadow")
        assert event.data["circuit"]["override"]["kind"] == "shadow"
        await fail(breaker, KEY, times=1)
        event = await reader.next()
        while event.name != "figures" or not event.data["circuits"]:
            event = await reader.next()
        (row,) = event.data["circuits"]
        assert (row["state"], row["shadowed"], row["shadowed_failures"]) == ("OPEN", 1, 1)
