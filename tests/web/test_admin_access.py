"""The admin router: who may ask, and where it may be included."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import CircuitState, HybridBreaker

from .admin_served import DECLARED, Admin
from .bench import client_of, trip

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def admin() -> Iterator[Admin]:
    admin = Admin()
    with admin.client:
        yield admin


# -- who may ask ------------------------------------------------------------------------------


async def require_admin(authorization: Annotated[str, Header()] = "") -> None:
    if authorization != "Bearer admin":
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/circuits"),
        ("GET", "/circuits/declared"),
        ("GET", "/circuits/nobody"),
        ("GET", "/circuits/-/"),
        ("DELETE", "/circuits/declared"),
    ],
)
def test_auth_is_asked_before_anything_is_told(
    method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, circuits={"declared": DECLARED})
    app.include_router(breaker.admin_router(auth=require_admin), prefix="/circuits")
    trip(breaker.circuit("declared"))
    caplog.clear()
    with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"), TestClient(app) as client:
        assert client.request(method, path).status_code == 401
        assert breaker.state("declared") is CircuitState.OPEN
        allowed = client.request(method, path, headers={"Authorization": "Bearer admin"})
        assert allowed.status_code != 401
    (record,) = caplog.records  # of the refusal
    assert "refused with 401" in record.getMessage()


def test_without_auth_one_warning_is_logged_at_start(caplog: pytest.LogCaptureFixture) -> None:
    admin = Admin()
    assert caplog.records == []
    with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"), admin.client:
        pass
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "auth=None" in record.getMessage()


@pytest.mark.parametrize("auth", [Depends(require_admin), "admin", 7])
def test_auth_is_the_callable_itself(auth: Any) -> None:
    with pytest.raises(TypeError, match="auth must be"):
        HybridBreaker(redis=None).admin_router(auth=auth)


def test_auth_has_no_default() -> None:
    with pytest.raises(TypeError, match="auth"):
        HybridBreaker(redis=None).admin_router()  # type: ignore[call-arg]


# -- where it is included ---------------------------------------------------------------------


def test_without_a_prefix_it_says_what_to_write() -> None:
    router = HybridBreaker(redis=None).admin_router(auth=require_admin)
    with pytest.raises(Exception, match=r'include it with a prefix.*prefix="/circuits"'):
        FastAPI().include_router(router)
    with pytest.raises(Exception, match="include it with a prefix"):
        APIRouter(prefix="/outer").include_router(router)


def test_it_can_be_included_within_another_router_and_twice() -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, circuits={"declared": DECLARED})
    router = breaker.admin_router(auth=None)
    outer = APIRouter()
    outer.include_router(router, prefix="/circuits")
    app.include_router(outer, prefix="/outer")
    app.include_router(router, prefix="/again")
    client = client_of(app)
    assert client.get("/outer/circuits/declared").status_code == 200
    assert client.get("/again/declared").status_code == 200
    assert client.get("/again").status_code == 200
    assert len(client.get("/openapi.json").json()["paths"]) == 12
    assert str(app.url_path_for("show_circuit", key="x")) == "/outer/circuits/x"


def test_mounted_as_it_is_it_matches_no_more_than_its_own_paths() -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, circuits={"declared": DECLARED})
    router = breaker.admin_router(auth=None)
    app.mount("/circuits", router)
    assert client_of(app).get("/circuits/declared").status_code == 200
    assert str(router.url_path_for("show_circuit", key="x")) == "/x"
