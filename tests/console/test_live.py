"""What the page shows follows the fleet by itself."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.web.servers import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Instance, Look

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_trip_on_another_instance_appears_without_a_reload(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, b = fleet
    a.play("orders", succeed=1)
    console = await look(a.address)
    await console.open()
    row = console.row("orders")
    await expect(console.state("orders")).to_have_text("Closed")

    b.trip("orders", error="the warehouse burns")
    await expect(console.state("orders")).to_have_text("Open")
    await expect(row.locator(".why")).to_contain_text("ConnectionError: the warehouse burns")
    await expect(row.locator(".where")).to_have_text("open on all 2 instances")
    await expect(row.locator(".cell-since")).to_contain_text("ago")
    countdown = row.locator(".cell-outlook .value")
    await expect(countdown).to_have_text(re.compile(r"59:\d\d"))
    shown = await countdown.inner_text()
    await expect(countdown).not_to_have_text(shown)
    await expect(row.locator("time")).to_have_attribute("title", re.compile(r"\d{4}"))
    await expect(console.page).to_have_title(re.compile(r"\d+ open"))
    # Read out once, in words; figures are not.
    await expect(console.page.locator("#announcer")).to_contain_text("orders: Open.")


async def test_what_all_instances_reject_is_added_up(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, b = fleet
    a.trip("ledger")
    console = await look(a.address)
    await console.open("ledger")
    await expect(console.own_state).to_have_text("Open")
    table = console.page.get_by_role("table")
    await expect(table.get_by_role("row")).to_have_count(3)
    await expect(table.get_by_text("answers this page")).to_have_count(1)
    rejecting = console.page.locator("#fact-rejecting")

    rows = table.locator("tbody tr")
    own = rows.filter(has_text="answers this page").locator(".number")
    other = rows.filter(has_not_text="answers this page").locator(".number")
    with playing(a, "ledger"):
        await expect(own).not_to_have_text("0")
        await expect(rejecting).not_to_have_text("0 per second")
    await expect(rejecting).to_have_text("0 per second")
    with playing(b, "ledger"):
        await expect(rejecting).not_to_have_text("0 per second")
        await expect(own).to_have_text("0")
        await expect(other).not_to_have_text("0")
    await expect(console.page.locator("#circuit-chart .chart-line")).to_have_attribute(
        "d", re.compile(r"M.*V")
    )


@contextmanager
def playing(instance: Instance, key: str) -> Iterator[None]:
    """Make calls all the time."""
    has_ended = threading.Event()

    def play() -> None:
        while not has_ended.wait(0.1):
            instance.play(key, succeed=5)

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


async def test_a_circuit_that_is_open_on_another_instance_alone_is_shown_as_that(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, b = fleet
    console = await look(a.address)
    await console.open()
    b.trip("alone")
    await expect(console.state("alone")).to_have_text("Open elsewhere")
    await expect(console.row("alone").locator(".where")).to_have_text("open on 1 of 2 instances")
    await console.row("alone").get_by_role("link").click()
    await expect(console.page.get_by_text("open for itself alone")).to_have_count(1)


async def test_the_worst_come_first(fleet: tuple[Instance, Instance], look: Look) -> None:
    a, _ = fleet
    keys = {
        "w-open": "Open",
        "w-disabled": "Disabled",
        "shadowed": "Shadow: open",
        "w-failing": "Closed",
        "w-calm": "Closed",
    }
    console = await look(a.address)
    await console.open()
    for key in reversed(keys):
        a.play(key, succeed=1)
    a.play("w-failing", fail=1)
    a.trip("shadowed")
    order = {"kind": "disabled", "by": "ann", "reason": "a move", "seconds": 600}
    a.ask("PUT", "/circuits/w-disabled/-/override", json=order).raise_for_status()
    a.trip("w-open")
    for key, state in keys.items():
        await expect(console.state(key)).to_have_text(state)
    await expect(console.row("w-failing").locator(".cell-failures .value")).to_have_text(
        "1 in a row"
    )
    shown = await console.page.locator("li.row .key").all_inner_texts()
    assert [key for key in shown if key in keys] == list(keys)

    await console.page.get_by_role("button", name="Overridden").click()
    await expect(console.row("w-disabled")).to_be_visible()
    await expect(console.row("w-open")).to_have_count(0)
    await console.page.get_by_role("searchbox").fill("W-DIS move")  # the reason is searched too
    await expect(console.page.locator("li.row")).to_have_count(1)
    await console.page.get_by_role("searchbox").fill("nobody")
    await console.page.get_by_role("button", name="Show all").click()
    await expect(console.row("w-open")).to_be_visible()


async def test_a_circuits_page_has_its_configuration_and_its_history_with_evidence(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, _ = fleet
    console = await look(a.address)
    await console.open("payments-api")
    settings = console.page.get_by_role("region", name="Configuration")
    await expect(settings).to_contain_text("0.5 of the last 20 calls failed")
    await expect(settings).to_contain_text("1 h, each time in a row 2 times longer")
    history = console.page.get_by_role("region", name="What happened")
    await expect(history).to_contain_text("never changed")

    a.play("payments-api", succeed=5)
    a.play("payments-api", fail=5, error="boom")
    await expect(console.own_state).to_have_text("Open")
    await expect(history).to_contain_text("Too many failures")
    await expect(history).to_contain_text("5 of 10 calls failed")
    await expect(history).to_contain_text("Last error ConnectionError: boom")
    chart = console.page.locator("#circuit-chart svg")
    await expect(chart).to_have_attribute("aria-label", re.compile("open 1 time,"))


async def test_most_of_the_last_openings_from_one_instance_are_said(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, b = fleet
    for opener, times in ((a, 1), (b, 4)):  # whatever other tests have opened before
        for _ in range(times):
            opener.trip("shipping")
            eventually(lambda: a.state("shipping") == b.state("shipping") == "OPEN")
            a.ask("DELETE", "/circuits/shipping").raise_for_status()
            eventually(lambda: a.state("shipping") == b.state("shipping") == "CLOSED")
    console = await look(a.address)
    await console.open("shipping")
    history = console.page.get_by_role("region", name="What happened")
    await expect(history).to_contain_text("4 of the last 5 openings came from instance")
    name = history.locator("#often-opened-by .instance-id")
    await expect(name).to_have_attribute(
        "title", b.ask("GET", "/circuits").json()["sync"]["instance"]
    )
