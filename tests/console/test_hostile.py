"""Keys and texts of others are shown as they are, and do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from .console import is_overflowing

if TYPE_CHECKING:
    from .conftest import Instance, Look

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = [
    '<img src=x onerror="alert(1)">',
    "'\"><script>alert(2)</script>",
    "javascript:alert(3)//a/b?c#d&e%2F",
    "\u202eesrever\u202e مرحبا \u2066",
    "{{7*7}}${alert(4)}",
    "x" * 256,
]


async def test_hostile_keys_errors_and_reasons_are_shown_verbatim_and_do_no_harm(
    solo: object, look: Look
) -> None:
    instance: Instance = solo()  # type: ignore[operator]
    for key in HOSTILE:
        instance.trip(key, error=printable(key))
    console = await look(instance.address, viewport={"width": 390, "height": 844})
    await console.open()
    for key in HOSTILE:
        link = console.page.locator("li.row .key", has_text=key[:60])
        await expect(link).to_have_text(key)
        why = console.page.locator("li.row .why", has_text=printable(key)[:60])
        await expect(why).to_be_visible()
    assert not await is_overflowing(console.page)

    for key in HOSTILE:
        await console.open(key)
        await expect(console.page.locator("#circuit-key")).to_have_text(key)
        await expect(console.own_state).to_have_text("Open")
        history = console.page.get_by_role("region", name="What happened")
        await expect(history).to_contain_text(f"ConnectionError: {printable(key)}")
        fields = {"Reason": printable(key), "Your_name": printable(key)}
        await console.act("Force open…", "Force open", **fields)
        await expect(console.page.locator("#circuit-why")).to_have_text(
            f"{printable(key)} ({printable(key)})"
        )
        assert not await is_overflowing(console.page)
        await console.act("Clear the override…", "Clear the override")
        await expect(console.own_state).to_have_text("Open")
        await console.act("Reset…", "Reset")
        await expect(console.own_state).to_have_text("Closed")
    # Nothing of it has become an element (the page has one image, its own), nor was refused as one.
    assert await console.page.locator("img").count() == 1
    assert await console.page.locator("script").count() == 1


def printable(key: str) -> str:
    """What may stand in an error and a reason: no more than 200 characters that show."""
    return "".join(char for char in key if char.isprintable())[:150].strip()


async def test_an_address_that_names_no_circuit_says_so(solo: object, look: Look) -> None:
    instance: Instance = solo()  # type: ignore[operator]
    console = await look(instance.address)
    console.allowed = ["status of 4(04|22)"]
    await console.open("nobody")
    await expect(console.page.locator("#circuit-trouble")).to_have_text(
        "No circuit is called 'nobody'."
    )
    # Nothing is claimed of what is not known, and there is nothing to do to it.
    await expect(console.own_state).to_be_hidden()
    for role in ("button", "region"):
        for place in await console.page.locator("#circuit").get_by_role(role).all():  # type: ignore[arg-type]
            await expect(place).to_be_hidden()
    await console.page.evaluate("location.hash = '#/c/..'")
    await expect(console.page.locator("#circuit-trouble")).not_to_have_text("no circuit is called")
    await console.page.evaluate("location.hash = '#/c/%E0%A4%A'")  # no encoding at all: the list
    await expect(console.page.get_by_role("heading", name="No circuit is open")).to_be_visible()
