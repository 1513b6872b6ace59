"""A connection that is lost, silent, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.fleet.proxy import Proxy
from tests.web.servers import uvicorn_serving

from .conftest import Instance

if TYPE_CHECKING:
    from .conftest import Look

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = "tests.console.served:app"


async def test_a_server_that_is_gone_is_seen_and_its_return_as_well(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIRCUIT_REDIS_URL", raising=False)
    with uvicorn_serving(APP) as port, Proxy(port) as link:
        Instance(port).trip("parcels")
        console = await look(Instance(link.port).address)
        console.allowed = ["Failed to load resource: net::ERR_"]
        await console.open()
        page = console.page
        data, banner = page.locator("#data"), page.get_by_role("region", name="Connection")
        await expect(console.state("parcels")).to_have_text("Open")
        await expect(banner).to_be_hidden()
        await expect(data).to_have_css("filter", "none")

        link.target = 1  # where nobody listens
        link.cut()
        await expect(banner).to_contain_text("The connection is lost.")
        await expect(banner).to_contain_text("What you see is from")
        await expect(banner).to_contain_text("Trying again in")
        await expect(page.locator("#live-word")).to_have_text("Not live")
        await expect(data).to_have_css("filter", "grayscale(1)")
        await expect(data).to_have_attribute("aria-busy", "true")
        await expect(console.state("parcels")).to_have_text("Open")  # it is still there

        with uvicorn_serving(APP) as again:  # a new process, whose circuits begin anew
            Instance(again).play("parcels", succeed=1)
            link.target = again
            await console.is_live()
            await expect(banner).to_be_hidden()
            await expect(data).to_have_css("filter", "none")
            await expect(data).not_to_have_attribute("aria-busy", "true")
            await expect(console.state("parcels")).to_have_text("Closed")
            Instance(again).trip("parcels")
            await expect(console.state("parcels")).to_have_text("Open")


async def test_a_connection_on_which_nothing_comes_counts_as_lost(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIRCUIT_REDIS_URL", raising=False)
    with uvicorn_serving(APP) as port, Proxy(port) as link:
        console = await look(Instance(link.port).address)
        console.allowed = ["net::ERR_"]
        await console.page.clock.install()
        await console.open()
        link.hold()
        await console.page.clock.fast_forward(30_000)  # it pings each 10 seconds, but may be late
        await expect(console.page.locator("#live-word")).to_have_text("Live")
        await console.page.clock.fast_forward(6_000)
        banner = console.page.get_by_role("region", name="Connection")
        await expect(banner).to_contain_text("Nothing was heard for 35 seconds.")
        await banner.get_by_role("button", name="Try now").click()
        link.release()  # only now: it would connect by itself, and the button be gone
        await console.is_live()
