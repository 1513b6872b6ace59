"""The rules by themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h11
import httpcore
import httpcore2
import httpx
import httpx2
import pytest

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.client.outcome import about_upstream, of_head
from fastapi_hybrid_breaker.core.states import Outcome

if TYPE_CHECKING:
    from types import ModuleType

CONFIG = CircuitConfig()
SUCCESS, FAILURE = Outcome.SUCCESS, Outcome.FAILURE


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("GET", 200, None),
        ("POST", 201, None),
        ("GET", 302, None),
        ("GET", 404, None),
        ("GET", 428, None),
        ("GET", 429, FAILURE),
        ("HEAD", 429, FAILURE),
        ("GET", 499, None),
        ("GET", 500, FAILURE),
        ("HEAD", 503, FAILURE),
        ("GET", 599, FAILURE),
        ("HEAD", 200, SUCCESS),
        ("HEAD", 404, SUCCESS),
        ("GET", 101, SUCCESS),
        ("DELETE", 204, SUCCESS),
        ("GET", 304, SUCCESS),
    ],
)
def test_what_the_head_says(method: str, status: int, expected: Outcome | None) -> None:
    assert of_head(CONFIG, method, status, is_over=False) is expected


@pytest.mark.parametrize(("status", "expected"), [(200, SUCCESS), (404, SUCCESS), (503, FAILURE)])
def test_a_body_that_the_transport_has_dealt_with(status: int, expected: Outcome) -> None:
    assert of_head(CONFIG, "GET", status, is_over=True) is expected


def test_failure_statuses_replace_the_defaults_429_included() -> None:
    config = CircuitConfig(failure_statuses=frozenset({418}))

    def judged(status: int) -> Outcome | None:
        return of_head(config, "GET", status, is_over=True)

    assert [judged(418), judged(429), judged(503)] == [FAILURE, SUCCESS, SUCCESS]


OWN_FAULTS: list[Exception] = [
    httpx.PoolTimeout("x"),
    httpx.UnsupportedProtocol("x"),
    httpx.LocalProtocolError("x"),
    httpx2.PoolTimeout("x"),
    httpx2.UnsupportedProtocol("x"),
    httpx2.LocalProtocolError("x"),
    httpcore.LocalProtocolError("x"),
    httpcore2.LocalProtocolError("x"),
    h11.LocalProtocolError("x"),
]


@pytest.mark.parametrize("error", OWN_FAULTS, ids=lambda e: f"{type(e).__module__}.{type(e)}")
def test_the_callers_own_faults_tell_nothing(error: Exception) -> None:
    assert about_upstream(CONFIG, error) is None


@pytest.mark.parametrize("http", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_subclass_of_such_an_error_tells_nothing_either(http: ModuleType) -> None:
    class Ours(http.PoolTimeout):  # type: ignore[misc, name-defined]
        pass

    assert about_upstream(CONFIG, Ours("x")) is None


@pytest.mark.parametrize("http", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_errors_of_the_dependency_tell(http: ModuleType) -> None:
    for name in ("ConnectTimeout", "ReadTimeout", "ReadError", "RemoteProtocolError", "ProxyError"):
        error: Exception = getattr(http, name)("x")
        assert about_upstream(CONFIG, error) is error


def test_a_strangers_class_of_the_same_name_tells() -> None:
    class PoolTimeout(Exception):
        pass

    error = PoolTimeout()
    assert about_upstream(CONFIG, error) is error


def test_a_group_tells_what_its_telling_members_tell() -> None:
    timeout, refused = httpx.PoolTimeout("x"), httpx2.ConnectError("x")

    assert about_upstream(CONFIG, ExceptionGroup("two", [timeout, httpx2.PoolTimeout("x")])) is None
    told = about_upstream(CONFIG, ExceptionGroup("two", [timeout, ExceptionGroup("in", [refused])]))

    assert isinstance(told, ExceptionGroup)
    assert told.exceptions == (refused,)
    whole = ExceptionGroup("all of it", [refused])
    assert about_upstream(CONFIG, whole) is whole


def test_cancellation_is_left_for_the_circuit_to_judge() -> None:
    error = asyncio.CancelledError()
    assert about_upstream(CONFIG, error) is error


@pytest.mark.parametrize("http", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_configuration_that_names_such_an_error_itself_has_it_counted(http: ModuleType) -> None:
    error: Exception = http.PoolTimeout("x")
    named = CircuitConfig(failure_exceptions=(http.PoolTimeout, http.ConnectError))
    merely_a_base = CircuitConfig(failure_exceptions=(http.TimeoutException,))

    assert about_upstream(named, error) is error
    assert about_upstream(named, http.UnsupportedProtocol("x")) is None
    assert about_upstream(merely_a_base, error) is None
