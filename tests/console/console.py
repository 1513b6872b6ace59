"""The console in a browser, as the tests use it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page

_NOTE_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`violated: ${event.violatedDirective} ${event.blockedURI}`));
"""


class Console:
    """A page of the console; what goes wrong in it is collected.

    ``allowed`` are patterns of console errors that the test brings about on purpose: browsers
    write one for each answer that is an error.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.faults: list[str] = []
        self.allowed: list[str] = []
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self._note_address(request.url))

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(message.text)

    def _note_address(self, url: str) -> None:
        origin = "/".join(self.address.split("/")[:3])
        if not url.startswith(origin + "/"):
            self.faults.append(f"asked of elsewhere: {url}")

    def remaining_faults(self) -> list[str]:
        return [
            fault
            for fault in self.faults
            if not any(re.search(pattern, fault) for pattern in self.allowed)
        ]

    async def open(self, key: str | None = None) -> None:
        """Open the list, or a circuit's page; with the data there."""
        await self.page.goto(self.address if key is None else self.address + address_of(key))
        await self.is_live()

    async def is_live(self) -> None:
        await expect(self.page.locator("#live-word")).to_have_text("Live")

    def row(self, key: str) -> Locator:
        link = self.page.get_by_role("link", name=key, exact=True)
        return self.page.locator("li.row").filter(has=link)

    def state(self, key: str) -> Locator:
        return self.row(key).locator(".badge")

    @property
    def own_state(self) -> Locator:
        """The state on a circuit's page."""
        return self.page.locator("#circuit-badge")

    async def act(self, button: str, confirm: str, **fields: str) -> None:
        """Press a button of a circuit's page, and confirm; fields by their label."""
        await self.page.get_by_role("button", name=button).click()
        dialog = self.page.get_by_role("dialog")
        for label, value in fields.items():
            field = dialog.get_by_label(label.replace("_", " "))
            if await field.evaluate("it => it.tagName") == "SELECT":
                await field.select_option(value)
            else:
                await field.fill(value)
        await dialog.get_by_role("button", name=confirm).click()

    @property
    def outcome(self) -> Locator:
        return self.page.locator("#outcome")


def address_of(key: str) -> str:
    return "#/c/" + quote(key, safe="")


async def make_console(context: BrowserContext, address: str) -> Console:
    await context.add_init_script(_NOTE_VIOLATIONS)
    return Console(await context.new_page(), address)


async def is_overflowing(page: Page) -> Any:
    """Return whether one would have to scroll sideways."""
    return await page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
