"""``HybridBreaker``: a breaker for one application, and what the web and httpx parts add to it."""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

from .breaker import Breaker
from .environment import FROM_ENVIRONMENT, FromEnvironment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import redis.asyncio
    from fastapi import APIRouter
    from starlette.applications import Starlette

    from .core.config import CircuitConfig

T = TypeVar("T")


class HybridBreaker(Breaker):
    """The registry of an application's circuits, and their exchange with the fleet.

    Args:
        app: the application to install on; optional, the same as ``breaker.install(app)``.
        redis: where the fleet meets: a URL (``redis://``, ``rediss://``, ``unix://``), a
            ``redis.asyncio`` client (only its connection settings are used, it is never
            closed), or None: this process only. Not given: ``CIRCUIT_REDIS_URL``, else None.
        namespace: stands before every key in Redis; the fleet is who shares Redis and
            namespace. Not given: ``CIRCUIT_NAMESPACE``, else ``"circuit"``.
        defaults: the configuration of circuits that have none of their own. Not given: from
            the environment (``CIRCUIT_FAILURE_THRESHOLD`` …), else ``CircuitConfig()``.
        circuits: configuration by key, or by pattern (``"api.example.com:*"``) for keys made
            at run time; an exact key wins over patterns, an earlier pattern over a later one.
        max_circuits: how many circuits are kept in memory. Not given: ``CIRCUIT_MAX_CIRCUITS``,
            else 10,000. When all are in use, further keys share one that never rejects.
        report_every: seconds between two reports of one circuit's failures to the fleet, at
            least; 0.01 to 10, default 0.1.
        clock: monotonic seconds; for tests.
        random: gives numbers from 0 to 1, for the jitter of recovery timeouts; for tests.

    Raises:
        ValueError, TypeError: an argument out of range, or a Redis URL that is none.
    """

    def __init__(  # noqa: PLR0913 - all but one by name
        self,
        app: Starlette | None = None,
        *,
        redis: str | redis.asyncio.Redis | FromEnvironment | None = FROM_ENVIRONMENT,
        namespace: str | FromEnvironment = FROM_ENVIRONMENT,
        defaults: CircuitConfig | None = None,
        circuits: Mapping[str, CircuitConfig] | None = None,
        max_circuits: int | FromEnvironment = FROM_ENVIRONMENT,
        report_every: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(
            redis=redis,
            namespace=namespace,
            defaults=defaults,
            circuits=circuits,
            max_circuits=max_circuits,
            report_every=report_every,
            clock=clock,
            random=random,
        )
        if app is not None:
            self.install(app)

    def install(self, app: Starlette) -> None:
        """Compose the app's lifespan with ours, add the middleware and the handler for the 503.

        Harmless when called twice.

        Raises:
            RuntimeError: the application has begun to serve.
        """
        from .web.install import install  # noqa: PLC0415 - a worker needs none of it

        install(self, app)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:  # noqa: ARG002
        """Start and stop with an application: ``FastAPI(lifespan=breaker.lifespan)``."""
        async with self:
            yield

    def transport(self, inner: T, circuit: str | Callable[[Any], str] | None = None) -> T:
        """Guard an httpx or httpx2 transport, sync or async or both, as ``inner`` is.

        Args:
            inner: the transport that makes the calls.
            circuit: a key, or a callable from the request to a key, or None: one circuit per
                ``host:port``.
        """
        from .client.transport import GuardedTransport  # noqa: PLC0415 - only when used

        return GuardedTransport(self, inner, circuit)  # type: ignore[return-value]

    def admin_router(self, *, auth: Callable[..., Any] | None) -> APIRouter:
        """Make the router that lists, shows, resets and overrides circuits.

        Args:
            auth: the callable of a FastAPI dependency that every path asks first (it raises to
                refuse); None, explicitly: open to anyone who reaches it. What it returns names
                who sets an override: a string, or the first of ``sub``, ``username``, ``name``
                and ``email`` that it has; never a text that stands in the request's own
                credentials.

        Raises:
            TypeError: ``auth`` is ``Depends(...)`` instead of its callable.
        """
        from .web.admin import make_admin_router  # noqa: PLC0415 - only when used

        return make_admin_router(self, auth=auth)
