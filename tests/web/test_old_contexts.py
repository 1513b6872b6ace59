"""What was inside of a guarded request or an admitted call, and goes on when that has ended.

A context is inherited by whatever is begun in it, for as long as that lives. It must not be waved
through in a ramp of later.
"""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterator

import httpx2
import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from tests.patience import PATIENCE

from .servers import request, uvicorn_serving


def ask(port: int, method: str, path: str) -> httpx2.Response:
    answer = request(method, f"http://127.0.0.1:{port}{path}")
    answer.raise_for_status()
    return answer


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with uvicorn_serving("tests.web.served_ramp:app") as port:
        yield port


@pytest.fixture(autouse=True)
def closed(port: int) -> None:
    """Whatever a test before has left: the circuit admits everything."""
    ask(port, "POST", "/-/reset")


@pytest.mark.parametrize("path", ["/task", "/task-of-a-call"])
def test_a_task_begun_before_the_outage_is_no_more_than_others(port: int, path: str) -> None:
    ask(port, "GET", path)
    ask(port, "POST", "/-/outage")
    assert ask(port, "GET", "/-/admitted").json() == [10]


@pytest.mark.parametrize("path", ["/task", "/task-of-a-call"])
def test_nor_is_one_begun_in_a_ramp_before(port: int, path: str) -> None:
    ask(port, "POST", "/-/outage")
    ask(port, "GET", path)  # the first of the ramp is admitted
    ask(port, "POST", "/-/outage")
    assert ask(port, "GET", "/-/admitted").json() == [10]


def test_nor_is_one_begun_in_the_probe(port: int) -> None:
    ask(port, "POST", "/-/probed-by/task")
    assert ask(port, "GET", "/-/admitted").json() == [10]


def test_nor_is_a_background_task_that_outlives_its_answer(port: int) -> None:
    ask(port, "GET", "/background")
    ask(port, "POST", "/-/outage")
    assert ask(port, "GET", "/-/admitted").json() == [10]


def test_nor_is_a_socket_accepted_before_the_outage(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/socket", open_timeout=PATIENCE) as socket:
        ask(port, "POST", "/-/outage")
        assert ask(port, "GET", "/-/admitted").json() == [10]
        with pytest.raises(ConnectionClosedOK):
            socket.recv(PATIENCE)


def test_nor_are_later_requests_of_a_connection_that_once_carried_a_large_upload(
    port: int,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def send(method: str, path: str, body: bytes | None = None) -> int:
        connection.request(method, path, body)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    assert send("POST", "/upload", bytes(5_000_000)) == 200
    ask(port, "POST", "/-/outage")
    seen = Counter(send("GET", "/served") for _ in range(100))
    connection.close()
    assert seen == {200: 10, 503: 90}


def test_what_runs_inside_of_an_admitted_request_of_this_ramp_is_no_further_call(
    port: int,
) -> None:
    ask(port, "POST", "/-/outage")
    assert ask(port, "GET", "/calls").json() == 100
