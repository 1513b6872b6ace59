"""Transports without connections: mock, ASGI and WSGI, of both libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from fastapi_hybrid_breaker.core.states import Outcome
from tests.client.bench import KEY, Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType

    from tests.client.callers import Caller

    MakeCaller = Callable[..., Caller]

URL = "http://upstream/"

STATUSES = pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Outcome.SUCCESS),
        (404, Outcome.SUCCESS),
        (429, Outcome.FAILURE),
        (503, Outcome.FAILURE),
    ],
)


def asgi_app(status: int, *, error: Exception | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        if error is not None:
            raise error
        await send({"type": "http.response.body", "body": b"hello"})

    return app


def wsgi_app(status: int, *, error: Exception | None = None) -> Any:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(f"{status} X", [])

        def body() -> Iterator[bytes]:
            yield b"hello"
            if error is not None:
                raise error

        return body()

    return app


@STATUSES
async def test_a_mock_whose_body_is_there_with_the_head(
    bench: Bench, make_caller: MakeCaller, http: ModuleType, status: int, expected: Outcome
) -> None:
    inner = http.MockTransport(lambda _: http.Response(status, text="hello"))

    response = await make_caller(bench, inner).get(URL)

    assert response.text == "hello"
    assert bench.outcome() is expected


async def test_a_body_that_is_there_with_the_head_is_a_success_also_unread(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    inner = http.MockTransport(lambda _: http.Response(200, json={"a": 1}))

    await make_caller(bench, inner).look(URL, chunks=0)

    assert bench.outcome() is Outcome.SUCCESS


async def test_a_good_response_that_the_transport_closed_unread_is_a_success(
    bench: Bench, make_caller: MakeCaller, http: ModuleType, half: str
) -> None:
    async def aclosed(_: Any) -> Any:
        async def body() -> AsyncIterator[bytes]:
            yield b"a"

        response = http.Response(200, content=body())
        await response.aclose()
        return response

    def closed(_: Any) -> Any:
        response = http.Response(200, content=iter([b"a"]))
        response.close()
        return response

    inner = http.MockTransport(aclosed if half == "async" else closed)

    await make_caller(bench, inner).look(URL, chunks=0)

    assert bench.outcome() is Outcome.SUCCESS


async def test_an_error_raised_by_a_mock_is_a_failure(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    def refuse(_: Any) -> Any:
        raise http.ConnectError("refused")

    with pytest.raises(http.ConnectError):
        await make_caller(bench, http.MockTransport(refuse)).get(URL)

    assert bench.outcome() is Outcome.FAILURE


async def test_a_transport_that_returns_no_response_is_a_failure(
    bench: Bench, http: ModuleType
) -> None:
    class Broken(http.BaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            return None

    with pytest.raises(AttributeError):
        bench.breaker.transport(Broken(), KEY).handle_request(http.Request("GET", URL))

    assert bench.outcome() is Outcome.FAILURE


@pytest.mark.parametrize("half", ["async"], indirect=True)
@STATUSES
async def test_asgi_statuses(
    bench: Bench, make_caller: MakeCaller, http: ModuleType, status: int, expected: Outcome
) -> None:
    response = await make_caller(bench, http.ASGITransport(asgi_app(status))).get(URL)

    assert response.text == "hello"
    assert bench.outcome() is expected


@pytest.mark.parametrize("half", ["async"], indirect=True)
async def test_an_asgi_application_that_raises_is_a_failure(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    inner = http.ASGITransport(asgi_app(200, error=RuntimeError("broken")))

    with pytest.raises(RuntimeError, match="broken"):
        await make_caller(bench, inner).get(URL)

    assert bench.outcome() is Outcome.FAILURE


@pytest.mark.parametrize("half", ["sync"], indirect=True)
@STATUSES
async def test_wsgi_statuses(
    bench: Bench, make_caller: MakeCaller, http: ModuleType, status: int, expected: Outcome
) -> None:
    response = await make_caller(bench, http.WSGITransport(wsgi_app(status))).get(URL)

    assert response.text == "hello"
    assert bench.outcome() is expected


@pytest.mark.parametrize("half", ["sync"], indirect=True)
async def test_a_wsgi_body_that_breaks_is_a_failure(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    inner = http.WSGITransport(wsgi_app(200, error=RuntimeError("broken")))

    with pytest.raises(RuntimeError, match="broken"):
        await make_caller(bench, inner).get(URL)

    assert bench.outcome() is Outcome.FAILURE


async def test_an_upgraded_connection_is_a_success_with_its_head(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    # A probe that lasted as long as a web socket would keep its place until its deadline.
    inner = http.MockTransport(lambda _: http.Response(101, extensions={"network_stream": bench}))

    response = await make_caller(bench, inner).look(URL, chunks=0)

    assert response.extensions["network_stream"] is bench
    assert bench.outcome() is Outcome.SUCCESS


async def test_an_exception_group_of_the_callers_own_faults_is_no_verdict(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    def refuse(_: Any) -> Any:
        raise ExceptionGroup("both", [http.PoolTimeout("full"), http.LocalProtocolError("ours")])

    with pytest.raises(ExceptionGroup):
        await make_caller(bench, http.MockTransport(refuse)).get(URL)

    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_an_exception_that_cannot_be_looked_at_arrives_and_is_a_failure(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    class HollowGroup(ExceptionGroup[Exception]):
        @property
        def exceptions(self) -> NoReturn:  # type: ignore[override]
            raise RuntimeError

    def refuse(_: Any) -> Any:
        raise HollowGroup("hollow", [ValueError()])

    with pytest.raises(HollowGroup):
        await make_caller(bench, http.MockTransport(refuse)).get(URL)

    assert bench.outcome() is Outcome.FAILURE


async def test_a_rejection_by_another_circuit_inside_is_no_verdict(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    inside = Bench(probing=False)
    inside.open()
    inner = inside.breaker.transport(http.MockTransport(lambda _: http.Response(200)), KEY)

    with pytest.raises(Exception, match="Circuit breaker is OPEN"):
        await make_caller(bench, inner).get(URL)

    assert bench.outcome() is Outcome.NOT_COUNTED
