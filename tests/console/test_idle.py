"""A circuit that nobody calls any more is ready to probe: nothing about it is red."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Instance, Look

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_open_circuit_that_nobody_calls_becomes_ready_to_probe(
    solo: Callable[..., Instance], look: Look
) -> None:
    one = solo()
    console = await look(one.address, viewport={"width": 1500, "height": 900})
    await console.open()
    tile = console.page.get_by_role("button", name="Ready to probe")
    one.trip("idle:list")
    badge, row = console.state("idle:list"), console.row("idle:list")
    await expect(badge).to_have_text("Open")
    await expect(badge).to_have_text("Ready to probe")
    await expect(badge).to_have_attribute("data-tone", "ready")
    await expect(row).to_have_attribute("data-tone", "ready")
    await expect(row.locator(".cell-outlook .value")).to_have_text("at the next call")
    await expect(row.locator(".ribbon-READY")).to_have_attribute("d", re.compile("M"))
    await expect(tile.locator(".tile-number")).to_have_text("1")
    await tile.click()
    await expect(console.page.locator("li.row")).to_have_count(1)
    one.play("idle:list", succeed=1)
    await expect(console.page.locator("li.row")).to_have_count(0)
    await console.page.get_by_role("button", name="Show all").click()
    await expect(badge).to_have_text("Closed")


async def test_its_own_page_says_so_of_every_instance(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, b = fleet
    b.trip("idle:page")
    console = await look(a.address)
    await console.open("idle:page")
    await expect(console.own_state).to_have_text("Ready to probe")
    await expect(console.page.locator("#circuit-advice")).to_contain_text("nobody is rejected")
    places = console.page.locator("#places").get_by_text("Ready to probe")
    await expect(places).to_have_count(2)
    await expect(console.page.locator("#circuit-where")).to_have_text("")
    await expect(console.page.locator("#circuit-outlook")).to_have_text("at the next call")
