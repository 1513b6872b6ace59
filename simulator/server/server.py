"""The server as a process: it can be away, hang, forget, and fall behind; and it counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol, cast

from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulator.loop import VirtualLoop


class Subscriber(Protocol):
    """A connection that has subscribed to channels."""

    def send(self, channel: str, data: bytes) -> None:
        """Send a message on it."""

    def break_off(self) -> None:
        """End, as with the server's process."""


class StormError(RuntimeError):
    """More commands in a second than instances have reason to send: they answer each other."""


class Server:
    """One server.

    Args:
        random: for all that is left to chance on the way to it.
        most: commands that it takes in one second.
    """

    def __init__(self, random: Random, most: int = 20_000) -> None:
        self.loop = cast("VirtualLoop", asyncio.get_running_loop())
        self.random = random
        self.store = Store(self.loop.time, self._deliver)
        self.is_up = True
        self.is_awake = True
        self.generation = 0  # of its connections: they all end with a restart
        self.channels: dict[str, dict[Subscriber, None]] = {}
        self.commands: Counter[str] = Counter()
        """By name; those of scripts are not among them."""
        self.published: Counter[str] = Counter()
        """Messages by channel, and under "deliveries" how often they were sent out."""
        self._most = most
        self._second, self._in_second = 0, 0
        self._waiting: list[Callable[[], None]] = []

    # -- what it is there for -----------------------------------------------------------------

    def when_awake(self, work: Callable[[], None]) -> None:
        """Do something now, or when the server goes on; never after a restart."""
        if self.is_awake:
            work()
        else:
            self._waiting.append(work)

    def execute(self, command: tuple[Any, ...]) -> Any:
        """Run one command."""
        second = int(self.loop.time())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > self._most:
            raise StormError(f"over {self._most} commands in a second, the last: {command[:3]}")
        self.commands[str(command[0])] += 1
        return self.store.execute(command)

    def subscribe(self, channel: str, subscriber: Subscriber) -> None:
        """Send a channel's messages to a connection from now on."""
        self.channels.setdefault(channel, {})[subscriber] = None

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a connection."""
        for subscribers in self.channels.values():
            subscribers.pop(subscriber, None)

    def _deliver(self, channel: str, data: bytes) -> int:
        subscribers = tuple(self.channels.get(channel, ()))
        self.published[channel] += 1
        self.published["deliveries"] += len(subscribers)
        for subscriber in subscribers:
            subscriber.send(channel, data)
        return len(subscribers)

    # -- what can befall it -------------------------------------------------------------------

    def go_down(self) -> None:
        """End the process; whoever connects is refused."""
        self.is_up = False

    def come_up(self, snapshot: Any | None = None) -> None:
        """Be there again, with other data or with none, and without any connection."""
        self.is_up = True
        self.generation += 1
        self._waiting.clear()
        for subscriber in {one: None for many in self.channels.values() for one in many}:
            subscriber.break_off()
        self.channels.clear()
        self.store.become(snapshot)

    def hang(self) -> None:
        """Accept everything and answer nothing."""
        self.is_awake = False

    def resume(self) -> None:
        """Go on, and do first what was asked meanwhile."""
        self.is_awake = True
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()
