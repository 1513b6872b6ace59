"""What the steps of the story have at hand: the views, the switches, the wait and the figures."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from .views import UNKNOWN, ShopView, UpstreamView
from .waves import Arrival, wave

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from .cast import Cast
    from .traffic import Answer


class NotSeenError(Exception):
    """What a step of the story promises was not seen."""


class Stage:
    """Everything that is on show.

    Parameters:
        cast: the processes.
        client: for looking at the services, not for the customers.
        patience: seconds that a step may wait for each thing it promises.
    """

    def __init__(self, cast: Cast, client: httpx.AsyncClient, *, patience: float) -> None:
        self.cast = cast
        self.client = client
        self.patience = patience
        self.upstream = UpstreamView(cast.upstream_url, client)
        self.shops = [ShopView(name, url) for name, url in cast.shop_urls.items()]
        self.doors = asyncio.Event()  # open for customers
        self.figures: list[tuple[str, str]] = []
        self.valkey_is_ours = cast.valkey is not None
        self._gone: set[str] = set()

    def note(self, what: str, value: str) -> None:
        """Keep a figure for the summary."""
        self.figures.append((what, value))

    async def until(
        self, condition: Callable[[], bool], promise: str, *, at_least: float = 0.0
    ) -> None:
        """Wait for something to be seen.

        Parameters:
            condition: whether it is seen now.
            promise: what is waited for, in words.
            at_least: seconds that this may take however short the stage's patience is.

        Raises:
            NotSeenError: patience is at its end, or a process has died.
        """
        patience = max(self.patience, at_least)
        deadline = time.monotonic() + patience
        while not condition():
            self.check_alive()
            if time.monotonic() > deadline:
                raise NotSeenError(f"{promise}: not seen within {patience:g} s; {self.describe()}")
            await asyncio.sleep(0.02)

    def check_alive(self) -> None:
        """Raise unless every process runs that should."""
        for child in self.cast.everyone:
            if child.pid and not child.is_running() and child.name not in self._gone:
                raise NotSeenError(f"{child.name} ended by itself")

    def describe(self) -> str:
        """Say in one line how things stand."""
        return ", ".join(f"{shop.name} {shop.state} ({shop.sync})" for shop in self.shops)

    def all_in(self, state: str) -> bool:
        """Return whether the circuit is in ``state`` at every shop."""
        return all(shop.state == state for shop in self.shops)

    def all_sync(self, state: str) -> bool:
        """Return whether the exchange with the fleet is in ``state`` at every shop."""
        return all(shop.sync == state for shop in self.shops)

    def all_answer(self) -> bool:
        """Return whether every shop's pages can be read."""
        return all(shop.sync != UNKNOWN for shop in self.shops)

    def answers(self) -> Counter[Answer]:
        """Return all shops' answers so far."""
        return sum((shop.tally.counts for shop in self.shops), start=Counter())

    def wave(self, state: str, since: int) -> list[Arrival]:
        """Return how ``state`` spread after ``since`` (monotonic nanoseconds)."""
        return wave({shop.name: shop.changes for shop in self.shops}, state, since)

    async def whole_wave(self, state: str, since: int, promise: str) -> list[Arrival]:
        """Wait until every shop took up ``state``, and give how it spread."""
        await self.until(lambda: len(self.wave(state, since)) == len(self.shops), promise)
        return self.wave(state, since)

    def kill_valkey(self) -> None:
        """End the demo's own Valkey as a crash would."""
        if self.cast.valkey is not None:
            self._gone.add(self.cast.valkey.name)
            self.cast.valkey.kill()

    def restart_valkey(self) -> None:
        """Start it again on the same port, empty."""
        if self.cast.valkey is not None:
            self.cast.valkey.start()
            self._gone.discard(self.cast.valkey.name)
