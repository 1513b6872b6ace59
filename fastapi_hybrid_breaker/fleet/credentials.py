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

    Args:
        provider: the caller's.
        aside: runs what blocks.
    """

    def __init__(self, provider: Any, aside: Aside) -> None:
        self._provider = provider
        self._aside = aside
        own = getattr(type(provider), "get_credentials_async", None)
        base = getattr(CredentialProvider, "get_credentials_async", None)
        self._blocks = own is None or own is base

    def get_credentials(self) -> Any:
        """Return user name and password, or the password alone."""
        try:
            return self._provider.get_credentials()
        except Exception as error:
            raise CredentialsError(type(error).__name__) from error

    async def get_credentials_async(self) -> Any:
        """Return user name and password, or the password alone."""
        if self._blocks:
            return await self._aside.run("credentials", self.get_credentials)
        try:
            return await self._provider.get_credentials_async()
        except Exception as error:
            raise CredentialsError(type(error).__name__) from error
