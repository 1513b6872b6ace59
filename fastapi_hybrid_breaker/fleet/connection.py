"""Connections to Redis with short time-outs, whatever the caller's client was set to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from .redis_url import cannot_use, check_url
from .scripts import by_sha

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio.client import PubSub

ANSWER_TIMEOUT: Final = 1.0
"""Seconds to wait for an answer or a connection; a server that is slower counts as lost."""

UNREACHABLE: Final = (RedisError, OSError, TimeoutError)
"""What a lost, hung or refusing server raises."""

_BOUND_TO_THEIR_POOL: Final = ("maint_", "orig_", "himport_", "oss_cluster_")
"""How the settings begin that redis-py adds to a pool for that pool alone."""


class Source:
    """Where Redis is, taken from a URL or from the settings of a caller's client.

    The caller's client itself is not used: its time-outs and retries would keep a lost server
    from being noticed, and it can belong to another event loop.

    Raises:
        ValueError: a URL that is none.
        TypeError: neither a URL nor a ``redis.asyncio.Redis``.
    """

    def __init__(self, source: str | Redis) -> None:
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
        else:
            raise TypeError(
                "redis must be a URL, a redis.asyncio.Redis client or None,"
                f" not {type(source).__module__}.{type(source).__qualname__}"
            )

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

    def client(self, timeout: float = ANSWER_TIMEOUT) -> Redis:
        """Make a client of our own; to be made and closed in the event loop that uses it.

        ``timeout``: seconds to wait for an answer or a connection.
        """
        settings = {
            name: value
            for name, value in self._pool.connection_kwargs.items()
            if not name.startswith(_BOUND_TO_THEIR_POOL)
        }
        settings.update(
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            health_check_interval=0,
            decode_responses=False,
            # Names in Redis are the same for all processes, whatever else a client is used for.
            encoding="utf-8",
            encoding_errors="strict",
            protocol=2,
        )
        settings.pop("retry_on_timeout", None)
        if isinstance(self._pool, SentinelConnectionPool):
            settings.pop("connection_pool", None)
            pool: ConnectionPool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
                self._pool.service_name,
                self._pool.sentinel_manager,
                connection_class=self._pool.connection_class,
                is_master=True,
                **settings,
            )
        else:
            pool = ConnectionPool(connection_class=self._pool.connection_class, **settings)
        return Redis.from_pool(pool)


def _try_options(url: str, pool: ConnectionPool) -> None:
    """Make a connection that is not opened: what it refuses, it refuses now.

    Raises:
        ValueError: an option that this version of the client library does not take.
    """
    try:
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, LookupError, RedisError, OSError):
        raise cannot_use(url) from None


async def send(client: Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Send all commands in one pipeline and give their answers, a WRONGTYPE error being one.

    Scripts that the server does not have (restarted, flushed, failed over) are loaded and sent
    again, on the same connection's next round trip.

    Raises:
        One of ``UNREACHABLE``: no use now; what was sent may or may not have been done.
    """
    answers = await _pipeline(client, commands)
    missing = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if missing:
        scripts = dict.fromkeys(by_sha(str(commands[at][1])) for at in missing)
        load = [("SCRIPT LOAD", script.text) for script in scripts]
        again = await _pipeline(client, [*load, *(commands[at] for at in missing)])
        for at, answer in zip(missing, again[len(load) :], strict=True):
            answers[at] = answer
    for answer in answers:
        if isinstance(answer, Exception) and not is_wrong_type(answer):
            raise answer
    return answers


def is_wrong_type(answer: object) -> bool:
    """Tell whether somebody's data of another type stands under the name of a hash."""
    return isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer)


async def _pipeline(client: Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    async with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return await pipe.execute(raise_on_error=False)


async def subscribe(client: Redis, *channels: str) -> PubSub:
    """Begin to listen; the server's consent comes as the first messages, one for each channel."""
    pubsub = client.pubsub()
    await pubsub.subscribe(*channels)
    return pubsub
