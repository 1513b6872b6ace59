"""Connections to Redis with short time-outs, whatever the caller's client was set to."""

from __future__ import annotations

import contextlib
import re
import socket
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from fastapi_hybrid_breaker.core.redaction import redact

from .aside import Aside
from .credentials import AsideCredentials
from .limit import LOOK_EVERY, Limit
from .redis_url import cannot_use, check_client_name, check_url
from .scripts import by_sha
from .sentinels import Sentinels
from .tls_files import locked_key, tls_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis.asyncio.client import PubSub

ANSWER_TIMEOUT: Final = 1.0
"""Seconds that a round trip may take; a server that is slower counts as lost."""

CONNECT_LIMIT: Final = 3.0
"""Seconds for a round trip, or a subscription, that may have to connect first: looking up names,
asking sentinels, TLS, credentials and all."""

LISTEN: Final = LOOK_EVERY
"""Seconds of one look at a subscription that has nothing to say."""

LOOK_LIMIT: Final = 1.0
"""Seconds after which such a look is not one any more: the library does something else inside."""

_CLOSE_LIMIT: Final = 0.5
"""Seconds; a connection that does not close in time, as TLS to a server that hangs, is left."""

UNREACHABLE: Final = (RedisError, OSError, TimeoutError)
"""What a lost, hung or refusing server raises."""


class UnusableError(RedisError):
    """The client library failed otherwise than by its own errors."""


@contextlib.contextmanager
def only_unreachable() -> Iterator[None]:
    """Make whatever the client library raises inside count as a server that cannot be used.

    An answer that is not Redis's, or a host name that cannot be one, ends in an error of whatever
    line of the library finds it: ``ValueError``, ``RecursionError``, ``UnicodeError``.

    Raises:
        One of ``UNREACHABLE``.
    """
    try:
        yield
    except UNREACHABLE:
        raise
    except Exception as error:
        raise UnusableError(f"{type(error).__name__}: {error}") from error


_LONG_SECRET: Final = 8
"""Characters from which on a secret is looked for within words as well."""

_BOUND_TO_THEIR_POOL: Final = ("maint_", "orig_", "himport_", "oss_cluster_")
"""How the settings begin that redis-py adds to a pool for that pool alone."""


class Source:
    """Where Redis is, taken from a URL or from the settings of a caller's client.

    The caller's client itself is not used: its time-outs and retries would keep a lost server
    from being noticed, and it can belong to another event loop.

    Raises:
        ValueError: a URL that is none, or a client whose name every server refuses.
        TypeError: neither a URL nor a ``redis.asyncio.Redis``.
    """

    longest_look: float = LOOK_LIMIT
    """Seconds that one look at a subscription may take."""

    def __init__(self, source: str | Redis) -> None:
        self._aside = Aside()
        if isinstance(source, str):
            check_url(source)
            try:
                self._pool: ConnectionPool = ConnectionPool.from_url(source)
            except ValueError as error:
                if "Invalid value" in str(error):
                    raise cannot_use(source) from None
                # Not chained, and only the message of unknown schemes is passed on: the others
                # quote parts of the URL, which can be parts of a password.
                reason = str(error) if "schemes" in str(error) else "it cannot be read"
                raise ValueError(f"redis must be a Redis URL: {reason}") from None
            _try_options(source, self._pool)
        elif isinstance(source, Redis):
            self._pool = source.connection_pool
            for settings in self._settings():
                check_client_name(settings.get("client_name"))
        else:
            raise TypeError(
                "redis must be a URL, a redis.asyncio.Redis client or None,"
                f" not {type(source).__module__}.{type(source).__qualname__}"
            )

        provider = self._pool.connection_kwargs.get("credential_provider")
        self._credentials = None if provider is None else AsideCredentials(provider, self._aside)

    def __str__(self) -> str:
        """Name the server without credentials, for log lines."""
        if isinstance(self._pool, SentinelConnectionPool):
            return f"service {self._pool.service_name!r} by Sentinel"
        settings = self._pool.connection_kwargs
        if "path" in settings:
            return f"unix socket {settings['path']}, database {settings.get('db', 0)}"
        return (
            f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)},"
            f" database {settings.get('db', 0)}"
        )

    def redact(self, text: str) -> str:
        """Return a text without secrets: servers may quote the user and password they refuse."""
        for name in ("password", "username"):
            secret = str(self._pool.connection_kwargs.get(name) or "")
            for written in {secret, quote(secret, safe=""), repr(secret)[1:-1]} - {""}:
                found = re.escape(written)
                if len(written) < _LONG_SECRET:  # as a whole: it may stand in many words
                    found = rf"(?<!\w){found}(?!\w)"
                text = re.sub(found, "***", text)
        return redact(text)

    def tls_fault(self, error: BaseException) -> str | None:
        """Return which option for TLS is at fault for a failed connection, if one is."""
        faults = (tls_fault(settings, error) for settings in self._settings())
        return next(filter(None, faults), None)

    def _settings(self) -> Iterator[Mapping[str, Any]]:
        """Iterate over the settings of connections to the server, and to sentinels."""
        yield self._pool.connection_kwargs
        if isinstance(self._pool, SentinelConnectionPool):
            for sentinel in self._pool.sentinel_manager.sentinels:
                yield sentinel.connection_pool.connection_kwargs

    def client(self, timeout: float | None = None) -> Redis:
        """Make a client of our own; to be made and closed in the event loop that uses it.

        ``timeout``: seconds to wait for an answer. None: whoever uses it limits each wait (see
        ``Limit``); the library's own limits would end waits while our own event loop stands still.
        """

        def own(pool: ConnectionPool) -> dict[str, Any]:
            return self._own_settings(pool, timeout)

        settings = own(self._pool)
        if isinstance(self._pool, SentinelConnectionPool):
            settings.pop("connection_pool", None)
            pool: ConnectionPool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
                self._pool.service_name,
                Sentinels(self._pool.sentinel_manager, own, self._look_up),
                connection_class=self._pool.connection_class,
                is_master=True,
                **settings,
            )
        else:
            pool = ConnectionPool(connection_class=self._pool.connection_class, **settings)
        return Redis.from_pool(pool)

    def after_fork(self) -> None:
        """Start over, in the child."""
        self._aside.after_fork()

    async def look_up(self) -> None:
        """Look up the server's name, before a client connects; sentinels' names are, anyway.

        And ask for credentials, where the client library would not await them.

        The client does it again, in a thread of the event loop, and finds a name server that
        answers.

        Raises:
            OSError, UnusableError: there is no such name, or a key for TLS that cannot be used.
        """
        self.refuse_locked_key()
        if not isinstance(self._pool, SentinelConnectionPool):
            await self._look_up(self._pool.connection_kwargs)
        if self._credentials is not None:
            await self._credentials.before_connecting()

    def refuse_locked_key(self) -> None:
        """Raise where a client that connects would ask for the password of a key for TLS.

        Raises:
            UnusableError: the key is encrypted, and no password is given.
        """
        for settings in self._settings():
            if (fault := locked_key(settings)) is not None:
                raise UnusableError(fault)

    async def _look_up(self, settings: Mapping[str, Any]) -> None:
        host = str(settings.get("host", "localhost"))
        if "path" not in settings and not _is_address(host):
            port = settings.get("port", 6379)
            find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            with only_unreachable():
                await self._aside.run(f"looking up {host}", find)

    def _own_settings(self, pool: ConnectionPool, timeout: float | None) -> dict[str, Any]:
        """Return the settings of a pool of the caller's, with limits of ours."""
        settings = {
            name: value
            for name, value in pool.connection_kwargs.items()
            if not name.startswith(_BOUND_TO_THEIR_POOL)
        }
        settings.update(
            socket_timeout=timeout,
            socket_connect_timeout=CONNECT_LIMIT if timeout is None else timeout,
            # Not even the library's reconnecting at once: it hides the error as long as it takes.
            retry=Retry(NoBackoff(), 0, supported_errors=()),
            retry_on_error=[],
            health_check_interval=0,
            decode_responses=False,
            # Names in Redis are the same for all processes, whatever else a client is used for.
            encoding="utf-8",
            encoding_errors="strict",
            protocol=2,
        )
        settings.pop("retry_on_timeout", None)
        if pool is self._pool and self._credentials is not None:
            settings["credential_provider"] = self._credentials
        elif (provider := settings.get("credential_provider")) is not None:
            settings["credential_provider"] = AsideCredentials(provider, self._aside)
        return settings


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _try_options(url: str, pool: ConnectionPool) -> None:
    """Make a connection that is not opened: what it refuses, it refuses now.

    Raises:
        ValueError: an option that this version of the client library does not take.
    """
    try:
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, LookupError, RedisError, OSError):
        raise cannot_use(url) from None


async def send(
    client: Redis, commands: Sequence[tuple[Any, ...]], limit: float = float("inf")
) -> list[Any]:
    """Send all commands in one pipeline and return their answers, a WRONGTYPE error being one.

    ``limit``: seconds that one round trip may take.

    Scripts that the server does not have (restarted, flushed, failed over) are loaded and sent
    again, on the same connection's next round trip.

    Raises:
        One of ``UNREACHABLE``: no use now; what was sent may or may not have been done.
    """
    answers = await _pipeline(client, commands, limit)
    missing = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if missing:
        scripts = dict.fromkeys(by_sha(str(commands[at][1])) for at in missing)
        load = [("SCRIPT LOAD", script.text) for script in scripts]
        again = await _pipeline(client, [*load, *(commands[at] for at in missing)], limit)
        for at, answer in zip(missing, again[len(load) :], strict=True):
            answers[at] = answer
    for answer in answers:
        if isinstance(answer, Exception) and not is_wrong_type(answer):
            raise answer
    return answers


def is_wrong_type(answer: object) -> bool:
    """Return whether somebody's data of another type stands under the name of a hash."""
    return isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer)


async def _pipeline(client: Redis, commands: Sequence[tuple[Any, ...]], limit: float) -> list[Any]:
    with only_unreachable():
        async with Limit(limit), client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)


async def subscribe(client: Redis, *channels: str) -> PubSub:
    """Begin to listen; the server's consent comes as the first messages, one for each channel."""
    pubsub = client.pubsub()
    with only_unreachable():
        await pubsub.subscribe(*channels)
    return pubsub


async def hang_up(client: Redis) -> None:
    """Close a client's connections; it makes new ones when it is used again."""
    with contextlib.suppress(Exception):
        async with Limit(_CLOSE_LIMIT):
            await client.connection_pool.disconnect()


async def close(what: Redis | PubSub) -> None:
    """Close a client or a subscription; a server that is lost need not know."""
    with contextlib.suppress(Exception):
        async with Limit(_CLOSE_LIMIT):
            await what.aclose()
