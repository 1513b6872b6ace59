"""What one does from the page, and what becomes of it in the fleet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.fleet.proxy import Proxy
from tests.web.servers import eventually, uvicorn_serving

from .conftest import Instance

if TYPE_CHECKING:
    from tests.fleet.server import Server

    from .conftest import Look

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_reset_from_the_page_closes_the_circuit_on_the_other_instance(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, b = fleet
    b.trip("shipping")
    eventually(lambda: a.state("shipping") == "OPEN")
    console = await look(a.address)
    await console.open("shipping")
    await expect(console.own_state).to_have_text("Open")

    await console.page.get_by_role("button", name="Reset…").click()
    dialog = console.page.get_by_role("dialog", name="Reset this circuit?")
    await expect(dialog).to_contain_text("shipping")
    assert b.state("shipping") == "OPEN"  # nothing happens before it is confirmed
    await dialog.get_by_role("button", name="Cancel").click()
    assert b.state("shipping") == "OPEN"

    said = {"Reason": "the carrier is back", "Your_name": "ann"}
    await console.act("Reset…", "Reset", **said)
    await expect(console.outcome).to_contain_text("Reset. Stored for the whole fleet.")
    await expect(console.outcome).to_contain_text("In this process it is “Closed” since")
    await expect(console.own_state).to_have_text("Closed")
    eventually(lambda: b.state("shipping") == "CLOSED")
    await expect(console.outcome).to_contain_text("The other instances say the same.")
    history = console.page.get_by_role("region", name="What happened")
    await expect(history).to_contain_text("By ann")
    await expect(history).to_contain_text("Reason the carrier is back")
    await expect(history.locator("time").first).to_have_attribute("datetime", re.compile(r"^20"))
    evidence = b.show("shipping")["history"][-1]["evidence"]
    assert (evidence["by"], evidence["reason"]) == ("ann", "the carrier is back")


async def test_forced_open_and_cleared_from_the_page_with_reason_time_and_name(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, b = fleet
    a.play("invoices", succeed=1)
    console = await look(a.address)
    await console.open("invoices")
    fields = {"Reason": "the ledger moves", "For_how_long": "4 hours", "Your_name": "ann"}
    await console.act("Force open…", "Force open", **fields)
    await expect(console.outcome).to_contain_text("Forced open. Stored for the whole fleet.")
    await expect(console.own_state).to_have_text("Forced open")
    await expect(console.page.locator("#circuit-why")).to_have_text("the ledger moves (ann)")
    await expect(console.page.locator("#circuit-outlook")).to_have_text(
        re.compile(r"ends in (4\sh|3\sh\s59\smin)")
    )
    history = console.page.get_by_role("region", name="What happened")
    await expect(history).to_contain_text("Reason the ledger moves")
    eventually(lambda: b.state("invoices") == "OPEN")
    assert b.show("invoices")["override"]["by"] == "ann"
    assert b.play("invoices", succeed=2) == 2

    # Whoever has told the name once need not tell it again.
    await console.act("Clear the override…", "Clear the override", Reason="it has moved")
    await expect(console.outcome).to_contain_text("Override cleared. Stored for the whole fleet.")
    await expect(console.own_state).to_have_text("Closed")
    await expect(console.page.get_by_role("button", name="Clear the override…")).to_be_hidden()
    eventually(lambda: b.show("invoices")["override"] is None)
    evidence = b.show("invoices")["history"][-1]["evidence"]
    assert (evidence["by"], evidence["reason"]) == ("ann", "it has moved")


async def test_an_act_that_is_refused_says_why_and_can_be_mended(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, _ = fleet
    a.play("loyalty", succeed=1)
    console = await look(a.address)
    console.allowed = ["status of 422"]
    await console.open("loyalty")
    order = {"Reason": "a\u200bmove", "For_how_long": "until it is cleared", "Your_name": "ann"}
    await console.act("Disable…", "Disable", **order)
    dialog = console.page.get_by_role("dialog")
    await expect(dialog.get_by_role("alert")).to_contain_text("reason must be text of 1 to 200")
    assert a.show("loyalty")["override"] is None
    await dialog.get_by_label("Reason").fill("a move")
    await console.page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await expect(console.own_state).to_have_text("Disabled")
    await expect(console.page.locator("#circuit-outlook")).to_have_text("until cleared")


async def test_an_act_while_redis_does_not_answer_is_said_to_be_queued(
    valkey: Server, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(valkey.port) as link:
        monkeypatch.setenv("CIRCUIT_REDIS_URL", link.url)
        with uvicorn_serving("tests.console.served:app") as port:
            instance = Instance(port)
            eventually(instance.is_connected)
            instance.trip("parcels")
            console = await look(instance.address)
            await console.open("parcels")
            link.hold()
            notice = console.page.get_by_text("Circuits are not shared.").first
            await expect(notice).to_be_visible()
            why = console.page.locator("#cut-off-why")
            await expect(why).to_contain_text("is unreachable")
            await console.act("Reset…", "Reset")
            await expect(console.outcome).to_contain_text("Queued: Redis does not answer.")
            await expect(console.own_state).to_have_text("Closed")
            link.release()
            await expect(notice).to_be_hidden()
            await expect(console.outcome).to_contain_text("the fleet has taken it now")
            await expect(console.outcome).not_to_contain_text("Redis does not answer")
            await expect(console.outcome).to_contain_text("In this process it is “Closed” since")


async def test_an_act_without_a_fleet_is_said_to_hold_in_this_process(
    solo: object, look: Look
) -> None:
    instance = solo()  # type: ignore[operator]
    instance.trip("parcels")
    console = await look(instance.address)
    await console.open("parcels")
    await console.act("Reset…", "Reset")
    await expect(console.outcome).to_contain_text("This process only: there is no fleet.")
    await expect(console.own_state).to_have_text("Closed")
    # Once more: what does not change anything is not claimed to have.
    await console.act("Reset…", "Reset")
    await expect(console.outcome).to_contain_text(
        "There was nothing to change: here it is “Closed”, as before."
    )


async def test_reset_under_an_override_says_that_it_stays(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, _ = fleet
    a.play("loyalty", succeed=1)
    console = await look(a.address)
    await console.open("loyalty")
    order = {"Reason": "a move", "For_how_long": "1 day", "Your_name": "Jörg & Ann"}
    await console.act("Force open…", "Force open", **order)
    await expect(console.own_state).to_have_text("Forced open")
    stays = "The override by Jörg & Ann stays in force: forced open."
    await console.page.get_by_role("button", name="Reset…").click()
    dialog = console.page.get_by_role("dialog", name="Reset this circuit?")
    await expect(dialog).to_contain_text(stays)
    await dialog.get_by_role("button", name="Reset").click()
    await expect(console.outcome).to_contain_text("Reset. Stored for the whole fleet.")
    await expect(console.outcome).to_contain_text(stays)
    await expect(console.own_state).to_have_text("Forced open")
    await console.act("Clear the override…", "Clear the override")
    await expect(console.own_state).to_have_text("Closed")
    await console.page.get_by_role("button", name="Reset…").click()
    await expect(dialog).not_to_contain_text("stays in force")


async def test_shadow_mode_from_the_page_and_what_it_shows(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, b = fleet
    a.trip("shipping")
    eventually(lambda: b.state("shipping") == "OPEN")
    console = await look(a.address)
    await console.open("shipping")
    await expect(console.page.get_by_role("button", name="Enforce…")).to_be_hidden()
    order = {"Reason": "a trial", "For_how_long": "1 hour", "Your_name": "ann"}
    await console.act("Shadow mode…", "Shadow mode", **order)
    await expect(console.outcome).to_contain_text("In shadow mode. Stored for the whole fleet.")
    await expect(console.own_state).to_have_text("Shadow: open")
    why = console.page.locator("#circuit-why")
    await expect(why).to_have_text(re.compile(r"^Shadow mode until [\d:]+.*: a trial \(ann\)$"))
    eventually(lambda: b.show("shipping")["mode"] == "shadow")
    assert a.play("shipping", fail=3, succeed=1) == 0
    shadowed = console.page.locator("#fact-shadowed")
    await expect(shadowed).to_have_text(re.compile(r"^4 \(75\s% failed\)$"))
    history = console.page.get_by_role("region", name="What happened")
    await expect(history).to_contain_text("Shadow mode")
    await expect(console.page.get_by_role("button", name="Shadow mode…")).to_be_hidden()

    await console.act("Enforce…", "Enforce", **order)
    await expect(console.own_state).to_have_text("Open")
    assert a.play("shipping", succeed=2) == 2
    await console.act("Clear the override…", "Clear the override")
    await expect(console.own_state).to_have_text("Open")
    await console.act("Reset…", "Reset")
    await expect(console.own_state).to_have_text("Closed")
