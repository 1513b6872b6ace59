"""lasier: counts in a cache that one brings along; here the least one, a dictionary."""

from __future__ import annotations

from typing import Any

from lasier.circuit_breaker.asyncio import CircuitBreaker
from lasier.circuit_breaker.rules import MaxFailuresRule
from lasier.circuit_breaker.sync import CircuitBreaker as SyncCircuitBreaker

from .adapter import Adapter, Setting, Ways


class RejectedError(Exception):
    """lasier has its user bring this class too."""


class SyncCache:
    """What the breaker asks of its cache. Nothing in it ever ends, which flatters lasier."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    def get(self, key: str) -> int | None:
        return self.values.get(key)

    def set(self, key: str, value: int, _timeout: float | None = None) -> None:
        self.values[key] = value

    def add(self, key: str, value: int, _timeout: float | None = None) -> None:
        self.values.setdefault(key, value)

    def incr(self, key: str) -> int:
        value = self.values[key] = self.values.get(key, 0) + 1
        return value

    def expire(self, key: str, _timeout: float) -> None:
        pass

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


class Cache:
    """The same to be awaited."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    async def get(self, key: str) -> int | None:
        return self.values.get(key)

    async def set(self, key: str, value: int, _timeout: float | None = None) -> None:
        self.values[key] = value

    async def add(self, key: str, value: int, _timeout: float | None = None) -> None:
        self.values.setdefault(key, value)

    async def incr(self, key: str) -> int:
        value = self.values[key] = self.values.get(key, 0) + 1
        return value

    async def expire(self, key: str, _timeout: float) -> None:
        pass

    async def delete(self, key: str) -> None:
        self.values.pop(key, None)


class Peer(Adapter):
    name = "lasier"
    rejections = (RejectedError,)
    probing = None
    note = "with a dictionary as its cache"

    async def make(self, setting: Setting) -> Ways:
        def settings(cache: Any) -> dict[str, Any]:
            return {
                "rule": MaxFailuresRule(setting.threshold, setting.key),
                "cache": cache,
                "failure_exception": RejectedError,
                "circuit_timeout": setting.open_seconds,
            }

        breaker = CircuitBreaker(**settings(Cache()))
        return Ways(
            decorate=breaker,
            block=lambda: breaker,
            decorate_sync=SyncCircuitBreaker(**settings(SyncCache())),
        )
