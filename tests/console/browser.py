"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import Browser, async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def find_chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        raise RuntimeError(
            "the console's tests need a browser, the package chromium:"
            " apt-get install --no-install-recommends chromium"
        )
    return found


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    path = find_chromium()
    async with async_playwright() as playwright:
        # No sandbox: CI runs as root, under which Chromium has none. It sees our own pages only.
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()
