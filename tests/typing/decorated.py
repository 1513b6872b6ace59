"""Checked, never run: what users decorate, and hand on, keeps its type to the letter."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, assert_type, overload

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitView,
    Guard,
    HybridBreaker,
    Instance,
    OverrideView,
    Reach,
    ResetResult,
    SyncState,
    SyncStatus,
    UnhealthyCircuit,
)

P = ParamSpec("P")
T = TypeVar("T")
ItemT = TypeVar("ItemT")

breaker = HybridBreaker(redis=None)
guarded: Circuit = breaker.circuit("stock")


@dataclass
class Stock:
    sku: str
    left: int


# -- overrides and Protocols ----------------------------------------------------------------------


class Client(ABC):
    @abstractmethod
    async def fetch(self, sku: str, *, fresh: bool = False) -> Stock: ...

    @abstractmethod
    def load(self, sku: str) -> Stock: ...

    async def ping(self) -> None:
        raise NotImplementedError


class HttpClient(Client):
    @guarded
    async def fetch(self, sku: str, *, fresh: bool = False) -> Stock:
        return Stock(sku, int(fresh))

    @guarded
    def load(self, sku: str) -> Stock:
        return Stock(sku, 1)

    @breaker.circuit("ping")
    async def ping(self) -> None:
        raise NotImplementedError

    @classmethod
    @guarded
    async def made(cls, url: str) -> HttpClient:
        return cls() if url else HttpClient()

    @staticmethod
    @guarded
    def port_of(url: str) -> int:
        return len(url)

    @property
    @guarded
    def url(self) -> str:
        return "http://localhost"


class CachedClient(HttpClient):
    async def fetch(self, sku: str, *, fresh: bool = False) -> Stock:
        return await super().fetch(sku, fresh=fresh)

    @guarded
    def load(self, sku: str) -> Stock:
        return super().load(sku)


class Fetches(Protocol):
    async def fetch(self, sku: str, *, fresh: bool = False) -> Stock: ...


class Loads(Protocol):
    def load(self, sku: str) -> Stock: ...


class IsCalled(Protocol):
    def __call__(self, sku: str, *, fresh: bool = False) -> Coroutine[Any, Any, Stock]: ...


async def methods(client: HttpClient, cached: CachedClient) -> None:
    fetches: Fetches = client
    loads: Loads = cached
    called: IsCalled = client.fetch
    base: Client = cached
    assert_type(await fetches.fetch("a"), Stock)
    assert_type(loads.load("a"), Stock)
    assert_type(await called("a", fresh=True), Stock)
    assert_type(await base.fetch("a", fresh=True), Stock)
    assert_type(await client.fetch("a"), Stock)
    assert_type(client.load("a"), Stock)
    assert_type(await HttpClient.made("a"), HttpClient)
    assert_type(HttpClient.port_of("a"), int)
    assert_type(client.url, str)


# -- guarded callables, guarded once more ----------------------------------------------------------


async def handed_on(client: HttpClient) -> None:
    assert_type(await breaker.execute("a", client.fetch, "a", fresh=True), Stock)
    assert_type(await breaker.execute("a", client.load, "a"), Stock)
    assert_type(await breaker.execute("a", HttpClient.made, "a"), HttpClient)
    assert_type(await breaker.execute("a", HttpClient.port_of, "a"), int)
    assert_type(await breaker.execute("a", fetch_all, ["a"]), dict[str, Stock])
    assert_type(await guarded.execute(client.fetch, "a"), Stock)
    assert_type(await guarded.execute(client.load, "a"), Stock)
    assert_type(await guarded.call(client.fetch, "a", fresh=False), Stock)
    assert_type(guarded.call_sync(client.load, "a"), Stock)
    assert_type(await guarded(client.fetch)("a"), Stock)
    assert_type(await breaker.execute("a", client.ping), None)


# -- generics, overloads, ParamSpec ----------------------------------------------------------------


@guarded
async def fetch_all(skus: Sequence[str]) -> dict[str, Stock]:
    return {sku: Stock(sku, 0) for sku in skus}


@guarded
async def first(items: Sequence[T]) -> T:
    return items[0]


@guarded
def last(items: Sequence[T], default: T | None = None) -> T | None:
    return items[-1] if items else default


class Repository(Generic[ItemT]):
    def __init__(self, items: dict[str, ItemT]) -> None:
        self.items = items

    @guarded
    async def get(self, key: str) -> ItemT:
        return self.items[key]

    @guarded
    def mapped(self, fn: Callable[[ItemT], T]) -> list[T]:
        return [fn(item) for item in self.items.values()]


@overload
def parsed(value: str) -> str: ...
@overload
def parsed(value: bytes) -> bytes: ...
@guarded
def parsed(value: str | bytes) -> str | bytes:
    return value


def retried(fn: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    @functools.wraps(fn)
    async def retrying(*args: P.args, **kwargs: P.kwargs) -> T:
        return await fn(*args, **kwargs)

    return retrying


def with_stock(fn: Callable[Concatenate[Stock, P], Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    async def given(*args: P.args, **kwargs: P.kwargs) -> T:
        return await fn(Stock("a", 1), *args, **kwargs)

    return given


@retried
@guarded
async def inner(sku: str, amount: int = 1) -> Stock:
    return Stock(sku, amount)


@guarded
@retried
async def outer(sku: str, amount: int = 1) -> Stock:
    return Stock(sku, amount)


@with_stock
@guarded
async def counted(stock: Stock, more: int) -> int:
    return stock.left + more


class Adder:
    async def __call__(self, one: int, other: int) -> int:
        return one + other


async def generic(repository: Repository[Stock]) -> None:
    assert_type(await first([1, 2]), int)
    assert_type(last(["a"]), str | None)
    assert_type(await repository.get("a"), Stock)
    assert_type(repository.mapped(lambda stock: stock.left), list[int])
    assert_type(await breaker.execute("a", repository.get, "a"), Stock)
    assert_type(parsed("a"), str)
    assert_type(parsed(b"a"), bytes)
    assert_type(await inner("a", amount=2), Stock)
    assert_type(await outer("a", amount=2), Stock)
    assert_type(await counted(2), int)
    assert_type(await guarded(Adder())(1, 2), int)
    assert_type(await guarded.call(Adder(), 1, 2), int)
    assert_type(await guarded(functools.partial(inner, "a"))(amount=1), Stock)


@asynccontextmanager
async def connection() -> AsyncGenerator[Stock]:
    async with guarded.guard():
        yield Stock("a", 1)


# -- what public methods return has a name ---------------------------------------------------------


async def returned() -> None:
    assert_type(guarded.guard(), Guard)
    assert_type(breaker.sync_status(), SyncStatus)
    assert_type(breaker.sync_status().state, SyncState)
    assert_type(await breaker.instances(), list[Instance] | None)
    assert_type(await breaker.look_up("a"), CircuitView | None)
    assert_type(await breaker.reset("a"), ResetResult)
    assert_type((await guarded.reset()).override, OverrideView | None)
    assert_type(await breaker.clear_override("a"), Reach)
    assert_type((await breaker.instances() or [])[0].circuits, dict[str, UnhealthyCircuit] | None)
