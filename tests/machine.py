"""What the tests need of a machine beside Python: a browser, and a second kind of Redis server.

``python -m tests.machine``, with which ``make test`` begins, looks for both and installs what is
missing and may be installed. Tests that still have to do without are skipped, and the summary says
so in one line; in CI nothing is skipped.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("microsoft-edge", "microsoft-edge-stable"),
)
START = 120_000.0
"""Milliseconds for a browser to start; only reached where it hangs."""

LONGEST_INSTALLATION = 900.0

NOT_TESTED = "NOT TESTED: "

NO_BROWSER = (
    f"{NOT_TESTED}the console, because no Chromium, Chrome or Edge starts here. To test it, install"
    " one, or run `.venv/bin/python -m playwright install --with-deps chromium`"
)
NO_REDIS = (
    f"{NOT_TESTED}Redis itself (Valkey is tested), because there is no redis-server here."
    " To test it, install Redis 6.2 or later: on Debian, `apt-get install redis-server`"
)

NO_FAKETIME = (
    f"{NOT_TESTED}a server whose clock is set by days (the simulator has it), because there is no"
    " libfaketime here. To test it, install it: on Debian, `apt-get install faketime`"
)

NO_PROMTOOL = (
    f"{NOT_TESTED}the alerts of docs/telemetry.md, because there is no promtool here. To test them,"
    " install Prometheus: on Debian, `apt-get install prometheus`"
)


class NoBrowserError(Exception):
    """No browser starts."""


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def do_without(what: str) -> NoReturn:
    """Skip a test for want of what the machine lacks; in CI, fail it."""
    if is_ci():
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def redis_server() -> str | None:
    """Return the path of Redis' own server, if it is installed."""
    return shutil.which("redis-server")


def faketime_library() -> str | None:
    """Return the path of libfaketime, if it is installed."""
    found = sorted(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"))
    return str(found[0]) if found else None


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Start the first browser that can: an installed one, or Playwright's own."""
    installed = [{"executable_path": path} for name in BROWSERS if (path := shutil.which(name))]
    own: list[dict[str, str]] = [{"channel": "chrome"}, {"channel": "msedge"}, {}]
    # Only here: the lowest versions are tested without it.
    from playwright.async_api import Error, async_playwright  # noqa: PLC0415

    async with async_playwright() as playwright:
        for which in installed + own:
            try:
                # No sandbox: root has none in CI. The browser sees our own pages only.
                browser = await playwright.chromium.launch(
                    **which, args=["--no-sandbox"], timeout=START
                )
            except Error:
                continue
            try:
                yield browser
            finally:
                await browser.close()
            return
    raise NoBrowserError(NO_BROWSER)


def has_browser() -> bool:
    async def start() -> None:
        async with browsing():
            pass

    try:
        asyncio.run(start())
    except NoBrowserError:
        return False
    return True


def run(*command: str) -> bool:
    """Run a command without questions; say what it is, and how it ended if it failed."""
    print("+", *command, flush=True)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST_INSTALLATION,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"  failed: {error}", flush=True)
        return False
    if done.returncode:
        lines = done.stdout.splitlines()
        why = next((line for line in lines if "error" in line.lower()), "".join(lines[-1:]))
        print("  failed:", why.strip(), flush=True)
    return done.returncode == 0


def as_root() -> list[str] | None:
    """Return what to write before a command to run it as root, or None where we may not."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run("sudo", "-n", "true"):
        return ["sudo", "-n"]
    return None


def install_package(name: str) -> bool:
    """Install a package of a Debian or a relative of it."""
    root = as_root()
    if root is None or shutil.which("apt-get") is None:
        return False
    # RUNLEVEL=1: the packages' scripts start no service; the tests start their own servers.
    quiet = [*root, "env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    run(*quiet, "update")  # what is known already may do where this fails
    return run(*quiet, "install", "-y", "--no-install-recommends", name)


def install_browser() -> bool:
    """Install Playwright's own browser, or where it cannot be had, the distribution's."""
    playwright = [sys.executable, "-m", "playwright"]
    if run(*playwright, "install", "chromium"):
        if has_browser():
            return True
        root = as_root()
        if root is not None and run(*root, *playwright, "install-deps", "chromium"):
            return has_browser()
    return install_package("chromium") and has_browser()


def main() -> int:
    """Look for what is needed, install what is missing; fails in CI where something stays so."""
    lacks = []
    if not (has_browser() or install_browser()):
        lacks.append(NO_BROWSER)
    if not (redis_server() or (install_package("redis-server") and redis_server())):
        lacks.append(NO_REDIS)
    if not (faketime_library() or (install_package("faketime") and faketime_library())):
        lacks.append(NO_FAKETIME)
    for what in lacks:
        print(what, file=sys.stderr, flush=True)
    return 1 if lacks and is_ci() else 0


if __name__ == "__main__":
    sys.exit(main())
