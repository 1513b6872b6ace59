"""The transport as an object: its keys, what it passes on, and how it rejects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker, circuit
from fastapi_hybrid_breaker.client.transport import host_and_port
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import open_circuit
from tests import inside
from tests.client.bench import KEY, Bench

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.client.callers import Caller
    from tests.client.upstream import Upstream

    MakeCaller = Callable[..., Caller]


@pytest.fixture
def breaker() -> HybridBreaker:
    return HybridBreaker(redis=None)


@pytest.fixture
def closed() -> Bench:
    return Bench(probing=False)


def keys_of(breaker: HybridBreaker) -> set[str]:
    return {one.key for one in breaker.circuits()}


# -- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://api.example.com/a/b?c", "api.example.com:80"),
        ("https://api.example.com/", "api.example.com:443"),
        ("https://API.Example.com:443/", "api.example.com:443"),
        ("http://api.example.com:8080/", "api.example.com:8080"),
        ("https://user:word@api.example.com/", "api.example.com:443"),
        ("http://127.0.0.1:5000/", "127.0.0.1:5000"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("https://[2001:db8::1]/", "[2001:db8::1]:443"),
        ("wss://api.example.com/", "api.example.com:443"),
        ("ws://api.example.com/", "api.example.com:80"),
        ("http://bücher.example/", "bücher.example:80"),
        ("no-scheme", ":0"),
    ],
)
def test_the_key_of_a_host(http: ModuleType, url: str, key: str) -> None:
    assert host_and_port(http.Request("GET", url)) == key


async def test_without_a_key_each_host_and_port_has_its_circuit(
    closed: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    caller = make_caller(closed, circuit=None)

    await caller.get(f"{upstream.url}/status/503")
    await caller.get(f"http://localhost:{upstream.port}/status/200")

    breaker = closed.breaker
    assert keys_of(breaker) == {KEY, f"127.0.0.1:{upstream.port}", f"localhost:{upstream.port}"}
    assert breaker.stats(f"127.0.0.1:{upstream.port}").failures == 1
    assert breaker.stats(f"localhost:{upstream.port}").failures == 0


async def test_hosts_take_the_configuration_of_a_pattern(
    make_caller: MakeCaller, upstream: Upstream
) -> None:
    bench = Bench(probing=False)
    config = CircuitConfig(failure_threshold=1)
    bench.breaker = HybridBreaker(redis=None, circuits={"127.0.0.1:*": config})

    await make_caller(bench, circuit=None).get(f"{upstream.url}/status/500")

    assert bench.breaker.state(f"127.0.0.1:{upstream.port}") == "OPEN"


async def test_a_callable_gives_the_key_from_the_request(
    closed: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    caller = make_caller(closed, circuit=lambda request: f"{request.method} {request.url.path}")

    await caller.get(f"{upstream.url}/status/503")

    assert closed.breaker.stats("GET /status/503").failures == 1


async def test_a_redirect_to_another_circuit_is_judged_there(
    closed: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    caller = make_caller(closed, circuit=lambda request: request.url.path.split("/")[1])
    breaker = closed.breaker
    for key in ("redirects", "status"):
        inside.settle(breaker.circuit(key), inside.admit(breaker.circuit(key)), Outcome.FAILURE)

    await caller.get(f"{upstream.url}/redirects", follow_redirects=True)

    assert [breaker.stats(key).failures for key in ("redirects", "status")] == [0, 0]


async def test_a_key_that_names_no_circuit_sends_nothing(
    closed: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    with pytest.raises(ValueError, match="key"):
        await make_caller(closed, circuit=lambda _: "").get(f"{upstream.url}/status/200")

    assert upstream.connections == 0


@pytest.mark.parametrize(
    "make",
    [lambda _: "", lambda _: "x" * 300, lambda _: "a\x00<b>", lambda _: 5, lambda _: ["<b>"]],
    ids=["empty", "long", "control", "number", "list"],
)
async def test_an_invalid_key_is_an_error_of_the_clients_own_library(
    closed: Bench,
    make_caller: MakeCaller,
    upstream: Upstream,
    http: ModuleType,
    make: Callable[[Any], Any],
) -> None:
    with pytest.raises(http.LocalProtocolError, match="a circuit's key must") as caught:
        await make_caller(closed, circuit=make).get(f"{upstream.url}/status/200")
    assert isinstance(caught.value, ValueError)
    assert "<b>" not in str(caught.value)
    assert caught.value.request.url.path == "/status/200"
    assert upstream.connections == 0


async def test_a_host_that_is_too_long_for_a_key_is_an_error_of_the_clients_own_library(
    closed: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    host = ".".join(["a" * 60] * 5)
    with pytest.raises(http.LocalProtocolError, match="1 to 256 characters"):
        await make_caller(closed, circuit=None).get(f"http://{host}/")
    assert len(list(closed.breaker.circuits())) <= 1


@pytest.mark.parametrize("key", ["", ".", "a/-/b", "a\nb", "x" * 300])
def test_a_bad_key_is_refused_at_once(breaker: HybridBreaker, http: ModuleType, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        breaker.transport(http.HTTPTransport(verify=False), circuit=key)


async def a_coroutine_function(_: Any) -> str:
    raise AssertionError


def test_what_is_no_key_is_refused_at_once(breaker: HybridBreaker, http: ModuleType) -> None:
    inner = http.MockTransport(lambda _: http.Response(200))
    mistakes: list[Any] = [7, b"key", breaker.circuit("key"), circuit("key"), a_coroutine_function]
    for mistake in mistakes:
        with pytest.raises(TypeError, match="circuit must be a key"):
            breaker.transport(inner, circuit=mistake)


def test_what_is_no_transport_is_refused_at_once(breaker: HybridBreaker, http: ModuleType) -> None:
    for mistake in (None, http.HTTPTransport, http.AsyncHTTPTransport, "http://upstream"):
        with pytest.raises(TypeError, match="inner must be an httpx"):
            breaker.transport(mistake, circuit="key")


def test_a_transport_makes_no_circuit_before_its_first_request(
    breaker: HybridBreaker, http: ModuleType
) -> None:
    breaker.transport(http.MockTransport(lambda _: http.Response(200)), circuit="key")
    config = CircuitConfig(failure_threshold=2)

    assert breaker.circuit("key", config).config is config


def test_a_transport_is_protected_where_dead_hosts_fill_all_places(http: ModuleType) -> None:
    breaker = HybridBreaker(redis=None, max_circuits=2)
    dead = [breaker.circuit(f"dead-{number}") for number in range(2)]
    for one in dead:
        inside.open_here(one, 60.0)
    assert breaker.circuit("surplus").key == "overflow"
    inner = http.MockTransport(lambda _: http.Response(200))
    with http.Client(transport=breaker.transport(inner, circuit="in-code")) as client:
        assert client.get("http://upstream").status_code == 200
        inside.open_here(breaker.circuit("in-code"), 60.0)
        dead.clear()
        for number in range(50):
            breaker.circuit(f"later-{number}")
        with pytest.raises(CircuitOpenError, match="OPEN for in-code"):
            client.get("http://upstream")


# -- rejection --------------------------------------------------------------------------------


async def test_a_rejected_call_makes_no_connection(
    closed: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType
) -> None:
    caller = make_caller(closed)

    with (
        open_circuit(closed.breaker, KEY, retry_after=30.0),
        pytest.raises(CircuitOpenError, match="Circuit breaker is OPEN for upstream") as caught,
    ):
        await caller.get(f"{upstream.url}/status/200")

    assert upstream.connections == 0
    assert (caught.value.key, caught.value.retry_after) == (KEY, 30.0)
    assert not isinstance(caught.value, http.HTTPError)
    assert closed.circuit.stats().rejected == 1


async def test_failures_open_the_circuit_and_a_recovery_closes_it(
    make_caller: MakeCaller, upstream: Upstream
) -> None:
    config = CircuitConfig(failure_threshold=3, success_threshold=1)
    bench = Bench(probing=False, config=config)
    caller = make_caller(bench)

    await caller.get(f"{upstream.url}/status/503")
    await caller.get(f"{upstream.url}/status/429")
    with pytest.raises(CircuitOpenError):
        await caller.get(f"{upstream.url}/status/200")
    bench.clock.advance(config.recovery_timeout)
    await caller.get(f"{upstream.url}/status/200")

    assert bench.circuit.state == "CLOSED"
    assert upstream.requests == ["/status/503", "/status/429", "/status/200"]


# -- what it passes on --------------------------------------------------------------------------


class Recording:
    """A transport of no library that notes what is done to it."""

    def __init__(self, http: ModuleType) -> None:
        self.http = http
        self.log: list[str] = []

    def handle_request(self, request: Any) -> Any:
        self.log.append("request")
        return self.http.Response(200)

    async def handle_async_request(self, request: Any) -> Any:
        return self.handle_request(request)

    def close(self) -> None:
        self.log.append("close")

    async def aclose(self) -> None:
        self.log.append("aclose")

    def __enter__(self) -> None:
        self.log.append("enter")

    def __exit__(self, *error: object) -> None:
        self.log.append(f"exit {error[0]}")

    async def __aenter__(self) -> None:
        self.log.append("aenter")

    async def __aexit__(self, *error: object) -> None:
        self.log.append(f"aexit {error[0]}")


def test_a_sync_client_enters_and_leaves_the_inner_transport(
    breaker: HybridBreaker, http: ModuleType
) -> None:
    inner = Recording(http)
    with http.Client(transport=breaker.transport(inner, "key")) as client:
        client.get("http://upstream/")
    http.Client(transport=breaker.transport(inner, "key")).close()

    assert inner.log == ["enter", "request", "exit None", "close"]


async def test_an_async_client_enters_and_leaves_the_inner_transport(
    breaker: HybridBreaker, http: ModuleType
) -> None:
    inner = Recording(http)
    async with http.AsyncClient(transport=breaker.transport(inner, "key")) as client:
        await client.get("http://upstream/")
    await http.AsyncClient(transport=breaker.transport(inner, "key")).aclose()

    assert inner.log == ["aenter", "request", "aexit None", "aclose"]


def test_entering_gives_the_guarded_transport_and_not_the_inner_one(
    breaker: HybridBreaker, http: ModuleType
) -> None:
    guarded: Any = breaker.transport(Recording(http), "key")

    async def enter() -> Any:
        async with guarded as entered:
            return entered

    with guarded as entered:
        assert entered is guarded
    assert asyncio.run(enter()) is guarded


def test_it_is_a_transport_of_the_same_library_and_halves(
    breaker: HybridBreaker, http: ModuleType
) -> None:
    def halves(inner: Any) -> tuple[bool, bool]:
        guarded = breaker.transport(inner, "key")
        return isinstance(guarded, http.BaseTransport), isinstance(guarded, http.AsyncBaseTransport)

    assert halves(http.HTTPTransport(verify=False)) == (True, False)
    assert halves(http.AsyncHTTPTransport(verify=False)) == (False, True)
    assert halves(http.MockTransport(lambda _: http.Response(200))) == (True, True)


def test_the_half_that_is_missing_says_so_and_takes_no_permit(http: ModuleType) -> None:
    bench = Bench(probing=True)
    guarded: Any = bench.breaker.transport(http.AsyncHTTPTransport(verify=False), KEY)

    with pytest.raises(AttributeError, match="handle_request"):
        guarded.handle_request(http.Request("GET", "http://upstream/"))

    assert bench.circuit.state == "OPEN"


def test_its_text_names_the_inner_transport(breaker: HybridBreaker, http: ModuleType) -> None:
    guarded = breaker.transport(http.MockTransport(lambda _: http.Response(200)), "key")

    assert repr(guarded).startswith(f"<GuardedTransport around <{http.__name__}.MockTransport")
