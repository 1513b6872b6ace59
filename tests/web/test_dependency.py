"""``Depends(circuit(key))``: admitting, sharing one permit, keys, overriding."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitState,
    HybridBreaker,
    NotInstalledError,
    circuit,
)
from fastapi_hybrid_breaker.public_keys import is_key_public
from fastapi_hybrid_breaker.web.record import SCOPE_KEY, RouteRequest
from tests import inside

from .bench import (
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    client_of,
    make_breaker,
    make_half_open,
    trip,
    verdict_of,
)

Guarded = Annotated[Circuit, Depends(circuit(KEY))]


def test_its_value_is_the_circuit() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    seen: list[Circuit] = []

    @app.get("/")
    async def endpoint(given: Guarded) -> None:
        seen.append(given)

    assert client_of(app).get("/").status_code == 200
    assert seen == [breaker.circuit(KEY)]


async def test_a_circuit_that_guards_requests_outlives_idle_ones() -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, max_circuits=10)
    guard = circuit("busy")
    busy = None
    for number in range(200):
        await guard(HTTPConnection({"type": "http", SCOPE_KEY: RouteRequest(breaker, None)}))
        busy = busy or weakref.ref(inside.registry_of(breaker).by_key["busy"])
        breaker.circuit(f"tenant-{number}")
    assert busy is not None
    assert busy() is inside.registry_of(breaker).by_key.get("busy")


def test_a_route_is_protected_where_dead_hosts_fill_all_places() -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, max_circuits=3)
    dead = [breaker.circuit(f"dead-{number}") for number in range(3)]
    for one in dead:
        inside.open_here(one, 60.0)
    assert breaker.circuit("surplus").key == "overflow"

    @app.get("/", dependencies=[Depends(circuit("of-a-route"))])
    async def endpoint() -> None:
        pass

    assert client_of(app).get("/").status_code == 200
    inside.open_here(breaker.circuit("of-a-route"), 60.0)
    dead.clear()
    for number in range(50):
        breaker.circuit(f"later-{number}")
    assert client_of(app).get("/").status_code == 503


def test_a_circuit_that_a_route_guards_is_never_forgotten() -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, max_circuits=3)

    @app.get("/", dependencies=[Depends(circuit("of-a-route"))])
    async def endpoint() -> None:
        pass

    client_of(app).get("/")
    guarded = weakref.ref(breaker.circuit("of-a-route"))
    for number in range(50):
        breaker.circuit(f"tenant-{number}")
    gc.collect()
    assert guarded() is inside.registry_of(breaker).by_key["of-a-route"]


def test_an_open_circuit_keeps_the_request_from_the_endpoint() -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)
    calls: list[None] = []

    @app.get("/", dependencies=[Depends(circuit(KEY))])
    async def endpoint() -> None:
        calls.append(None)

    client = client_of(app)
    trip(breaker.circuit(KEY))
    assert client.get("/").status_code == 503
    assert calls == []
    clock.advance(10)
    assert client.get("/").status_code == 200
    assert calls == [None]
    assert breaker.state(KEY) is CircuitState.CLOSED


def test_a_sync_endpoint_is_judged_the_same() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)

    @app.get("/", dependencies=[Depends(circuit(KEY))])
    def endpoint(fail: bool) -> None:
        if fail:
            raise ValueError("broken")

    client = client_of(app)
    guarded = breaker.circuit(KEY)
    assert verdict_of(guarded, lambda: client.get("/?fail=0")) is SUCCESS
    assert verdict_of(guarded, lambda: client.get("/?fail=1")) is FAILURE
    assert verdict_of(guarded, lambda: client.get("/?fail=what")) is NOT_COUNTED


def test_routes_of_included_routers_are_guarded() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    inner = APIRouter(dependencies=[Depends(circuit("by-router"))])
    outer = APIRouter()

    @inner.get("/x")
    async def endpoint() -> None:
        raise ValueError("broken")

    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/outer", dependencies=[Depends(circuit("by-include"))])
    client = client_of(app)
    for key in ("by-router", "by-include"):
        act = lambda: client.get("/outer/inner/x")  # noqa: E731
        assert verdict_of(breaker.circuit(key), act) is FAILURE


def test_one_request_has_one_permit_however_often_it_is_guarded() -> None:
    app = FastAPI(dependencies=[Depends(circuit(KEY), use_cache=False)])
    breaker, clock = make_breaker(app)

    @app.get("/", dependencies=[Depends(circuit(KEY), use_cache=False)])
    async def endpoint(_: Guarded) -> None:
        pass

    guarded = breaker.circuit(KEY)
    make_half_open(guarded, clock)  # one place for probes: a second permit would be rejected
    assert client_of(app).get("/").status_code == 200
    assert guarded.state is CircuitState.CLOSED


def test_a_rejection_by_the_second_circuit_gives_the_firsts_probe_back() -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)

    @app.get("/", dependencies=[Depends(circuit("first")), Depends(circuit("second"))])
    async def endpoint() -> None:
        pass

    first = breaker.circuit("first")
    make_half_open(first, clock)
    trip(breaker.circuit("second"))
    client = client_of(app)
    assert client.get("/").status_code == 503
    assert first.state is CircuitState.HALF_OPEN
    assert first.stats().retry_after == 0.0


@pytest.mark.parametrize("query", ["", "?n=what"])
def test_a_4xx_gives_the_probe_back(query: str) -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)

    @app.get("/", dependencies=[Depends(circuit(KEY))])
    async def endpoint(n: int) -> None:
        raise AssertionError

    guarded = breaker.circuit(KEY)
    make_half_open(guarded, clock)
    for _ in range(3):
        assert client_of(app).get("/" + query).status_code == 422
    assert guarded.state is CircuitState.HALF_OPEN
    assert guarded.stats().retry_after == 0.0


async def test_of_many_requests_at_once_only_the_probes_get_in() -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)
    running = 0
    most = 0
    go_on = asyncio.Event()

    @app.get("/", dependencies=[Depends(circuit(KEY))])
    async def endpoint() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1

    trip(breaker.circuit(KEY))
    clock.advance(10)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        first = asyncio.create_task(client.get("/"))
        while not running:
            await asyncio.sleep(0)
        others = await asyncio.gather(*(client.get("/") for _ in range(20)))
        go_on.set()
        assert {one.status_code for one in others} == {503}
        assert (await first).status_code == 200
    assert most == 1


def test_equal_keys_make_equal_guards() -> None:
    assert circuit("a") == circuit("a")
    assert hash(circuit("a")) == hash(circuit("a"))
    assert circuit("a") != circuit("b")
    assert circuit("a") != "a"
    assert repr(circuit("a")) == "circuit('a')"

    def by_path(connection: HTTPConnection) -> str:
        return connection.url.path

    assert circuit(by_path) == circuit(by_path)
    assert hash(circuit(by_path)) == hash(circuit(by_path))


def test_one_override_overrides_every_guard_of_the_key() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)

    @app.get("/a", dependencies=[Depends(circuit(KEY))])
    async def in_a_list() -> None:
        pass

    @app.get("/b")
    async def as_a_parameter(given: Guarded) -> str:
        return str(given)

    trip(breaker.circuit(KEY))
    client = client_of(app)
    assert client.get("/a").status_code == 503
    app.dependency_overrides[circuit(KEY)] = lambda: "stand-in"
    assert client.get("/a").status_code == 200
    assert client.get("/b").json() == "stand-in"


def test_a_callable_makes_the_key_of_the_connection() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)

    def by_shop(connection: HTTPConnection) -> str:
        return f"shop:{connection.path_params['shop']}"

    @app.get("/{shop}", dependencies=[Depends(circuit(by_shop))])
    async def endpoint(shop: str) -> None:
        pass

    client = client_of(app)
    assert client.get("/north").status_code == 200
    trip(breaker.circuit("shop:north"))
    assert client.get("/north").status_code == 503
    assert client.get("/south").status_code == 200


async def _async_key(connection: HTTPConnection) -> str:
    return "never"


@pytest.mark.parametrize(
    ("key", "error"),
    [("", ValueError), ("a/../b", ValueError), (None, TypeError), (_async_key, TypeError)],
)
def test_what_names_no_circuit_is_refused_where_it_is_written(
    key: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        circuit(key)


def test_without_a_breaker_the_error_says_what_to_call() -> None:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(circuit(KEY))])
    async def endpoint() -> None:
        pass

    with pytest.raises(NotInstalledError, match=r"call breaker\.install\(app\)"):
        TestClient(app).get("/")


async def test_nor_is_somebody_elses_value_in_the_scope_taken_for_a_breaker() -> None:
    with pytest.raises(NotInstalledError):
        await circuit(KEY)(HTTPConnection({"type": "http", SCOPE_KEY: "theirs"}))


def test_of_two_breakers_on_one_application_the_later_one_is_nearer() -> None:
    app = FastAPI()
    first, _ = make_breaker(app)
    second, _ = make_breaker(app)

    @app.get("/", dependencies=[Depends(circuit(KEY))])
    async def endpoint() -> None:
        pass

    trip(first.circuit(KEY))
    assert client_of(app).get("/").status_code == 200
    trip(second.circuit(KEY))
    assert client_of(app).get("/").status_code == 503


def test_a_key_is_public_as_long_as_a_guard_names_it() -> None:
    breaker = HybridBreaker(redis=None)
    assert not is_key_public(inside.registry_of(breaker), "only-here")
    guard = circuit("only-here")
    assert is_key_public(inside.registry_of(breaker), "only-here")
    del guard
    gc.collect()
    assert not is_key_public(inside.registry_of(breaker), "only-here")
