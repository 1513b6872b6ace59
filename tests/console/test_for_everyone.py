"""By keyboard alone, by ear, on a phone, in the dark, and with many circuits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from .console import is_overflowing

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from .conftest import Instance, Look

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMES = ("light", "dark")


@pytest.fixture
def troubled(solo: Callable[..., Instance]) -> Instance:
    """A process with a circuit in each state."""
    instance = solo()
    for key in ("parcels", "shadowed", "forced"):
        instance.trip(key, error=f"{key} fails")
    instance.play("calm", succeed=1, fail=1)
    for key, kind in {"forced": "forced_open", "off": "disabled"}.items():
        order = {"kind": kind, "by": "ann", "reason": "a move", "seconds": 600}
        instance.ask("PUT", f"/circuits/{key}/-/override", json=order).raise_for_status()
    return instance


async def test_a_circuit_is_found_and_reset_by_keyboard_alone(
    troubled: Instance, look: Look
) -> None:
    console = await look(troubled.address)
    await console.open()
    page, keyboard = console.page, console.page.keyboard
    await expect(console.row("parcels")).to_be_visible()
    await keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await keyboard.type("parc")
    await expect(page.locator("li.row")).to_have_count(1)
    await tab_to(page, "parcels")
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="parcels", level=1)).to_be_focused()

    await tab_to(page, "Reset…")
    await keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.get_by_role("button", name="Reset…")).to_be_focused()
    assert troubled.state("parcels") == "OPEN"
    await keyboard.press("Enter")
    await keyboard.press("Enter")  # what confirms has the focus
    await expect(console.own_state).to_have_text("Closed")

    await keyboard.press("Escape")
    await expect(page.get_by_role("link", name="parcels")).to_be_focused()
    await keyboard.press("/")
    await keyboard.press("Escape")
    await expect(page.get_by_role("searchbox")).to_have_value("")
    await expect(console.row("forced")).to_be_visible()


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name has the focus, and is seen to."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent.trim()") == name:
            break
    is_seen = await page.evaluate(
        """() => ['', '::after'].map(part => getComputedStyle(document.activeElement, part)).some(
            style => style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2)"""
    )
    assert is_seen, name


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_axe_finds_nothing_serious(scheme: str, troubled: Instance, look: Look) -> None:
    console = await look(troubled.address, color_scheme=scheme)
    await console.open()
    await expect(console.row("calm")).to_be_visible()
    assert await serious(console.page) == []
    await console.page.get_by_role("link", name="forced", exact=True).click()
    await expect(console.page.get_by_role("region", name="Configuration")).to_contain_text("3 fail")
    assert await serious(console.page) == []
    await console.page.get_by_role("button", name="Force open…").click()
    await expect(console.page.get_by_role("dialog")).to_be_visible()
    assert await serious(console.page) == []
    await console.page.keyboard.press("Escape")
    await console.act("Reset…", "Reset")
    await expect(console.outcome).to_be_visible()
    assert await serious(console.page) == []
    background = await console.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(background.removeprefix("rgb(").split(",")[0]) < 64) == (scheme == "dark")


async def serious(page: Page) -> list[Any]:
    found = (await Axe().run(page)).response["violations"]
    return [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


async def test_no_width_needs_scrolling_sideways(troubled: Instance, look: Look) -> None:
    console = await look(troubled.address, has_touch=True)
    page, dialog = console.page, console.page.get_by_role("dialog")
    for width in (320, 390, 640, 768, 1100):
        await page.set_viewport_size({"width": width, "height": 844})
        await console.open()
        await expect(console.row("parcels")).to_be_visible()
        assert not await is_overflowing(page)
        await console.row("parcels").get_by_role("link").tap()
        settings = page.get_by_role("region", name="Configuration")
        await expect(settings).to_contain_text("3 failures")
        assert not await is_overflowing(page)
        await page.get_by_role("button", name="Disable…").tap()
        await dialog.get_by_role("button", name="Cancel").tap()
        await expect(dialog).to_be_hidden()
        assert not await is_overflowing(page)


async def test_no_width_cuts_a_row_off(troubled: Instance, look: Look) -> None:
    console = await look(troubled.address)
    page = console.page
    await console.open()
    for width in (1000, 1023, 1024, 1100, 1280, 1366, 1379, 1380, 1440):
        await page.set_viewport_size({"width": width, "height": 900})
        await expect(console.row("parcels")).to_be_visible()
        ends = await console.row("parcels").evaluate(
            "row => [...row.querySelectorAll('.cell')]"
            ".map(cell => cell.getBoundingClientRect().right)"
            ".concat(row.closest('.circuits').getBoundingClientRect().right)"
        )
        assert max(ends[:-1]) <= ends[-1], width


async def test_of_a_thousand_circuits_few_are_in_the_page_and_only_what_changes_is_drawn(
    solo: Callable[..., Instance], look: Look
) -> None:
    instance = solo()
    instance.ask("POST", "/many", params={"number": 1000}).raise_for_status()
    console = await look(instance.address)
    await console.open()
    page, rows = console.page, console.page.locator("li.row")
    await expect(page.get_by_text("1,003 circuits")).to_be_visible()
    await expect(rows).to_have_count(60)

    await page.evaluate(
        """() => {
            window.drawn = new Set();
            new MutationObserver((changes) => {
                for (const { target, addedNodes } of changes) {
                    const element = target.closest ? target : target.parentElement;
                    const row = element.closest("li.row") ?? addedNodes[0];
                    if (row) window.drawn.add(row.querySelector(".key").textContent);
                }
            }).observe(document.querySelector("#circuits"),
                       {subtree: true, childList: true, attributes: true, characterData: true});
        }"""
    )
    last = "host-0999.example.com:443"
    instance.trip(last)
    await expect(rows.first.locator(".key")).to_have_text(last)
    await expect(console.state(last)).to_have_text("Open")
    await expect(rows).to_have_count(60)
    drawn = await page.evaluate("[...window.drawn]")
    assert drawn == [last]

    await page.get_by_role("searchbox").fill("host-0500")
    await expect(rows).to_have_count(1)
    await page.get_by_role("searchbox").fill("")
    await expect(rows).to_have_count(60)
    await page.keyboard.press("End")
    await page.mouse.wheel(0, 100_000)
    await expect(rows).not_to_have_count(60)
    await expect(console.row("host-0070.example.com:443")).to_have_count(1)
