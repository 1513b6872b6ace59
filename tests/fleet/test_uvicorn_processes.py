"""A fleet of real uvicorn processes that share one server."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.web.servers import eventually, request, uvicorn_serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import Server

APP = "tests.fleet.served:app"
KEY = "inventory-api"


class Process:
    """One serving process, as its clients see it."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def ask(self, status: int) -> int:
        return request("GET", f"{self._base}/answer/{status}").status_code

    def circuits(self) -> dict[str, Any]:
        shown: dict[str, Any] = request("GET", f"{self._base}/circuits").json()
        return shown

    def state(self) -> str:
        shown = request("GET", f"{self._base}/circuits/{KEY}")
        return str(shown.json()["state"]) if shown.status_code == 200 else "unknown"

    def reset(self) -> httpx2.Response:
        return request("DELETE", f"{self._base}/circuits/{KEY}")


@pytest.fixture
def ends() -> list[tuple[int, str]]:
    """Exit status and log of each process that has ended."""
    return []


@pytest.fixture
def fleet(
    server: Server, monkeypatch: pytest.MonkeyPatch, ends: list[tuple[int, str]]
) -> Iterator[list[Process]]:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", server.url)
    with ExitStack() as stack:
        ports = [stack.enter_context(uvicorn_serving(APP, collect(ends))) for _ in range(2)]
        processes = [Process(port) for port in ports]
        for process in processes:
            assert process.ask(200) == 200
            eventually(lambda one=process: one.circuits()["sync"]["state"] == "connected")  # type: ignore[misc]
        yield processes


def collect(ends: list[tuple[int, str]]) -> Any:
    return lambda status, log: ends.append((status, log))


def trip(process: Process) -> None:
    assert [process.ask(500) for _ in range(3)] == [500, 500, 500]
    assert process.ask(200) == 503


def test_trip_on_one_process_is_a_rejection_on_the_other(fleet: list[Process]) -> None:
    a, b = fleet
    trip(a)
    eventually(lambda: b.state() == "OPEN")
    assert b.ask(200) == 503


def test_delete_on_one_process_lets_the_other_serve_again(fleet: list[Process]) -> None:
    a, b = fleet
    trip(a)
    eventually(lambda: b.state() == "OPEN")
    assert b.reset().status_code == 204
    eventually(lambda: a.state() == "CLOSED")
    assert (a.ask(200), b.ask(200)) == (200, 200)


def test_process_that_starts_late_rejects_its_first_request(fleet: list[Process]) -> None:
    trip(fleet[0])
    eventually(lambda: fleet[1].state() == "OPEN")
    with uvicorn_serving(APP) as port:
        assert Process(port).ask(200) == 503


def test_processes_serve_on_while_the_server_is_dead_and_agree_on_its_return(
    fleet: list[Process], server: Server
) -> None:
    a, b = fleet
    server.kill()
    trip(a)
    assert b.ask(200) == 200
    server.start()
    eventually(lambda: b.state() == "OPEN")
    assert (a.ask(200), b.ask(200)) == (503, 503)


def test_processes_end_without_a_word_of_complaint(
    server: Server, monkeypatch: pytest.MonkeyPatch, ends: list[tuple[int, str]]
) -> None:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", server.url)
    monkeypatch.setenv("PYTHONDEVMODE", "1")  # shows what is left open, or never awaited
    with uvicorn_serving(APP, collect(ends)) as port:
        trip(Process(port))
    ((_, log),) = ends
    assert "Application shutdown complete" in log
    assert not [word for word in ("Warning:", "Traceback", "was destroyed") if word in log], log
