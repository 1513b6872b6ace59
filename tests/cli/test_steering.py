"""What an operator orders reaches running instances, by nothing but Redis."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest

from fastapi_hybrid_breaker import CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.fleet.names import Names
from tests import inside
from tests.fleet.instances import CONFIG, fail, fleet, settled, succeed, until
from tests.fleet.server import Server

from .command import beside, on, process_beside

KEY = "inventory-api"
ODD_KEYS = [
    "a b/c:d",
    "жук-Ü-日本",
    "a}b",
    "{}x",
    "x{tag}y",
    "[red]x[/red]",
    "[/]",
    "--help me",
    ":smile:",
    "*?[a]\\",
]


async def test_reset_closes_the_circuit_on_running_instances(server: Server) -> None:
    async with fleet(server) as breakers:
        await fail(breakers[0], KEY)
        await until(lambda: breakers[1].state(KEY) == "OPEN")
        done = await process_beside(server, "reset", KEY, "--by", "ann@desk", "--reason", "fixed")
        assert done.code == 0, done
        assert "CLOSED" in done.out
        assert "it was reset by ann@desk; fixed" in done.out
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "CLOSED")
            change = breaker.circuit(KEY).history()[-1]
            assert (change.evidence.cause, change.evidence.by) == ("reset", "ann@desk")
            assert change.evidence.reason == "fixed"
            await succeed(breaker, KEY)


@pytest.mark.parametrize(("options", "share"), [((), 50), (("--ramp",), 5)])
async def test_reset_lets_calls_back_in_shares_where_it_is_asked_to(
    server: Server, options: tuple[str, ...], share: int
) -> None:
    config = replace(CONFIG, ramp_seconds=10_000.0)
    async with fleet(server, defaults=config) as breakers:
        await fail(breakers[0], KEY)
        await until(lambda: breakers[1].state(KEY) == "OPEN")
        done = await process_beside(server, "reset", KEY, *options)
        assert done.code == 0, done
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "CLOSED")
            admitted = 0
            for _ in range(50):
                with contextlib.suppress(CircuitOpenError):
                    await succeed(breaker, KEY)
                    admitted += 1
            assert admitted == share


async def test_open_rejects_everywhere_and_ends_by_itself(server: Server) -> None:
    async with fleet(server) as breakers:
        for breaker in breakers:
            breaker.circuit(KEY)
        done = await process_beside(server, "open", KEY, "--reason", "a migration", "--for", "3600")
        assert done.code == 0, done
        assert "forced_open by" in done.out
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "OPEN")
            with pytest.raises(CircuitOpenError):
                await succeed(breaker, KEY)
            override = breaker.stats(KEY).override
            assert override is not None
            assert (override.kind, override.reason) == ("forced_open", "a migration")
            assert "@" in override.by
        # A short one by itself might be over before a busy machine has looked.
        short = await beside(server, "open", KEY, "--reason", "nearly done", "--for", "1")
        assert short.code == 0
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "CLOSED")
            await succeed(breaker, KEY)
        assert (await beside(server, "clear", KEY)).code == 1  # it is over


async def test_disable_admits_everything_and_counts_nothing(server: Server) -> None:
    async with fleet(server) as breakers:
        await fail(breakers[0], KEY)
        await until(lambda: breakers[1].state(KEY) == "OPEN")
        order = ("disable", KEY, "--reason", "it lies", "--until-cleared")
        done = await process_beside(server, *order)
        assert done.code == 0, done
        for breaker in breakers:
            await until(lambda b=breaker: b.stats(KEY).override is not None)
            await fail(breaker, KEY, times=10)
            assert breaker.state(KEY) == "CLOSED"


async def test_clear_ends_an_override_everywhere(server: Server) -> None:
    async with fleet(server) as breakers:
        await breakers[0].override(KEY, "forced_open", by="bob", reason="x", seconds=None)
        done = await process_beside(server, "clear", KEY, "--by", "ann", "--reason", "moved")
        assert done.code == 0, done
        for breaker in breakers:
            await until(lambda b=breaker: b.stats(KEY).override is None)
            change = breaker.circuit(KEY).history()[-1]
            assert (change.cause, change.evidence.by) == ("override_ended", "ann")
            assert change.evidence.reason == "moved"
        assert server.ask.smembers("circuit#overridden") == set()


async def test_disable_ends_by_itself(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        breaker.circuit(KEY)
        await beside(server, "disable", KEY, "--reason", "x", "--for", "1s")
        await until(lambda: breaker.stats(KEY).override is not None)
        await until(lambda: breaker.stats(KEY).override is None)


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_any_key_can_be_steered(server: Server, key: str) -> None:
    order = ("--reason", "[bold]why[/bold]", "--for", "10m", "--json", "--", key)
    async with fleet(server, size=1) as (breaker,):
        breaker.circuit(key)
        done = await beside(server, "open", *order)
        assert done.json["circuit"]["key"] == key
        await until(lambda: breaker.state(key) == "OPEN")
        assert key in (await beside(server, "status")).out
        assert key in (await beside(server, "status", "--scan")).out
        shown = await beside(server, "show", "--", key)
        assert key in shown.out
        assert "[bold]why[/bold]" in shown.out
        await beside(server, "clear", "--", key)
        await until(lambda: breaker.state(key) == "CLOSED")
        await fail(breaker, key)
        await settled(breaker)
        assert (await beside(server, "reset", "--", key)).code == 0
        await until(lambda: breaker.state(key) == "CLOSED")


async def test_the_answer_of_an_order_is_what_redis_says_after_it(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await settled(breaker)
        said = (await beside(server, "reset", KEY, "--json", "--by", "ann")).json
        assert set(said) == {
            *("action", "known", "namespace", "redis", "at", "circuit", "instances"),
        }
        assert (said["action"], said["known"], said["namespace"]) == ("reset", True, "circuit")
        assert said["circuit"]["state"] == "CLOSED"
        assert said["circuit"]["evidence"]["by"] == "ann"
        assert str(said["circuit"]["version"]) == server.hash(KEY)["version"]
        assert [one["id"] for one in said["instances"]] == [inside.sync_of(breaker).instance]
        opened = await beside(server, "open", "new", "--reason", "x", "--until-cleared", "--json")
        assert opened.json["known"] is False
        assert opened.json["circuit"]["retry_after"] is None
        assert opened.json["circuit"]["override"]["remaining"] is None


async def test_orders_are_known_to_instances_that_start_later(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, "gone")
        await settled(breaker)
        await beside(server, "open", "held", "--reason", "x", "--for", "1h")
        await beside(server, "reset", "gone")
    index = dict(server.ask.zrange("circuit#index", 0, -1, withscores=True))
    assert f"{index['gone']:.0f}" == server.hash("gone")["version"]
    async with fleet(server, size=1) as (late,):
        assert late.state("held") == "OPEN"
        assert late.state("gone") == "CLOSED"


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("reset",), ("clear",), ("show",)])
def test_nothing_known_is_said_so_and_nothing_written(
    server: Server, order: tuple[str, ...]
) -> None:
    done = on(server, *order, "no-such-[red]circuit")
    assert done.code == 1
    assert "'no-such-[red]circuit'" in done.err
    assert done.out == ""
    assert server.ask.keys("*") == []


def test_open_of_an_unknown_circuit_is_done_and_doubted(server: Server) -> None:
    done = on(server, "open", "inventroy-api", "--reason", "x", "--for", "1m")
    assert done.code == 0
    assert "Is the name right?" in done.out


@pytest.mark.parametrize("order", ["reset", "open", "clear"])
@pytest.mark.parametrize("where", ["hash", "override"])
def test_data_of_another_type_is_left_alone(server: Server, order: str, where: str) -> None:
    name = getattr(Names("circuit"), where)(KEY)
    server.ask.set(name, "mine")
    more = () if order != "open" else ("--reason", "x", "--for", "1m")
    done = on(server, order, KEY, *more)
    if (order, where) == ("reset", "override"):
        assert done.code == 0  # its hash is fine
    else:
        assert done.code == 1
        assert "another type" in done.err
    assert server.ask.get(name) == "mine"
    shown = on(server, "show", KEY)
    assert shown.code == 0
    assert "unreadable" in shown.out


async def test_another_namespace_is_another_fleet(server: Server) -> None:
    async with fleet(server, size=1) as (ours,):
        async with HybridBreaker(redis=server.url, namespace="shop", defaults=CONFIG) as theirs:
            for breaker in (ours, theirs):
                await fail(breaker, KEY)
                await settled(breaker)
            assert (await beside(server, "reset", KEY, "--namespace", "shop")).code == 0
            await until(lambda: theirs.state(KEY) == "CLOSED")
            assert ours.state(KEY) == "OPEN"


async def test_reset_says_that_an_override_stays_in_force(server: Server) -> None:
    async with fleet(server) as breakers:
        await fail(breakers[0], KEY)
        order = (KEY, "--reason", "a migration", "--until-cleared", "--by", "ann")
        await beside(server, "open", *order)
        done = await beside(server, "reset", KEY)
        assert done.code == 0, done
        said = " ".join(done.out.split())
        assert "The manual override stays in force: forced_open by ann: a migration" in said
        assert "Every call is still rejected. Use 'clear' to end it." in said
        found = json.loads((await beside(server, "reset", KEY, "--json")).out)
        assert found["circuit"]["override"]["kind"] == "forced_open"
        await beside(server, "disable", *order)
        said = " ".join((await beside(server, "reset", KEY)).out.split())
        assert "Every call is still admitted, and none is counted." in said
        await beside(server, "clear", KEY)
        assert "manual override" not in (await beside(server, "reset", KEY)).out


async def test_clear_without_an_override_is_refused_and_tells_nobody_anything(
    server: Server,
) -> None:
    async with fleet(server) as breakers:
        await fail(breakers[0], KEY)
        await until(lambda: breakers[1].state(KEY) == "OPEN")
        before = [breaker.circuit(KEY).history() for breaker in breakers]
        done = await beside(server, "clear", KEY)
        assert (done.code, "has no override" in done.err) == (1, True), done
        await breakers[0].clear_override(KEY)  # in Redis as well
        await settled(*breakers)
        assert [breaker.circuit(KEY).history() for breaker in breakers] == before


async def test_shadow_and_enforce_switch_the_mode_on_running_instances(server: Server) -> None:
    async with fleet(server) as breakers:
        await fail(breakers[0], KEY)
        await until(lambda: breakers[1].state(KEY) == "OPEN")
        order = (KEY, "--reason", "a trial", "--for", "1h", "--by", "ann")
        done = await process_beside(server, "shadow", *order)
        assert done.code == 0, done
        assert "shadow by ann: a trial" in done.out
        assert "(shadow)" in done.out
        for breaker in breakers:
            await until(lambda one=breaker: one.stats(KEY).mode == "shadow")
            await succeed(breaker, KEY)
        found = json.loads((await beside(server, "show", KEY, "--json")).out)["circuit"]
        assert (found["state"], found["own_state"]) == ("OPEN", "OPEN")
        assert (found["override"]["kind"], found["retry_after"] > 0) == ("shadow", True)
        said = " ".join((await beside(server, "reset", KEY)).out.split())
        assert "stays in force: shadow by ann" in said
        assert "Still nothing is rejected." in said
        done = await beside(server, "enforce", *order)
        assert "enforced by ann" in done.out
        for breaker in breakers:
            await until(lambda one=breaker: one.stats(KEY).mode == "enforce")
        assert (await beside(server, "clear", KEY)).code == 0
        await until(lambda: breakers[1].stats(KEY).override is None)
