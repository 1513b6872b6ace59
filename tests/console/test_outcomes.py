"""What the page says of an act that had to wait, was not needed, or was not taken."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.fleet.proxy import Proxy
from tests.fleet.server import Server, valkey_server
from tests.web.servers import eventually, uvicorn_serving

from .conftest import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Look

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = "tests.console.served:app"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Start one for a test: processes that are cut off leave their traces in it."""
    with Server(valkey_server(), tmp_path) as server:
        yield server


@contextmanager
def beyond(link: Proxy | Server) -> Iterator[Instance]:
    """Start a process that meets its fleet over ``link``."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CIRCUIT_REDIS_URL", link.url)
        with uvicorn_serving(APP) as port:
            instance = Instance(port)
            eventually(instance.is_connected)
            yield instance


async def test_a_queued_reset_that_changes_nothing_ends_in_what_the_fleet_has_made_of_it(
    server: Server, look: Look
) -> None:
    with Proxy(server.port) as link, beyond(link) as instance:
        instance.play("calm", succeed=1)
        console = await look(instance.address)
        await console.open("calm")
        link.hold()
        await console.act("Reset…", "Reset", Reason="to be sure", Your_name="ann")
        await expect(console.outcome).to_contain_text("Queued: Redis does not answer.")
        await expect(console.outcome).to_contain_text("There was nothing to change: here it is")
        # Not while it waits, however long that takes.
        assert instance.ask("GET", "/circuits/-/health").json()["sync"]["orders"] == ["calm"]
        link.release()
        await expect(console.outcome).to_contain_text("the fleet has taken it now")
        await expect(console.outcome).to_contain_text("There was nothing to change: here it is")
        await expect(console.outcome).not_to_contain_text("Queued")
        assert instance.ask("GET", "/circuits/-/health").json()["sync"]["orders"] == []
        why = server.hash("calm")["why"]
        assert '"by":"ann","reason":"to be sure"' in why


async def test_an_override_that_waited_is_told_to_be_taken_as_well(
    server: Server, look: Look
) -> None:
    with Proxy(server.port) as link, beyond(link) as instance, beyond(server) as other:
        instance.play("late", succeed=1)
        console = await look(instance.address)
        await console.open("late")
        link.hold()
        order = {"Reason": "a move", "Your_name": "ann"}
        await console.act("Force open…", "Force open", **order)
        await expect(console.outcome).to_contain_text("Forced open. Queued")
        assert other.show("late").get("override") is None
        link.release()
        await expect(console.outcome).to_contain_text("the fleet has taken it now")
        eventually(lambda: other.state("late") == "OPEN")


async def test_whether_an_order_came_through_is_not_claimed_when_its_process_is_gone(
    server: Server, look: Look
) -> None:
    with Proxy(server.port) as redis, Proxy(1) as web:
        console = await look(Instance(web.port).address)
        console.allowed = ["net::ERR_", "status of 404"]
        with beyond(redis) as instance:
            instance.play("lost", succeed=1)
            web.target = instance.port
            await console.open("lost")
            redis.hold()
            await console.act("Reset…", "Reset")
            await expect(console.outcome).to_contain_text("Reset. Queued")
        with beyond(server) as again:
            web.target = again.port
            web.cut()
            await console.is_live()
            await expect(console.outcome).to_contain_text("whether the fleet has taken it is not")
            await expect(console.outcome).not_to_contain_text("has taken it now")


async def test_what_redis_refuses_is_not_called_done(server: Server, look: Look) -> None:
    with Proxy(server.port) as link, beyond(link) as instance:
        instance.play("odd", succeed=1)
        server.ask.lpush("circuit:odd", "somebody's list")
        console = await look(instance.address)
        await console.open("odd")
        await console.act("Reset…", "Reset")
        await expect(console.outcome).to_contain_text("Redis answers, and has not taken it so far")
        server.ask.delete("circuit:odd")


async def test_a_page_that_is_not_live_does_not_wait_for_a_change(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIRCUIT_REDIS_URL", raising=False)
    with uvicorn_serving(APP) as port, Proxy(port) as web:
        Instance(port).trip("parcels")
        console = await look(Instance(web.port).address)
        console.allowed = ["net::ERR_"]
        await console.open("parcels")
        await console.page.route("**/-/events", lambda route: route.abort())
        web.cut()  # the events alone do not come back
        await expect(console.page.locator("#live-word")).to_have_text("Not live")
        await console.act("Reset…", "Reset")
        await expect(console.outcome).to_contain_text("The page is not live")
        await console.page.unroute("**/-/events")
        # Not by the button: the page may have connected by itself before it is clicked.
        await console.page.evaluate("dispatchEvent(new Event('online'))")
        await console.is_live()
        await expect(console.outcome).to_contain_text("In this process it is “Closed” since")
