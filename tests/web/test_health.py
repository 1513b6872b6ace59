"""What a process says of its health, and that it never waits for that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker, bearer_token
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.fleet.conftest import server, shared_server
from tests.fleet.instances import until

if TYPE_CHECKING:
    from tests.fleet.server import Server

__all__ = ["server", "shared_server"]

SHADOW = CircuitConfig(mode="shadow", failure_threshold=1)
DOCS = Path(__file__).parents[2] / "docs" / "health.md"


def test_all_is_well_without_circuits_and_without_redis() -> None:
    health = HybridBreaker(redis=None).health()
    assert (health.status, health.open, health.half_open, health.overridden) == ("ok", (), (), ())
    assert health.sync.state == "disabled"


async def test_circuits_that_are_not_closed_degrade_it() -> None:
    clock = ManualClock()
    breaker = HybridBreaker(redis=None, clock=clock)
    breaker.circuit("fine")
    inside.open_here(breaker.circuit("b"), 5.0)
    inside.open_here(breaker.circuit("a"), 60.0)
    assert breaker.health().open == ("a", "b")
    assert breaker.health().status == "degraded"
    clock.advance(6.0)
    permit = inside.admit(breaker.circuit("b"))
    health = breaker.health()
    assert (health.open, health.half_open) == (("a",), ("b",))
    await breaker.reset("a")
    assert breaker.health().status == "degraded"
    del permit
    await breaker.reset("b")
    assert breaker.health().status == "ok"


async def test_circuits_that_nobody_calls_degrade_nothing() -> None:
    """Open since yesterday's outage, and never called again."""
    clock = ManualClock()
    breaker = HybridBreaker(redis=None, clock=clock)
    for key in ("idle", "half"):
        inside.open_here(breaker.circuit(key), 5.0)
    clock.advance(5.0)
    health = breaker.health()
    assert (health.status, health.open, health.ready_to_probe) == ("ok", (), ("half", "idle"))
    half = breaker.circuit("half")
    inside.settle(
        half, inside.admit(half), Outcome.SUCCESS
    )  # the first of two probes, and nobody comes again
    assert (breaker.health().status, breaker.health().half_open) == ("degraded", ("half",))
    clock.advance(5.0)
    assert (breaker.health().status, breaker.health().ready_to_probe) == ("ok", ("half", "idle"))


async def test_overrides_are_named_and_count_by_what_they_do() -> None:
    breaker = HybridBreaker(redis=None)
    await breaker.override("off", "disabled", by="ann", reason="a test", seconds=None)
    assert breaker.health().status == "ok"
    await breaker.override("shut", "forced_open", by="ann", reason="a test", seconds=60)
    health = breaker.health()
    assert (health.open, health.overridden) == (("shut",), ("off", "shut"))
    assert health.status == "degraded"


async def test_who_rejects_nothing_degrades_nothing() -> None:
    breaker = HybridBreaker(redis=None, defaults=SHADOW)
    inside.open_here(breaker.circuit("watched"), 60.0)
    assert breaker.health().status == "ok"
    await breaker.override("watched", "forced_open", by="ann", reason="a test", seconds=60)
    assert breaker.health().open == ("watched",)


async def test_a_lost_server_degrades_it_and_delays_nothing(server: Server) -> None:
    async with HybridBreaker(redis=server.url) as breaker:
        await until(lambda: breaker.health().sync.state == "connected")
        assert breaker.health().status == "ok"
        server.kill()
        await until(lambda: breaker.health().sync.state == "isolated")
        assert breaker.health().status == "degraded"


async def test_the_page_is_a_200_whatever_it_says() -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None)
    token = "a-secret-of-21-letters"  # noqa: S105
    app.include_router(breaker.admin_router(auth=bearer_token(token)), prefix="/circuits")
    inside.open_here(breaker.circuit("a"), 60.0)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/circuits/-/health")).status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        answer = await client.get("/circuits/-/health", headers=headers)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["status"], said["open"], said["overridden"]) == ("degraded", ["a"], [])
    assert said["sync"]["state"] == "disabled"


@pytest.mark.parametrize(("is_open", "expected"), [(False, 200), (True, 503)])
async def test_the_example_for_checks(*, is_open: bool, expected: int) -> None:
    example = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    names: dict[str, Any] = {}
    exec(compile(example, DOCS, "exec"), names)  # noqa: S102
    if is_open:
        inside.open_here(names["breaker"].circuit("local-disk"), 60.0)
    transport = httpx2.ASGITransport(names["app"])
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/readyz")).status_code == expected
        assert (await client.get("/livez")).status_code == 200


async def test_a_process_out_of_rotation_becomes_ready_again_although_nobody_calls_it() -> None:
    example = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    names: dict[str, Any] = {}
    exec(compile(example, DOCS, "exec"), names)  # noqa: S102
    breaker = names["breaker"]
    circuit, now = breaker.circuit("local-disk"), inside.host_of(breaker).clock()
    inside.open_here(circuit, 60.0)
    transport = httpx2.ASGITransport(names["app"])
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/readyz")).status_code == 503
        inside.set_clock(circuit, lambda: now + 61.0)
        assert (await client.get("/readyz")).status_code == 200
