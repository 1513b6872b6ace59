"""All that runs: the service's two workers, Redis behind a link, two upstreams."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Self

import httpx2

from tests.fleet.proxy import Proxy
from tests.fleet.server import Server, valkey_server
from tests.patience import PATIENCE
from tests.web.servers import request

from .processes import Uvicorn
from .upstreams import SHAKY, STEADY

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

WORKERS = 2


class World:
    """From ``with`` to its end. ``deaths`` are the moments at which a worker was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self.redis = Server(valkey_server(), folder)
        self.upstreams = {
            name: Uvicorn("tests.chaos.upstream:app", folder / f"{name}.log")
            for name in (SHAKY, STEADY)
        }
        self.deaths: list[float] = []

    def __enter__(self) -> Self:
        start = self._stack.enter_context
        start(self.redis)
        self.link = start(Proxy(self.redis.port))
        env = {f"CHAOS_{name.upper()}": one.url for name, one in self.upstreams.items()}
        for one in self.upstreams.values():
            start(one)
        # Longer than we stop a worker: the supervisor must not end that one. And no longer than
        # needed: it replaces none while it waits for one that has died.
        options = ("--workers", str(WORKERS), "--timeout-worker-healthcheck", "20")
        self.service = start(
            Uvicorn(
                "tests.chaos.service:app",
                self._folder / "service.log",
                *options,
                env={**env, "CIRCUIT_REDIS_URL": self.link.url},
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def views(self) -> dict[int, dict[str, Any]]:
        """Return what each worker knows, by its process id; all of them must run."""
        found: dict[int, dict[str, Any]] = {}
        end = time.monotonic() + PATIENCE
        while len(found) < WORKERS:
            assert time.monotonic() < end, f"only {list(found)} answer\n{self.written()}"
            with contextlib.suppress(httpx2.TransportError):  # a connection of one that died
                view = request("GET", f"{self.service.url}/-/view").json()
                found[view["pid"]] = view
        return found

    def written(self) -> str:
        """Return what the workers have logged."""
        return self.service.log.read_text()
