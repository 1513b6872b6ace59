"""Blocking functions beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.fleet.aside import ASK_AGAIN_AFTER, MOST_THREADS, Aside
from fastapi_hybrid_breaker.testing import ManualClock

from .instances import until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Provider:
    """Hangs at its first calls, until it is let go."""

    def __init__(self, hangs: int) -> None:
        self.calls = 0
        self._hangs = hangs
        self._go = threading.Event()

    def __call__(self) -> str:
        self.calls += 1
        call = self.calls
        if call <= self._hangs:
            self._go.wait()
        return f"token {call}"

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    provider = Provider(request.param)
    yield provider
    provider.let_go()


async def ask(aside: Aside, provider: Provider) -> asyncio.Task[str]:
    task = asyncio.create_task(aside.run("credentials", provider))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("provider", [1], indirect=True)
async def test_a_function_that_hung_once_is_called_again(provider: Provider) -> None:
    clock = ManualClock()
    aside = Aside(clock)
    first = await ask(aside, provider)
    await until(lambda: provider.calls == 1)
    clock.advance(ASK_AGAIN_AFTER - 0.1)
    second = await ask(aside, provider)  # it may only be slow
    clock.advance(0.1)
    assert await aside.run("credentials", provider) == "token 2"
    provider.let_go()
    assert (await first, await second) == ("token 1", "token 1")


@pytest.mark.parametrize("provider", [1000], indirect=True)
async def test_a_function_that_always_hangs_takes_few_threads(provider: Provider) -> None:
    clock = ManualClock()
    aside = Aside(clock)
    asked = []
    for number in range(3 * MOST_THREADS):
        asked.append(await ask(aside, provider))
        at_most = min(number + 1, MOST_THREADS)
        await until(lambda wanted=at_most: provider.calls == wanted)
        clock.advance(ASK_AGAIN_AFTER)
    provider.let_go()
    await asyncio.gather(*asked)
    assert await aside.run("credentials", provider) == f"token {MOST_THREADS + 1}"


@pytest.mark.parametrize("provider", [1], indirect=True)
async def test_whoever_asks_meanwhile_waits_for_the_same_call(provider: Provider) -> None:
    aside = Aside(ManualClock())
    asked = [await ask(aside, provider) for _ in range(5)]
    provider.let_go()
    assert await asyncio.gather(*asked) == ["token 1"] * 5
    assert provider.calls == 1


@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]
)
async def test_a_function_that_ends_its_thread_ended_the_event_loop(
    error: type[BaseException],
) -> None:
    """A credential provider that calls ``sys.exit`` took the application with it."""

    def ends() -> None:
        raise error

    task = asyncio.create_task(Aside().run("credentials", ends))
    await asyncio.wait([task])
    assert not task.cancelled()
    assert isinstance(task.exception(), RuntimeError)
