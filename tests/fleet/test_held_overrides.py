"""Overrides of keys that a process does not use: they hold, and take no room from those it uses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.circuits import held_overrides
from tests import inside

from .instances import CONFIG, fail, fleet, settled, succeed, until
from .links import sync
from .sessions import session_of, set_clock_of_held_overrides

if TYPE_CHECKING:
    from .server import Server

KEYS = [f"key-{at}" for at in range(60)]


def small(server: Server, most: int = 5, **options: object) -> HybridBreaker:
    return HybridBreaker(redis=server.url, defaults=CONFIG, max_circuits=most, **options)  # type: ignore[arg-type]


async def override_all(breaker: HybridBreaker, seconds: float | None = None) -> None:
    await asyncio.gather(
        *(
            breaker.override(key, "forced_open", by="ann", reason="x", seconds=seconds)
            for key in KEYS
        )
    )


def held(breaker: HybridBreaker) -> int:
    return len(inside.registry_of(breaker).held)


async def test_overrides_of_others_keys_left_a_process_own_keys_unprotected(server: Server) -> None:
    async with fleet(server, 1) as (operator,), small(server) as before:
        await override_all(operator)
        await until(lambda: held(before) + len(inside.registry_of(before)) == len(KEYS))
        async with small(server) as after:  # it reads what the other has heard
            await until(lambda: held(after) + len(inside.registry_of(after)) == len(KEYS))
            for one in (before, after):
                await fail(one, "own")
                assert one.state("own") == "OPEN"
                assert one.circuit("own").key == "own"
                assert len(inside.registry_of(one)) <= 5
                assert one.sync_status().dropped == 0


async def test_a_held_override_is_in_force_with_the_very_first_call(server: Server) -> None:
    async with fleet(server, 1) as (operator,), small(server) as one:
        await override_all(operator)
        await until(lambda: held(one) + len(inside.registry_of(one)) == len(KEYS))
        server.hang()  # nobody can be asked
        for key in KEYS:
            with pytest.raises(CircuitOpenError):
                one.circuit(key).call_sync(lambda: None)
        assert await one.clear_override("key-3", by="ann") == "queued"
        await succeed(one, "key-3")
        server.resume()


async def test_a_held_override_that_is_cleared_holds_no_longer(server: Server) -> None:
    async with fleet(server, 1) as (operator,), small(server) as one:
        await override_all(operator)
        await until(lambda: held(one) + len(inside.registry_of(one)) == len(KEYS))
        for key in KEYS[10:20]:
            await operator.clear_override(key, by="ann")
        await until(lambda: not any(key in inside.registry_of(one).held for key in KEYS[10:20]))
        for key in KEYS[10:20]:
            await succeed(one, key)
        # Cleared by itself, while it knows no circuit of that name.
        key = next(key for key in KEYS[20:] if key in inside.registry_of(one).held)
        assert await one.clear_override(key, by="ann") == "fleet"
        await succeed(one, key)
        await settled(one)
        await succeed(one, key)


async def test_a_held_override_whose_end_was_not_heard_is_read_with_the_first_use(
    server: Server,
) -> None:
    async with fleet(server, 1) as (operator,), small(server) as one:
        await override_all(operator)
        await until(lambda: held(one) + len(inside.registry_of(one)) == len(KEYS))
        key = next(key for key in KEYS if key in inside.registry_of(one).held)
        session = session_of(one)
        session.exchange.inbox.receive = lambda _: None  # type: ignore[method-assign]
        await operator.clear_override(key, by="ann")
        assert one.circuit(key).state == "OPEN"
        await until(lambda: one.state(key) == "CLOSED")


async def test_a_held_override_ends_when_its_time_is_up(server: Server) -> None:
    clock = 0.0
    async with fleet(server, 1) as (operator,):
        await override_all(operator, seconds=60.0)
        async with small(server) as one:
            await until(lambda: held(one) + len(inside.registry_of(one)) == len(KEYS))
            set_clock_of_held_overrides(one, lambda: clock + 1e9)  # long after
            key = next(key for key in KEYS if inside.registry_of(one).get(key) is None)
            await succeed(one, key)


async def test_declared_keys_and_those_in_use_keep_their_overridden_circuits(
    server: Server,
) -> None:
    async with fleet(server, 1) as (operator,):
        one = small(server, circuits={"declared": CircuitConfig()})
        async with one:
            await until(lambda: sync(one) == "connected")
            used = one.circuit("used")
            for key in ("declared", "used"):
                await operator.override(key, "forced_open", by="ann", reason="x", seconds=None)
            await override_all(operator)
            await until(lambda: held(one) + len(inside.registry_of(one)) == len(KEYS) + 2)
            del used
            for at in range(20):
                one.circuit(f"other-{at}")
            assert {"declared", "used"} <= set(inside.registry_of(one).by_key)


async def test_more_overrides_than_are_held_are_read_with_the_first_use(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_overrides, "_MOST", 10)
    async with fleet(server, 1) as (operator,), small(server) as one:
        await override_all(operator)
        await until(lambda: held(one) == 10 and one.sync_status().dropped)
        await settled(one)
        assert held(one) == 10
        key = next(key for key in KEYS if inside.registry_of(one).get(key) is None)
        await until(lambda: one.circuit(key).state == "OPEN")


# -- shown before the first use -----------------------------------------------------------------


async def override_each(operator: HybridBreaker, one: HybridBreaker) -> dict[str, str]:
    """Override keys that ``one`` has not used in each way; return the kinds by key.

    It has room for one circuit only: else it makes one of each key.
    """
    await succeed(one, "own")
    kinds = {kind: kind for kind in ("forced_open", "disabled", "shadow", "enforced")}
    for key, kind in kinds.items():
        await operator.override(key, kind, by="ann", reason="x", seconds=50.0)
    await until(lambda: all(key in inside.registry_of(one).held for key in kinds))
    assert len(inside.registry_of(one)) == 1
    return kinds


async def test_the_state_of_a_key_that_is_not_used_yet_is_that_of_its_override(
    server: Server,
) -> None:
    async with fleet(server, 1) as (operator,), small(server, 1) as one:
        kinds = await override_each(operator, one)
        for key, kind in kinds.items():
            shown, used = one.stats(key), one.circuit(key).stats()
            assert shown.override is not None
            assert (shown.override.kind, shown.override.by) == (kind, "ann")
            assert (shown.state, shown.mode, shown.ready_to_probe) == (
                used.state,
                used.mode,
                used.ready_to_probe,
            )
            assert (shown.retry_after > 0.0) == (used.retry_after > 0.0) == (kind == "forced_open")
            assert (shown.next_attempt is None) == (used.next_attempt is None)
        assert one.state("never-heard-of") == "CLOSED"


async def test_health_names_overrides_of_keys_that_are_not_used_yet(server: Server) -> None:
    async with fleet(server, 1) as (operator,), small(server, 1) as one:
        kinds = await override_each(operator, one)
        health = one.health()
        assert (health.open, health.status) == (("forced_open",), "degraded")
        assert health.overridden == tuple(sorted(kinds))
        for key in kinds:
            await one.clear_override(key, by="ann")
        health = one.health()
        assert (health.open, health.overridden, health.status) == ((), (), "ok")


async def test_an_override_without_an_end_or_past_it_is_shown_so(server: Server) -> None:
    async with fleet(server, 1) as (operator,), small(server, 1) as one:
        await succeed(one, "own")
        await operator.override("endless", "forced_open", by="ann", reason="x", seconds=None)
        await operator.override("short", "forced_open", by="ann", reason="x", seconds=60.0)
        await until(
            lambda: (
                "endless" in inside.registry_of(one).held
                and "short" in inside.registry_of(one).held
            )
        )
        endless = one.stats("endless")
        assert endless.next_attempt is None
        assert endless.retry_after == CONFIG.recovery_timeout
        set_clock_of_held_overrides(one, lambda: 1e12)  # long after
        assert one.state("short") == "CLOSED"
        assert one.stats("short").override is None
        assert one.health().open == ("endless",)


async def test_pages_show_overrides_of_keys_that_are_not_used_yet(server: Server) -> None:
    async with fleet(server, 1) as (operator,), small(server, 1) as one:
        kinds = await override_each(operator, one)
        app = FastAPI()
        app.include_router(one.admin_router(auth=None), prefix="/circuits")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            listed = (await client.get("/circuits")).json()
            rows = {row["key"]: row["override"] for row in listed["circuits"]}
            assert rows.pop("own") is None
            assert {key: override["kind"] for key, override in rows.items()} == kinds
            opened = (await client.get("/circuits", params={"state": "OPEN"})).json()
            assert [row["key"] for row in opened["circuits"]] == ["forced_open"]
            for key, kind in kinds.items():
                row = (await client.get(f"/circuits/{key}")).json()
                assert (row["key"], row["override"]["kind"]) == (key, kind)
                assert row["state"] == one.state(key)
            assert (await client.get("/circuits/never-heard-of")).status_code == 404
            health = (await client.get("/circuits/-/health")).json()
            assert (health["open"], health["overridden"]) == (["forced_open"], sorted(kinds))
        assert len(inside.registry_of(one)) == 1


async def test_the_page_of_an_overridden_key_shows_what_redis_knows_below_it(
    server: Server,
) -> None:
    async with fleet(server, 1) as (operator,), small(server, 1) as one:
        await fail(operator, "dead")
        await settled(operator)
        await operator.override("dead", "disabled", by="ann", reason="x", seconds=None)
        await until(
            lambda: (
                "dead" in inside.registry_of(one).held
                or inside.registry_of(one).get("dead") is not None
            )
        )
        view = await one.look_up("dead")
        assert view is not None
        assert view.stats.override is not None
        assert (view.stats.state, view.stats.override.kind) == ("CLOSED", "disabled")
