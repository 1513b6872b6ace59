"""Waits inside of the client library that never end, and event loops that stand still."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.credentials import CredentialProvider

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.fleet.connection import Source
from fastapi_hybrid_breaker.fleet.credentials import AsideCredentials
from fastapi_hybrid_breaker.fleet.limit import Limit
from tests import inside

from .instances import CONFIG, fail, until
from .links import sync
from .sessions import replace_credentials, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import Server

KEY = "inventory-api"

HANG = 30.0
"""A bound against hanging; what is promised is a few seconds."""


class Endpoint:
    """Where tokens come from; it can hang."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.asked = 0


class BlockingProvider(CredentialProvider):
    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def get_credentials(self) -> tuple[str, str]:
        self.endpoint.asked += 1
        self.endpoint.answers.wait()
        return "default", "token"


class AsyncProvider(BlockingProvider):
    async def get_credentials_async(self) -> tuple[str, str]:
        self.endpoint.asked += 1
        while not self.endpoint.answers.is_set():
            await asyncio.sleep(0.01)
        return "default", "token"


class RaisingProvider(CredentialProvider):
    def get_credentials(self) -> tuple[str, str]:
        raise RuntimeError("POST https://login/?secret=hunter2 failed")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.answers.set()  # whatever still waits ends


def cut(server: Server) -> None:
    for kind in ("normal", "pubsub"):
        server.ask.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


@pytest.mark.parametrize("kind", [BlockingProvider, AsyncProvider])
async def test_token_endpoint_that_hangs_is_isolation_and_blocks_nothing(
    server: Server, endpoint: Endpoint, kind: type[BlockingProvider]
) -> None:
    server.ask.execute_command("ACL", "SETUSER", "default", "on", ">token")
    client = redis.asyncio.Redis(port=server.port, credential_provider=kind(endpoint))
    try:
        async with asyncio.timeout(HANG), HybridBreaker(redis=client, defaults=CONFIG) as breaker:
            await until(lambda: sync(breaker) == "connected")
            endpoint.answers.clear()
            cut(server)
            await until(lambda: sync(breaker) == "isolated")
            asked = endpoint.asked
            await until(lambda: endpoint.asked > asked or kind is BlockingProvider)
            waiting = [one for one in threading.enumerate() if "credentials" in one.name]
            assert len(waiting) <= 1  # for both tasks, however often they try
            await fail(breaker, KEY)
            assert breaker.state(KEY) == "OPEN"
            endpoint.answers.set()
            await until(lambda: sync(breaker) == "connected")
            await until(lambda: server.hash(KEY).get("state") == "OPEN")
    finally:
        server.ask.execute_command("ACL", "SETUSER", "default", "resetpass", "nopass")


async def test_start_and_stop_while_a_token_endpoint_hangs_leave_nothing_behind(
    server: Server, endpoint: Endpoint
) -> None:
    endpoint.answers.clear()
    client = redis.asyncio.Redis(port=server.port, credential_provider=BlockingProvider(endpoint))
    before = asyncio.all_tasks()
    async with asyncio.timeout(HANG):
        async with HybridBreaker(redis=client) as breaker:
            assert sync(breaker) == "isolated"
    assert asyncio.all_tasks() == before


class ThreadOfProvider(CredentialProvider):
    def __init__(self) -> None:
        self.asked_in: set[threading.Thread] = set()

    def get_credentials(self) -> tuple[str, str]:
        self.asked_in.add(threading.current_thread())
        return "default", "token"


async def test_old_client_library_that_does_not_await_credentials_blocks_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """redis-py 5.0 calls ``get_credentials`` in the event loop."""

    async def not_awaited(self: AsideCredentials) -> object:
        return self.get_credentials()

    class Old(AsideCredentials):
        pass

    provider = ThreadOfProvider()
    client = redis.asyncio.Redis(port=server.port, credential_provider=provider)
    monkeypatch.delattr(CredentialProvider, "get_credentials_async")
    source = Source(client)
    replace_credentials(source, lambda aside: Old(provider, aside))
    ours = source.client(1.0)
    await source.look_up()
    assert len(provider.asked_in) == 1
    monkeypatch.setattr(Old, "get_credentials_async", not_awaited)
    with contextlib.suppress(redis.exceptions.AuthenticationError):
        await ours.ping()
    await ours.aclose()
    assert threading.main_thread() not in provider.asked_in


async def test_credential_provider_that_fails_is_named_without_its_text(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    client = redis.asyncio.Redis(port=server.port, credential_provider=RaisingProvider())
    async with HybridBreaker(redis=client) as breaker:
        await until(lambda: "credential provider" in (breaker.sync_status().error or ""))
        error = breaker.sync_status().error or ""
    assert "RuntimeError" in error
    assert "hunter2" not in error + caplog.text


class Names:
    """A name server; it can hang."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.waiting = 0
        self._real = socket.getaddrinfo

    def __call__(self, host: Any, *rest: Any, **options: Any) -> Any:
        if host != "localhost":
            return self._real(host, *rest, **options)
        self.waiting += 1
        self.answers.wait()
        self.waiting -= 1
        return self._real("127.0.0.1", *rest, **options)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.answers.set()


async def test_name_server_that_hangs_is_isolation_and_takes_no_thread_of_the_loop(
    server: Server, names: Names
) -> None:
    names.answers.clear()
    url = f"redis://localhost:{server.port}"
    async with asyncio.timeout(HANG), HybridBreaker(redis=url, defaults=CONFIG) as breaker:
        assert sync(breaker) == "isolated"
        await until(lambda: "within" in (breaker.sync_status().error or ""))
        assert names.waiting == 1  # for both tasks, however often they try
        await asyncio.gather(*(asyncio.to_thread(time.monotonic) for _ in range(50)))
        names.answers.set()
        await until(lambda: sync(breaker) == "connected")


async def test_child_of_a_fork_during_a_look_up_does_not_wait_for_its_parents_thread(
    server: Server, names: Names
) -> None:
    names.answers.clear()
    breaker = HybridBreaker(redis=f"redis://localhost:{server.port}")
    await breaker.start()
    session = session_of(breaker)
    assert names.waiting == 1
    hung, names.answers = names.answers, threading.Event()
    names.answers.set()
    inside.after_fork_of(breaker)  # as in a child, which has none of its parent's threads
    try:
        async with asyncio.timeout(HANG), breaker:
            await until(lambda: sync(breaker) == "connected")
    finally:
        hung.set()
        await session.stop()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
async def test_server_that_accepts_and_says_nothing_leaves_nothing_behind(scheme: str) -> None:
    before = asyncio.all_tasks()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"{scheme}://127.0.0.1:{mute.getsockname()[1]}"
        async with asyncio.timeout(HANG), HybridBreaker(redis=url) as breaker:
            await until(lambda: "within" in (breaker.sync_status().error or ""))
            assert sync(breaker) == "isolated"
    assert asyncio.all_tasks() == before


async def test_own_client_with_long_time_outs_and_many_retries_is_isolated_as_soon(
    server: Server,
) -> None:
    client = redis.asyncio.Redis(
        port=server.port,
        socket_timeout=600.0,
        socket_connect_timeout=600.0,
        retry=Retry(ExponentialBackoff(), 50),
    )
    async with asyncio.timeout(HANG), HybridBreaker(redis=client) as breaker:
        await until(lambda: sync(breaker) == "connected")
        server.hang()
        await until(lambda: sync(breaker) == "isolated")
        server.resume()
        await until(lambda: sync(breaker) == "connected")


async def test_a_limit_ends_a_wait() -> None:
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 seconds"):
        async with Limit(0.01):
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_limit_repeats_a_cancellation_that_is_swallowed() -> None:
    with pytest.raises(TimeoutError):
        async with Limit(0.01):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_limit_keeps_what_was_done_in_spite_of_it() -> None:
    async with Limit(0.01):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        done = True
    assert done


async def test_a_limit_leaves_a_cancellation_from_outside_alone() -> None:
    async def work() -> None:
        async with Limit(0.01):
            try:
                await asyncio.Event().wait()
            finally:
                task.cancel()  # at the same moment as the limit

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    early = asyncio.create_task(asyncio.wait_for(_unlimited(), 1e3))
    await asyncio.sleep(0)
    early.cancel()
    with pytest.raises(asyncio.CancelledError):
        await early


async def _unlimited() -> None:
    async with Limit(float("inf")):
        await asyncio.Event().wait()
