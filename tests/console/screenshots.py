"""Make the screenshots of the docs: a small fleet is played into trouble, and looked at.

    python -m tests.console.screenshots [seconds of trouble] [folder]

The charts show ten minutes, so it takes about as long (360 seconds unless told).
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2

from tests.fleet.server import Server, valkey_server
from tests.machine import browsing
from tests.web.servers import uvicorn_serving

from .story_served import CALM

if TYPE_CHECKING:
    from playwright.async_api import Browser

_WIDE = {"width": 1440, "height": 900}
_PHONE = {"width": 390, "height": 844}


async def main(seconds: float, folder: Path) -> None:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(Server(valkey_server(), place))
        os.environ["CIRCUIT_REDIS_URL"] = server.url
        ports = []
        for number in (1, 2, 3):
            os.environ["STORY_HOST"] = f"shop-{number}"
            ports.append(stack.enter_context(uvicorn_serving("tests.console.story_served:app")))
        clients = [
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) for port in ports
        ]
        async with browsing() as browser:
            base = f"http://127.0.0.1:{ports[0]}/circuits/-/console"
            context = await browser.new_context(viewport=_WIDE)
            page = await context.new_page()
            await page.goto(base)
            story = asyncio.create_task(_play(clients, seconds))
            await asyncio.sleep(seconds)
            await page.screenshot(path=folder / "overview.png")
            await page.emulate_media(color_scheme="dark")
            await page.screenshot(path=folder / "dark.png")
            await page.emulate_media(color_scheme="light")
            await page.goto(f"{base}#/c/{quote('payments-api')}")
            await page.get_by_text("Configuration").wait_for()
            await asyncio.sleep(1)
            await page.set_viewport_size({"width": 1280, "height": 1180})
            await page.screenshot(path=folder / "circuit.png")
            await page.set_viewport_size(_PHONE)
            await page.get_by_role("link", name="All circuits").click()
            await page.evaluate("document.activeElement.blur()")
            await asyncio.sleep(1)
            await page.screenshot(path=folder / "phone.png")
            await _more(browser, base, folder) if "MORE" in os.environ else None
            story.cancel()
            with suppress(asyncio.CancelledError):
                await story
        for client in clients:
            await client.aclose()


async def _play(clients: list[httpx2.AsyncClient], seconds: float) -> None:
    """Make calls, and let things go wrong one after the other."""
    first, second, third = clients
    start = time.monotonic()

    def share() -> float:
        return (time.monotonic() - start) / seconds

    async def calls(client: httpx2.AsyncClient, key: str, **what: Any) -> None:
        await client.post("/play", params={"key": key, **what})

    timeout = "ReadTimeout: no answer from payments.internal:443 within 2 s"
    await calls(first, "search", fail=7)
    await calls(second, "thumbnails", fail=5, error="thumbnailer: connection refused")
    put = {"by": "kim.larsen", "reason": "vendor maintenance until 06:00", "seconds": 9000}
    await first.put("/circuits/fraud-check/-/override", json={"kind": "forced_open", **put})
    put = {"by": "a.okafor", "reason": "provider answers 500 for bounced mail", "seconds": 3600}
    await second.put("/circuits/email/-/override", json={"kind": "disabled", **put})
    turn = 0
    probed = False
    while True:
        turn += 1
        state = (await first.get("/circuits/payments-api")).json()
        is_due = state["state"] == "OPEN" and state["retry_after"] < 1.5
        for index, client in enumerate(clients):
            for name in CALM[turn % 3 :: 3]:
                await calls(client, name, succeed=3, fail=int(name == "pricing" and turn % 4 == 0))
            await calls(client, "recommendations", succeed=6, fail=2, slow=1)
            if is_due and client is not first:
                pass  # the instance that is looked at makes the probe, so that it is seen there
            elif share() > 0.25:
                number = 3 + (turn * (index + 2)) % 5
                await calls(client, "payments-api", fail=number, error=timeout)
            else:
                await calls(client, "payments-api", succeed=5)
            await calls(client, "fraud-check", succeed=1)
        if 0.6 < share() < 0.63:
            await calls(third, "inventory-api", fail=5, error="HTTP 503 from inventory")
        if share() > 0.63 and not probed:
            state = (await third.get("/circuits/inventory-api")).json()
            if state["state"] == "OPEN" and state["retry_after"] == 0:
                await calls(third, "inventory-api", succeed=1)
                probed = True
        await asyncio.sleep(0.5)


async def _more(browser: Browser, base: str, folder: Path) -> None:
    """Look at what the docs do not show, while the design is worked on."""
    for scheme in ("light", "dark"):
        context = await browser.new_context(viewport=_WIDE, color_scheme=scheme)  # type: ignore[arg-type]
        page = await context.new_page()
        await page.goto(f"{base}#/c/fraud-check")
        await page.get_by_text("Configuration").wait_for()
        await page.screenshot(path=folder / f"forced-{scheme}.png", full_page=True)
        await page.get_by_role("button", name="Disable").click()
        await page.screenshot(path=folder / f"dialog-{scheme}.png")
        await page.set_viewport_size(_PHONE)
        await page.keyboard.press("Escape")
        await page.screenshot(path=folder / f"phone-circuit-{scheme}.png", full_page=True)
        await context.close()


if __name__ == "__main__":
    _seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 360.0
    _folder = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/console")
    _folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(_seconds, _folder))
