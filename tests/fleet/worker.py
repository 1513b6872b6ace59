"""Instances, one after the other, told what to do in lines of JSON; see ``process.py``.

Which version of the package it runs is decided by PYTHONPATH alone. So this file uses nothing of
the tests, and of the package only what every version has had: its public names.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

import fastapi_hybrid_breaker
from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker

FIGURES = ("state", "failures", "successes", "retry_after", "rejected", "version")


class Worker:
    """Carries out orders; each method is one that may be given."""

    def __init__(self, breaker: HybridBreaker) -> None:
        self._breaker = breaker
        self._held: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[None] | None = None

    async def call(self, key: str, times: int, fails: bool) -> list[str]:
        """Make guarded calls, one after the other; says of each what became of it."""

        async def dependency() -> None:
            if fails:
                raise ConnectionError

        became = []
        for _ in range(times):
            try:
                await self._breaker.execute(key, dependency)
            except CircuitOpenError:
                became.append("rejected")
            except ConnectionError:
                became.append("admitted")
            else:
                became.append("admitted")
        return became

    async def hold(self, key: str) -> str:
        """Begin a guarded call that lasts until ``release``."""
        loop = asyncio.get_running_loop()
        begun, ending = loop.create_future(), loop.create_future()

        async def dependency() -> None:
            begun.set_result(None)
            await ending

        task = asyncio.create_task(self._breaker.execute(key, dependency))
        await asyncio.wait([task, begun], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            assert isinstance(task.exception(), CircuitOpenError)
            return "rejected"
        self._held, self._ending = task, ending
        return "admitted"

    async def release(self, fails: bool) -> None:
        """End the call that ``hold`` has begun."""
        assert self._held is not None
        assert self._ending is not None
        if fails:
            self._ending.set_exception(ConnectionError())
        else:
            self._ending.set_result(None)
        await asyncio.wait([self._held])
        self._held.exception()

    async def stats(self, key: str) -> dict[str, Any]:
        stats = self._breaker.stats(key)
        return {name: getattr(stats, name) for name in FIGURES}

    async def reset(self, key: str, **said: Any) -> str:
        return await self._breaker.reset(key, **said)

    async def kind(self, key: str) -> str | None:
        override = self._breaker.stats(key).override
        return None if override is None else override.kind

    async def override(self, key: str, kind: str, seconds: float | None) -> str:
        return await self._breaker.override(
            key, kind, by="ann", reason="a migration", seconds=seconds
        )

    async def clear_override(self, key: str, **said: str) -> str:
        return await self._breaker.clear_override(key, by="ann", **said)

    async def last(self, key: str) -> dict[str, str]:
        change = self._breaker.circuit(key).history()[-1]
        evidence = change.evidence
        return {"cause": change.cause, "by": evidence.by, "reason": evidence.reason}

    async def sync(self) -> dict[str, Any]:
        status = self._breaker.sync_status()
        names = ("state", "instance", "sent", "received", "dropped")
        return {name: getattr(status, name) for name in names}


async def live(settings: dict[str, Any]) -> None:
    """Be an instance until it is told to stop."""
    config = CircuitConfig(**settings["config"])
    ahead = settings["ahead"]
    time.time = lambda: wall() + ahead
    breaker = HybridBreaker(
        redis=settings["redis"],
        defaults=config,
        circuits=dict.fromkeys(settings["keys"], config),
        clock=(lambda: time.monotonic() + ahead) if ahead else time.monotonic,
    )
    async with breaker:
        worker = Worker(breaker)
        say({"package": fastapi_hybrid_breaker.__file__})
        while (order := await asyncio.to_thread(read))["do"] != "stop":
            say(await getattr(worker, order.pop("do"))(**order))


def read() -> dict[str, Any]:
    """Read an order; the end of the input is the order to stop: nobody is left to give another."""
    line = sys.stdin.readline()
    return dict(json.loads(line)) if line else {"do": "stop"}


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    wall = time.time
    for settings in sys.stdin:
        asyncio.run(live(json.loads(settings)))
        say("stopped")
