"""Who may ask, from where, and under which path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from .served import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Instance, Look

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_token_is_asked_for_and_kept_in_memory_alone(
    solo: Callable[..., Instance], look: Look
) -> None:
    instance = solo(TEST_AUTH="1")
    instance.trip("parcels")
    console = await look(instance.address)
    console.allowed = ["status of 401"]
    page = console.page
    dialog = page.get_by_role("dialog", name="Sign in")
    await page.goto(console.address)
    await expect(dialog).to_contain_text("a bearer token is needed")
    assert await page.locator("li.row").count() == 0

    await dialog.get_by_label("Bearer token").fill("a-wrong-one-of-some-length")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("That token was not accepted.")
    await page.keyboard.press("Escape")
    banner = page.get_by_role("region", name="Connection")
    await expect(banner).to_contain_text("You are not signed in. A bearer token is needed.")
    await banner.get_by_role("button", name="Enter a token").click()
    await dialog.get_by_label("Bearer token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await console.is_live()
    await page.get_by_role("link", name="parcels").click()
    await expect(page.get_by_role("region", name="Configuration")).to_contain_text("3 failures")
    await console.act("Reset…", "Reset")
    await expect(console.own_state).to_have_text("Closed")

    kept = await page.evaluate(
        "async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie,"
        " location.href, history.state, await indexedDB.databases(), await caches.keys(),"
        " document.documentElement.outerHTML, document.querySelector('#token-input').value])"
    )
    assert TOKEN not in kept
    assert kept.startswith(f'[{{}},{{}},"","{console.address}#/c/parcels",null,[],[]')
    assert await page.context.cookies() == []
    await page.get_by_role("button", name="Forget the token").click()
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Bearer token").fill("a-wrong-one-of-some-length")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("That token was not accepted.")
    await dialog.get_by_role("button", name="Cancel").click()
    said = r"You are not signed in\. A bearer token is needed\. What you see is from \d"
    await expect(banner).to_contain_text(re.compile(said))
    await page.get_by_role("button", name="Reset…").click()
    reset = page.get_by_role("dialog", name="Reset this circuit?")
    await expect(reset).to_contain_text(
        "You are not signed in. The circuit may have changed since."
    )
    await reset.get_by_role("button", name="Cancel").click()
    await banner.get_by_role("button", name="Enter a token").click()
    await dialog.get_by_label("Bearer token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await console.is_live()
    await page.reload()
    await expect(dialog).to_be_visible()


async def test_a_name_is_asked_for_where_signing_in_tells_none(
    solo: Callable[..., Instance], look: Look
) -> None:
    instance = solo(TEST_AUTH="1")
    console = await look(instance.address)
    console.allowed = ["status of 401"]
    page = console.page
    instance.trip("parcels")
    await page.goto(console.address + "#/c/parcels")
    signing_in = page.get_by_role("dialog", name="Sign in")
    await signing_in.get_by_label("Bearer token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await console.is_live()
    await expect(page.get_by_role("region", name="Configuration")).to_contain_text("3 failures")
    await page.get_by_role("button", name="Force open…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("The server does not know it.")
    await dialog.get_by_label("Reason").fill("a move")
    await dialog.get_by_role("button", name="Force open").click()
    assert await dialog.get_by_label("Your name", exact=True).evaluate(
        "it => it.matches(':invalid')"
    )
    await expect(dialog).to_be_visible()  # the browser says what is missing
    await dialog.get_by_label("Your name").fill("ann")
    await page.keyboard.press("Enter")
    await expect(console.own_state).to_have_text("Forced open")
    # What does not need a name does not say so.
    await page.get_by_role("button", name="Clear the override…").click()
    await expect(dialog.get_by_label("Your name (optional)")).to_have_value("ann")


async def test_no_name_is_asked_for_where_signing_in_tells_it(
    solo: Callable[..., Instance], look: Look
) -> None:
    instance = solo(TEST_CALLER="bob")
    instance.trip("parcels")
    console = await look(instance.address)
    await console.open("parcels")
    await expect(console.page.get_by_role("region", name="Configuration")).to_contain_text("3 fail")
    await console.page.get_by_role("button", name="Reset…").click()
    dialog = console.page.get_by_role("dialog")
    await expect(dialog.get_by_label("Your name")).to_have_count(0)
    await dialog.get_by_role("button", name="Reset").click()
    await expect(console.own_state).to_have_text("Closed")
    assert instance.show("parcels")["history"][-1]["evidence"]["by"] == "bob"


async def test_another_sites_page_cannot_change_anything(
    solo: Callable[..., Instance], look: Look
) -> None:
    # Even where the application lets in all origins; and another port is another origin.
    instance, other = solo(TEST_CORS="1"), solo()
    instance.trip("parcels")
    console = await look(f"{other.base}/openapi.json")
    console.allowed = ["status of 40[35]", f"asked of elsewhere: {instance.base}", "status of 404"]
    await console.page.goto(console.address)
    circuit = f"{instance.base}/circuits/parcels"
    order = '{"kind": "disabled", "by": "eve", "reason": "why not", "seconds": null}'
    statuses = await console.page.evaluate(
        """async ([circuit, order]) => {
            const ask = async (rest, options) => (await fetch(circuit + rest, options)).status;
            return [
                await ask("", {}),
                await ask("", {method: "DELETE"}),
                await ask("/-/override", {method: "PUT", body: order}),
                await ask("/-/override?by=eve", {method: "DELETE"}),
                await ask("/-/override", {method: "POST", body: order}), // as a form would
            ];
        }""",
        [circuit, order],
    )
    assert statuses == [200, 403, 403, 403, 405]  # read it may, since this application says so
    assert instance.show("parcels")["state"] == "OPEN"
    assert instance.show("parcels")["override"] is None


async def test_the_console_cannot_be_framed(solo: Callable[..., Instance], look: Look) -> None:
    instance, other = solo(), solo()
    console = await look(f"{other.base}/openapi.json")
    console.allowed = ["asked of elsewhere", "frame", "Frame", "chrome-error", "status of 404"]
    await console.page.goto(console.address)
    await console.page.evaluate(
        """address => new Promise(loaded => {
            const frame = document.createElement("iframe");
            Object.assign(frame, {src: address, onload: loaded});
            document.body.append(frame);
        })""",
        instance.address,
    )
    assert any("frame" in fault.lower() for fault in console.faults)
    assert await console.page.frames[-1].locator("#tiles").count() == 0


async def test_it_works_behind_a_root_path_and_under_any_prefix(
    solo: Callable[..., Instance], look: Look
) -> None:
    instance = solo("mounted", "/outer/team/ops/breakers", TEST_PREFIX="/ops/breakers")
    instance.ask("POST", "/outer/team/play", params={"key": "a/b c", "fail": 3})
    console = await look(instance.address)
    await console.page.goto(console.address + "/")  # with a slash too many
    await console.is_live()
    assert console.page.url == console.address
    await console.row("a/b c").get_by_role("link").click()
    await expect(console.page.get_by_role("region", name="Configuration")).to_contain_text("3 fail")
    order = {"Reason": "a move", "Your_name": "ann"}
    await console.act("Disable…", "Disable", **order)
    await expect(console.own_state).to_have_text("Disabled")
