"""The admin router in an application all of whose routes are guarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from fastapi_hybrid_breaker import Circuit, CircuitGuard, CircuitState, bearer_token, circuit
from tests import inside

from .bench import (
    KEY,
    NOT_COUNTED,
    SUCCESS,
    client_of,
    make_breaker,
    make_half_open,
    trip,
    verdict_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection
    from starlette.testclient import TestClient

    from fastapi_hybrid_breaker import HybridBreaker
    from fastapi_hybrid_breaker.testing import ManualClock

SECRET = "0123456789abcdef"  # noqa: S105
ASKED = {"Authorization": f"Bearer {SECRET}"}


def by_tenant(connection: HTTPConnection) -> str:
    return connection.path_params["tenant"]


async def checked(guarded: Annotated[Circuit, Depends(circuit(KEY))]) -> None:
    """A dependency of a user's that has the circuit as an argument."""
    assert guarded.key == KEY


class Shop:
    """An application, a failing route in it, and the admin router; ``guard`` applies a guard."""

    def __init__(self, guard: Callable[[HybridBreaker], tuple[FastAPI, FastAPI]]) -> None:
        self.clock: ManualClock
        self.breaker, self.clock = make_breaker()
        self.app, api = guard(self.breaker)
        self.breaker.install(self.app)

        @api.get("/failing", dependencies=[Depends(circuit(KEY))])
        async def failing() -> Response:
            return JSONResponse({}, 500)

        self.client: TestClient = client_of(self.app)

    @property
    def guarded(self) -> Circuit:
        return self.breaker.circuit(KEY)


def _admin(breaker: HybridBreaker, **given: Any) -> APIRouter:
    router = breaker.admin_router(auth=bearer_token(SECRET))
    if given:
        outer = APIRouter(**given)
        outer.include_router(router, prefix="/circuits")
        return outer
    return router


def on_the_application(breaker: HybridBreaker) -> tuple[FastAPI, FastAPI]:
    app = FastAPI(dependencies=[Depends(circuit(KEY))])
    app.include_router(_admin(breaker), prefix="/circuits")
    return app, app


def on_a_router(breaker: HybridBreaker) -> tuple[FastAPI, FastAPI]:
    app = FastAPI()
    app.include_router(_admin(breaker, dependencies=[Depends(circuit(KEY))]))
    return app, app


def where_it_is_included(breaker: HybridBreaker) -> tuple[FastAPI, FastAPI]:
    app = FastAPI()
    dependencies = [Depends(circuit(KEY))]
    app.include_router(_admin(breaker), prefix="/circuits", dependencies=dependencies)
    return app, app


def on_a_mounted_application(breaker: HybridBreaker) -> tuple[FastAPI, FastAPI]:
    app, sub = FastAPI(), FastAPI(dependencies=[Depends(circuit(KEY))])
    sub.include_router(_admin(breaker), prefix="/circuits")
    app.mount("/", sub)
    return app, sub


def by_a_key_made_of_each_request(breaker: HybridBreaker) -> tuple[FastAPI, FastAPI]:
    app = FastAPI(dependencies=[Depends(circuit(by_tenant)), Depends(circuit(KEY))])
    app.include_router(_admin(breaker), prefix="/circuits")
    return app, app


def through_a_dependency_of_its_own(breaker: HybridBreaker) -> tuple[FastAPI, FastAPI]:
    app = FastAPI(dependencies=[Depends(checked)])
    app.include_router(_admin(breaker), prefix="/circuits")
    return app, app


WAYS = [
    on_the_application,
    on_a_router,
    where_it_is_included,
    on_a_mounted_application,
    by_a_key_made_of_each_request,
    through_a_dependency_of_its_own,
]
"""How a guard can come to be applied to the admin router as well."""


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def shop(request: pytest.FixtureRequest) -> Shop:
    return Shop(request.param)


ACTS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "list": ("GET", "/circuits", {}, 200),
    "circuit": ("GET", f"/circuits/{KEY}", {}, 200),
    "health": ("GET", "/circuits/-/health", {}, 200),
    "fleet": ("GET", "/circuits/-/fleet", {}, 200),
    "console": ("GET", "/circuits/-/console", {}, 200),
    "console's file": ("GET", "/circuits/-/console/none.js", {}, 404),
    "reset": ("DELETE", f"/circuits/{KEY}", {}, 204),
    "override": (
        "PUT",
        f"/circuits/{KEY}/-/override",
        {"json": {"kind": "disabled", "reason": "it is well", "seconds": 60, "by": "ann"}},
        204,
    ),
    "end of an override": ("DELETE", f"/circuits/{KEY}/-/override", {}, 204),
    "no such circuit": ("GET", "/circuits/nobody", {}, 404),
}

each_act = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


def do(shop: Shop, act: tuple[str, str, dict[str, Any], int]) -> None:
    method, path, given, status = act
    answer = shop.client.request(method, path, headers=ASKED, **given)
    assert answer.status_code == status, answer.text


@each_act
def test_while_the_circuit_is_open_admin_routes_answer(
    shop: Shop, act: tuple[str, str, dict[str, Any], int]
) -> None:
    trip(shop.guarded)
    do(shop, act)
    assert shop.guarded.stats().rejected == 0


def test_while_it_is_open_auth_is_asked_first(shop: Shop) -> None:
    trip(shop.guarded)
    assert shop.client.get("/circuits").status_code == 401
    assert shop.client.delete(f"/circuits/{KEY}").status_code == 401


@pytest.mark.parametrize("path", ["/circuits", "/circuits/-/health", f"/circuits/{KEY}"])
def test_two_page_loads_are_no_probes_that_close_the_circuit(shop: Shop, path: str) -> None:
    make_half_open(shop.guarded, shop.clock)
    for _ in range(2):
        assert shop.client.get(path, headers=ASKED).status_code == 200
    assert shop.guarded.state is CircuitState.HALF_OPEN
    assert shop.guarded.stats().successes == 0


def test_nor_do_they_take_a_probes_place(shop: Shop) -> None:
    make_half_open(shop.guarded, shop.clock)
    permit = inside.admit(shop.guarded)  # the only place
    assert shop.client.get("/circuits", headers=ASKED).status_code == 200
    inside.settle(shop.guarded, permit, SUCCESS)
    assert shop.guarded.state is CircuitState.CLOSED


def test_a_poll_between_failing_calls_does_not_end_a_run_of_failures() -> None:
    shop = Shop(on_the_application)
    for _ in range(2):
        shop.client.get("/failing")
    assert shop.client.get("/circuits/-/health", headers=ASKED).status_code == 200
    shop.client.get("/failing")
    assert shop.guarded.state is CircuitState.OPEN


def test_an_admin_route_that_fails_is_no_failure(shop: Shop) -> None:
    def failing() -> None:
        raise HTTPException(500)

    shop.breaker.look_up = failing  # type: ignore[method-assign, assignment]
    assert (
        verdict_of(shop.guarded, lambda: shop.client.get(f"/circuits/{KEY}", headers=ASKED))
        is NOT_COUNTED
    )


def test_other_routes_stay_guarded() -> None:
    shop = Shop(on_the_application)
    trip(shop.guarded)
    assert shop.client.get("/failing").status_code == 503


@each_act
def test_under_a_guarded_mount_the_answers_do_not_count(
    act: tuple[str, str, dict[str, Any], int],
) -> None:
    """A limit: its guard admits, or rejects, before anybody can know which route it will be."""
    sub = FastAPI()
    breaker, clock = make_breaker(sub)
    sub.include_router(_admin(breaker), prefix="/circuits")
    app = FastAPI(routes=[Mount("/", sub, middleware=[Middleware(CircuitGuard, key=KEY)])])
    breaker.install(app)
    client = client_of(app)
    method, path, given, _ = act
    make_half_open(breaker.circuit(KEY), clock)
    for _ in range(3):
        assert client.request(method, path, headers=ASKED, **given).status_code < 500
    assert breaker.circuit(KEY).stats().successes == 0
