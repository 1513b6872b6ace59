"""Servers and instances for the tests of the fleet."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.machine import NO_REDIS, do_without, redis_server
from tests.patience import PATIENCE

from .companion import Companion
from .ends import Ends
from .player import Player
from .process import PREVIOUS, Launcher, Programs
from .proxy import Proxy
from .server import Server, valkey_server
from .stopped import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of the kind that ``tests/conftest.py`` asks for."""
    kind = request.param
    binary = valkey_server() if kind == "valkey" else redis_server() or do_without(NO_REDIS)
    with Server(binary, tmp_path_factory.mktemp(kind)) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """An empty server that may be killed, hung and restarted; the next test finds it well."""
    shared_server.ask.flushall()
    shared_server.ask.config_resetstat()
    yield shared_server
    if shared_server.process is None:
        shared_server.start()
    shared_server.resume()


@pytest.fixture
def link(server: Server) -> Iterator[Proxy]:
    """A link to the server that may be slow, swallow bytes, and be cut."""
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def unhurried_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let resets and overrides wait for the fleet's answer as long as a busy machine may need.

    They return "queued" after a second otherwise. For tests whose server answers.
    """
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.sync._WAIT_FOR_ANSWER", PATIENCE)


@pytest.fixture
def message() -> dict[str, Any]:
    """A well-formed message of ours, to be spoilt."""
    return {
        "key": "inventory-api",
        "stats": {"state": "OPEN", "failures": 5, "successes": 0, "nextAttempt": 1_790_000_060_000},
        "p": 1,
        "version": "1790000000000000",
        "writer": "abcdef0123456789",
        "at": 1_790_000_000_000,
    }


@pytest.fixture
def players(server: Server) -> Iterator[tuple[Player, Player]]:
    a, b = Player(server, "aaaa"), Player(server, "bbbb")
    for player in (a, b):
        player.circuit  # noqa: B018 - made, so that news is adopted
    yield a, b
    a.close()
    b.close()


@pytest.fixture
def stopped(server: Server) -> Iterator[Stopped]:
    """The scripts on that server, at a time that the test sets."""
    stopped = Stopped(server)
    yield stopped
    stopped.close()


@pytest.fixture
def previous(request: pytest.FixtureRequest) -> str:
    """The version that tests mean by "previous": the last one, unless they are given another."""
    version: str = getattr(request, "param", PREVIOUS[-1])
    return version


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    programs = Programs()
    yield programs
    programs.end()


@pytest.fixture
def launch(programs: Programs, server: Server, previous: str) -> Iterator[Launcher]:
    """Start instances in processes of their own; they end with the test, without a complaint."""
    with Launcher(programs, server, previous) as launcher:
        yield launcher


@pytest.fixture
def join(server: Server) -> Iterator[Callable[..., Companion]]:
    """Add an instance to the fleet."""
    with contextlib.ExitStack() as stack:

        def enter(instance: str, **config: Any) -> Companion:
            companion = Companion(server, instance, **config)
            companion.circuit  # noqa: B018 - made
            stack.callback(companion.close)
            return companion

        yield enter


@pytest.fixture
def ends(server: Server) -> Iterator[Ends]:
    with redis.Redis(port=server.port, protocol=2) as raw:
        yield Ends(raw)
