"""What is written in place of ``Depends(circuit("x"))``: an error at once, with what to write."""

# No "from __future__ import annotations" here: FastAPI reads those of a nested endpoint.

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import Circuit, HybridBreaker, circuit

from .bench import client_of, make_breaker, trip

FORGOTTEN = r"Depends is missing: write Depends\(circuit\('x'\)\), not circuit\('x'\) alone"
DECORATED = r"not a decorator: for a route write dependencies=\[Depends\(circuit\('x'\)\)\]"
NOT_CALLED = r'write Depends\(circuit\("key"\)\), not Depends\(circuit\)'
CIRCUIT = r'a Circuit is not a dependency.*write Depends\(circuit\("key"\)\)'
BARE = r"a callable that returns one for a connection \(no async one\), not <function"

breaker = HybridBreaker(redis=None)


async def endpoint() -> None: ...


def listed(dependency: Any) -> None:
    FastAPI().get("/", dependencies=[dependency])(endpoint)


def of_the_application(dependency: Any) -> None:
    FastAPI(dependencies=[dependency]).get("/")(endpoint)


def of_the_router(dependency: Any) -> None:
    APIRouter(dependencies=[dependency]).post("/")(endpoint)


def of_a_websocket(dependency: Any) -> None:
    FastAPI().websocket("/", dependencies=[dependency])(endpoint)


def included(dependency: Any) -> None:
    app = FastAPI()
    HybridBreaker(app, redis=None)
    router = APIRouter()
    router.get("/")(endpoint)
    outer = APIRouter()
    outer.include_router(router, dependencies=[dependency])
    app.include_router(outer)
    with TestClient(app):
        pass


def default(dependency: Any) -> None:
    async def endpoint(guard=dependency) -> None: ...

    FastAPI().get("/")(endpoint)


def annotated_default(dependency: Any) -> None:
    async def endpoint(guard: Circuit = dependency) -> None: ...

    endpoint.__annotations__["guard"] = Circuit
    FastAPI().get("/")(endpoint)


def annotation(dependency: Any) -> None:
    async def endpoint(guard: Any) -> None: ...

    endpoint.__annotations__["guard"] = Annotated[Circuit, dependency]
    FastAPI().get("/")(endpoint)


def in_a_dependency(dependency: Any) -> None:
    def checked(guard=dependency) -> None: ...

    FastAPI().get("/", dependencies=[Depends(checked)])(endpoint)


PLACES = [
    listed,
    of_the_application,
    of_the_router,
    of_a_websocket,
    included,
    default,
    annotated_default,
    annotation,
    in_a_dependency,
]


@pytest.mark.parametrize("place", PLACES)
def test_depends_forgotten(place: Callable[[Any], None]) -> None:
    with pytest.raises(TypeError, match=FORGOTTEN):
        place(circuit("x"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("marker", [Depends, Security, partial(Depends, use_cache=False)])
@pytest.mark.parametrize(
    ("given", "said"),
    [(circuit, NOT_CALLED), (breaker.circuit("x"), CIRCUIT)],
    ids=["function", "circuit"],
)
def test_what_is_not_a_guard_within_depends(
    place: Callable[[Any], None], marker: Callable[[Any], Any], given: Any, said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        place(marker(given))


async def async_function() -> None: ...


def without_arguments() -> None: ...


def with_two(sku: str, n: int) -> None: ...


@pytest.mark.parametrize("fn", [async_function, without_arguments, with_two, print, Circuit])
def test_a_guard_of_a_route_as_a_decorator(fn: Any) -> None:
    with pytest.raises(TypeError, match=DECORATED):
        circuit("x")(fn)


@pytest.mark.parametrize("fn", [async_function, without_arguments, with_two])
def test_a_decorator_without_a_key(fn: Any) -> None:
    with pytest.raises(TypeError, match=BARE):
        circuit(fn)


@pytest.mark.parametrize("given", [circuit("x"), breaker.circuit("x"), None, 7, b"x"])
def test_a_key_that_is_none(given: Any) -> None:
    with pytest.raises(TypeError, match=r"circuit\(\) needs a key"):
        circuit(given)


def by_host(connection: HTTPConnection) -> str:
    return "a-host"


@pytest.mark.parametrize(
    ("key", "name"),
    [("a-key", "a-key"), (by_host, "a-host"), (partial(lambda key, _: key, "a-part"), "a-part")],
)
def test_what_is_meant_goes_on_working(key: Any, name: str) -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    guard = circuit(key)
    assert circuit(key) == guard
    assert hash(circuit(key)) == hash(guard)
    assert {guard: 1}[circuit(key)] == 1
    assert guard != Depends(guard)

    @app.get("/", dependencies=[Depends(guard)])
    async def endpoint(
        one: Annotated[Any, Depends(circuit(key))], other: Annotated[Any, Depends(guard)]
    ) -> bool:
        return one is other is breaker.circuit(name)

    assert client_of(app).get("/").json() is True
    assert client_of(app).get("/openapi.json").json()["paths"]["/"]["get"].get("parameters") is None
    trip(breaker.circuit(name))
    assert client_of(app).get("/").status_code == 503
    app.dependency_overrides[circuit(key)] = lambda: breaker.circuit(name)
    assert client_of(app).get("/").json() is True


def test_a_circuit_is_a_decorator_still() -> None:
    assert breaker.circuit("x")(len)([1]) == 1
