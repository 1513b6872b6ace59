"""Where the primary is, by Sentinel: all sentinels are asked at once, each for a short time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.sentinel import MasterNotFoundError

from .credentials import AsideCredentials
from .limit import Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio.sentinel import Sentinel

SENTINEL_LIMIT: Final = 1.0
"""Seconds that a sentinel has to answer, connecting to it among them."""

_WAIT_TO_END: Final = 0.2
"""Seconds that those which are not needed any more have to close their connections."""


class NoSuchServiceError(MasterNotFoundError):
    """All sentinels have answered, and none of them knows the service."""


class Sentinels:
    """Finds the primary of a service, in place of the client library's ``Sentinel``.

    That one asks the sentinels one after the other, with the caller's time-outs and retries (a
    minute for one that hangs), and over connections that belong to the caller's event loop. Here
    the caller's object is read for its settings only; connections are made for each question.

    Args:
        manager: the caller's.
        own_settings: makes settings of ours out of those of a caller's connection pool.
        look_up: looks up a host's name first, without the event loop's threads.
    """

    def __init__(
        self,
        manager: Sentinel,
        own_settings: Callable[[ConnectionPool], dict[str, Any]],
        look_up: Callable[[Mapping[str, Any]], Any],
    ) -> None:
        self._manager = manager
        self._own_settings = own_settings
        self._look_up = look_up

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return host and port of the primary, by the first sentinel that knows a healthy one.

        Raises:
            NoSuchServiceError: no sentinel knows the service.
            MasterNotFoundError: none has said where it is.
        """
        asked = [
            asyncio.create_task(self._ask(sentinel.connection_pool))
            for sentinel in self._manager.sentinels
        ]
        try:
            return await self._first_good(asked, service_name)
        finally:
            for one in asked:
                one.cancel()
            if asked:
                await asyncio.wait(asked, timeout=_WAIT_TO_END)

    async def _first_good(
        self, asked: list[asyncio.Task[Mapping[str, Any]]], service_name: str
    ) -> tuple[str, int]:
        waiting, silent, ignorant = set(asked), 0, 0
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                if one.cancelled() or one.exception() is not None:
                    silent += 1
                    continue
                state = one.result().get(service_name)
                if state is None:
                    ignorant += 1
                elif self._manager.check_master_state(dict(state), service_name):
                    forced = getattr(self._manager, "_force_master_ip", None)
                    host, port = str(forced or state["ip"]), int(state["port"])
                    await self._look_up({"host": host, "port": port})
                    return host, port
        if asked and ignorant == len(asked):
            raise NoSuchServiceError(f"no sentinel knows the service {service_name!r}")
        raise MasterNotFoundError(
            f"no sentinel says where the primary of {service_name!r} is"
            f" ({silent} of {len(asked)} did not answer)"
        )

    async def _ask(self, pool: ConnectionPool) -> Mapping[str, Any]:
        """Return what one sentinel knows, by service."""
        async with Limit(SENTINEL_LIMIT):
            settings = self._own_settings(pool)
            await self._look_up(settings)
            provider = settings.get("credential_provider")
            if isinstance(provider, AsideCredentials):
                await provider.before_connecting()
            client = Redis.from_pool(
                ConnectionPool(connection_class=pool.connection_class, **settings)
            )
            try:
                known: Any = await client.sentinel_masters()
            finally:
                await client.aclose()
            return cast("Mapping[str, Any]", known)
