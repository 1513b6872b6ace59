"""The route's row of the outcome table, through real uvicorn processes and real sockets."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fastapi_hybrid_breaker.core.states import Outcome

from .bench import FAILURE, KEY, NOT_COUNTED, SUCCESS
from .servers import PATIENCE, eventually, raw_request, read_until, uvicorn_serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The failures counted afterwards, with one counted before and with none; and what a probe makes.
CLOSED_AFTER = {
    "armed": {SUCCESS: 0, NOT_COUNTED: 1, FAILURE: 2},
    "calm": {SUCCESS: 0, NOT_COUNTED: 0, FAILURE: 1},
}
PROBED = {SUCCESS: "CLOSED", NOT_COUNTED: "HALF_OPEN", FAILURE: "OPEN"}


class Served:
    """The served application, and what its circuit says."""

    def __init__(self, port: int, client: httpx.Client) -> None:
        self.port = port
        self.client = client

    def prepare(self, state: str) -> None:
        assert self.client.post(f"/-/{state}").status_code == 200

    def tell(self) -> dict[str, Any]:
        return dict(self.client.get("/-/circuit").json())

    def get(self, path: str) -> int:
        """Make a request and read all there is; 0: it broke off."""
        try:
            return self.client.get(path).status_code
        except httpx.RemoteProtocolError:
            return 0

    def verdict_is(self, verdict: Outcome, act: Callable[[], object]) -> None:
        """Do it while CLOSED, with a failure before and without, and as the probe: all agree."""
        for state in ("armed", "calm", "half-open"):
            self.prepare(state)
            before = self.tell()["finished"]
            act()
            eventually(lambda before=before: self.tell()["finished"] == before + 1)  # type: ignore[misc]
            told = self.tell()
            if state in CLOSED_AFTER:
                assert (told["state"], told["failures"]) == ("CLOSED", CLOSED_AFTER[state][verdict])
            else:
                assert told["state"] == PROBED[verdict]
                if verdict is NOT_COUNTED:
                    assert told["retry_after"] == 0.0  # its place is free again


@contextlib.contextmanager
def serving(app: str) -> Iterator[Served]:
    with (
        uvicorn_serving(f"tests.web.served:{app}") as port,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            timeout=PATIENCE,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),  # uvicorn closes after an error
        ) as client,
    ):
        yield Served(port, client)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving("app") as served:
        yield served


@pytest.fixture(scope="module")
def handling() -> Iterator[Served]:
    """The same application with a handler for Exception that answers 200."""
    with serving("handling_app") as served:
        yield served


@pytest.mark.parametrize(
    ("path", "status", "verdict"),
    [
        ("/returned?status=200", 200, SUCCESS),
        ("/returned?status=307", 307, SUCCESS),
        ("/returned?status=404", 404, SUCCESS),
        ("/returned?status=503", 503, FAILURE),
        ("/returned?status=what", 422, NOT_COUNTED),
        ("/raised?kind=key", 502, FAILURE),
        ("/raised?kind=http", 409, SUCCESS),
        ("/raised?kind=value", 500, FAILURE),
        ("/stream?fail=0", 200, SUCCESS),
        ("/stream?fail=1", 0, FAILURE),
        ("/stream?fail=0&status=500", 500, FAILURE),
        ("/events?idle=0&fail=1", 0, FAILURE),
        ("/background", 200, SUCCESS),
        ("/rejected-inside?handled=1", 503, NOT_COUNTED),
        ("/rejected-inside?handled=0", 503, NOT_COUNTED),
    ],
)
def test_what_the_application_answers_is_the_verdict(
    served: Served, path: str, status: int, verdict: Outcome
) -> None:
    statuses: list[int] = []
    served.verdict_is(verdict, lambda: statuses.append(served.get(path)))
    assert statuses == [status] * 3


@pytest.mark.parametrize(
    ("path", "status", "verdict"),
    [
        ("/raised?kind=value", 200, FAILURE),
        ("/stream?fail=1", 0, FAILURE),
        ("/background", 200, SUCCESS),
        ("/rejected-inside?handled=0", 503, NOT_COUNTED),
    ],
)
def test_a_handler_for_exception_changes_the_answer_and_not_the_verdict(
    handling: Served, path: str, status: int, verdict: Outcome
) -> None:
    statuses: list[int] = []
    handling.verdict_is(verdict, lambda: statuses.append(handling.get(path)))
    assert statuses == [status] * 3


def test_an_open_circuit_answers_503_with_a_problem(served: Served) -> None:
    served.prepare("open")
    response = served.client.get("/returned?status=200")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "10"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["circuit"] == KEY


# -- clients that hang up ---------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/reads", "/reads-a-model"])
def test_a_client_that_hangs_up_in_its_request_gives_no_verdict(served: Served, path: str) -> None:
    def act() -> None:
        head = f"POST {path} HTTP/1.1\nContent-Type: application/json\nContent-Length: 100"
        before = served.tell()["started"]
        with raw_request(served.port, head, b'{"a":'):
            eventually(lambda: served.tell()["started"] == before + 1)

    served.verdict_is(NOT_COUNTED, act)


def test_a_client_that_hangs_up_while_the_route_works_leaves_the_verdict_to_its_status(
    served: Served,
) -> None:
    served.prepare("half-open")
    before = served.tell()["finished"]
    with raw_request(served.port, "GET /waits HTTP/1.1"):
        eventually(lambda: served.tell()["retry_after"] == 1.0)  # the probe runs
    assert served.tell()["state"] == "HALF_OPEN"
    assert served.client.put("/-/release").status_code == 200
    eventually(lambda: served.tell()["finished"] == before + 1)
    assert served.tell()["state"] == "CLOSED"


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("/endless?status=200", SUCCESS),
        ("/endless?status=404", SUCCESS),
        ("/endless?status=403", NOT_COUNTED),
        ("/endless?status=500", FAILURE),
        ("/events?idle=0", SUCCESS),
        ("/events?idle=1", SUCCESS),
    ],
)
def test_a_client_that_hangs_up_in_the_body_leaves_the_verdict_to_the_status(
    served: Served, path: str, verdict: Outcome
) -> None:
    def act() -> None:
        with raw_request(served.port, f"GET {path} HTTP/1.1") as connection:
            head, _, rest = read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 ")
            if not rest:
                assert connection.recv(65536)  # the body has begun

    served.verdict_is(verdict, act)


@pytest.mark.parametrize(
    ("what", "verdict"),
    [("listens", SUCCESS), ("talks", SUCCESS), ("fails", FAILURE)],
)
def test_a_socket_that_ends_in_order(served: Served, what: str, verdict: Outcome) -> None:
    def act() -> None:
        with connect(f"ws://127.0.0.1:{served.port}/socket/{what}", proxy=None) as socket:
            assert socket.recv(PATIENCE) == "hello"
            if what == "fails":
                with pytest.raises(ConnectionClosed):
                    socket.recv(PATIENCE)

    served.verdict_is(verdict, act)


@pytest.mark.parametrize("what", ["listens", "talks"])
def test_a_socket_whose_client_is_lost_is_a_success(served: Served, what: str) -> None:
    def act() -> None:
        head = (
            f"GET /socket/{what} HTTP/1.1\nUpgrade: websocket\nConnection: Upgrade\n"
            "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        )
        with raw_request(served.port, head) as connection:
            assert read_until(connection, b"hello").startswith(b"HTTP/1.1 101 ")

    served.verdict_is(SUCCESS, act)


def test_a_socket_that_the_application_refuses_gives_no_verdict(served: Served) -> None:
    def act() -> None:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{served.port}/socket/refuses", proxy=None)
        assert refused.value.response.status_code == 403

    served.verdict_is(NOT_COUNTED, act)


def test_an_open_circuit_denies_a_socket_with_the_503(served: Served) -> None:
    served.prepare("open")
    with pytest.raises(InvalidStatus) as denied:
        connect(f"ws://127.0.0.1:{served.port}/socket/listens", proxy=None)
    response = denied.value.response
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "10"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert KEY.encode() in bytes(response.body)
