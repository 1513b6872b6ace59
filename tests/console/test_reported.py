"""What is shown of the answering instance is of this moment; of the others, their last report."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Route

    from .conftest import Instance, Look

pytestmark = pytest.mark.asyncio(loop_scope="session")


def instance(name: str, last_seen: float) -> dict[str, Any]:
    """Return one that was healthy at its last heartbeat."""
    return {
        "id": name,
        "host": f"host-of-{name}",
        "started": last_seen - 600,
        "last_seen": last_seen,
        "sync": "connected",
        "library": "1",
        "circuits": {},
        "more": 0,
    }


def snapshot(shown: Any, now: float) -> str:
    """Return an event in which ``shown`` opened a second ago, after all signs of life."""
    row = {
        "key": "parcels",
        "state": "OPEN",
        "why": "no route",
        "since": now - 1,
        "failures": 3,
        "rejected": 0,
        "calls": None,
        "failure_rate": None,
        "slow_rate": None,
        "alone": False,
        "mode": "enforce",
        "shadowed": 0,
        "version": shown["version"],
        "next_attempt": now + 60,
        "override": None,
        "recent": [],
    }
    said = {
        "at": now,
        "instance": "own",
        "library": "1",
        "circuits": [row],
        "instances": [instance("own", now - 4), instance("other", now - 3)],
        "sync": {"state": "connected", "since": now - 600, "orders": []},
    }
    return f"event: snapshot\ndata: {json.dumps(said)}\nid: x-1\n\n"


async def test_a_change_shows_at_once_where_it_is_known_and_what_is_older_is_marked(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    a, _ = fleet
    a.trip("parcels")
    console = await look(a.address, viewport={"width": 1500, "height": 900})
    told = snapshot(a.show("parcels"), time.time())

    async def answer(route: Route) -> None:
        await route.fulfill(content_type="text/event-stream", body=told)

    await console.page.route("**/-/events", answer)
    await console.page.goto(console.address)
    instances = console.page.get_by_role("list", name="Instances").get_by_role("listitem")
    own, other = (
        instances.filter(has_text="host-of-own"),
        instances.filter(has_text="host-of-other"),
    )
    await expect(own).to_contain_text("answers this page 1 circuit not closed")
    await expect(own).not_to_contain_text("as reported")
    await expect(other).to_contain_text("all circuits closed, as reported")
    await expect(other.locator("time")).to_contain_text("s ago")

    await console.row("parcels").get_by_role("link").click()
    places = console.page.get_by_role("region", name="On each instance").get_by_role("row")
    own, other = places.filter(has_text="host-of-own"), places.filter(has_text="host-of-other")
    await expect(own).to_contain_text("Open")
    await expect(own.get_by_role("cell").last).to_have_text("now")
    await expect(other).to_contain_text("no report since the last change")
    await expect(other).to_contain_text("Closed")
