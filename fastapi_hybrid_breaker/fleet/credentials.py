"""Credential providers of the caller's, asked so that the event loop never waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.credentials import CredentialProvider
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from .aside import Aside


class CredentialsError(RedisError):
    """The caller's credential provider failed. Its own text stays out: it may quote secrets."""


class AsideCredentials(CredentialProvider):
    """Asks a provider; one that blocks is asked in a thread of its own.

    redis-py 5.0 does not await credentials: there they are asked for before it connects.

    Args:
        provider: the caller's.
        aside: runs what blocks.
    """

    def __init__(self, provider: Any, aside: Aside) -> None:
        self._provider = provider
        self._aside = aside
        self._known: Any = None
        own = getattr(type(provider), "get_credentials_async", None)
        base = getattr(CredentialProvider, "get_credentials_async", None)
        self._is_awaited = base is not None
        self._blocks = own is None or own is base

    async def before_connecting(self) -> None:
        """Ask now, where the client library would not wait for an answer."""
        if not self._is_awaited:
            self._known = await self.get_credentials_async()

    def get_credentials(self) -> Any:
        """Return user name and password, or the password alone."""
        return self._ask() if self._known is None else self._known

    async def get_credentials_async(self) -> Any:
        """Return user name and password, or the password alone."""
        if self._blocks:
            return await self._aside.run("credentials", self._ask)
        try:
            return await self._provider.get_credentials_async()
        except Exception as error:
            raise CredentialsError(type(error).__name__) from error

    def _ask(self) -> Any:
        try:
            return self._provider.get_credentials()
        except Exception as error:
            raise CredentialsError(type(error).__name__) from error
