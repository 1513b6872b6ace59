"""One browser, and one fleet of two services around a real Valkey, for each process of tests."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.fleet.server import Server, valkey_server
from tests.machine import NO_BROWSER, NoBrowserError, browsing, do_without
from tests.patience import PATIENCE
from tests.web.servers import eventually, request, uvicorn_serving

from .console import Console, make_console

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from playwright.async_api import Browser

    Look = Callable[..., Awaitable[Console]]

expect.set_options(timeout=PATIENCE * 1000)


class Instance:
    """A process that serves ``tests.console.served``."""

    def __init__(self, port: int, prefix: str = "/circuits") -> None:
        self.port = port
        self.base = f"http://127.0.0.1:{port}"
        self.prefix = prefix
        self.address = f"{self.base}{prefix}/-/console"

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return request(method, self.base + path, **options)

    def play(self, key: str, **calls: Any) -> int:
        """Make calls under a circuit; tells how many were rejected."""
        answer = self.ask("POST", "/play", params={"key": key, **calls})
        answer.raise_for_status()
        return int(answer.json()["rejected"])

    def trip(self, key: str, error: str = "no route") -> None:
        self.play(key, fail=3, error=error)

    def show(self, key: str) -> Any:
        return self.ask("GET", f"{self.prefix}/{key}").json()

    def state(self, key: str) -> str | None:
        return self.show(key).get("state")

    def is_connected(self) -> bool:
        return bool(self.ask("GET", self.prefix).json()["sync"]["state"] == "connected")


def instance_in(stack: ExitStack, app: str = "app", prefix: str = "/circuits") -> Instance:
    port = stack.enter_context(uvicorn_serving(f"tests.console.served:{app}"))
    return Instance(port, prefix)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(valkey_server(), tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def fleet(valkey: Server) -> Iterator[tuple[Instance, Instance]]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environment:
        environment.setenv("CIRCUIT_REDIS_URL", valkey.url)
        a, b = instance_in(stack), instance_in(stack)
        eventually(lambda: a.is_connected() and b.is_connected())
        yield a, b


@pytest.fixture
def solo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Instance]]:
    """Start a process without a fleet; further arguments are set in its environment."""
    monkeypatch.delenv("CIRCUIT_REDIS_URL", raising=False)
    with ExitStack() as stack:

        def start(app: str = "app", prefix: str = "/circuits", **environment: str) -> Instance:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            return instance_in(stack, app, prefix)

        yield start


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with AsyncExitStack() as stack:
        try:
            browser = await stack.enter_async_context(browsing())
        except NoBrowserError:
            do_without(NO_BROWSER)
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def look(browser: Browser) -> AsyncIterator[Look]:
    """Make a console of an address in a context of its own; errors in it fail the test."""
    made: list[Console] = []

    async def look(address: str, **options: Any) -> Console:
        context = await browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        made.append(await make_console(context, address))
        return made[-1]

    yield look
    faults = [fault for console in made for fault in console.remaining_faults()]
    for console in made:
        await console.page.context.close()
    assert faults == []
