"""Processes that are killed or frozen in the worst moment: the rest of the fleet goes on."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.lengths import slowly
from tests.web.servers import eventually, raw_request, read_until, request, uvicorn_serving

from .mortal import KEY
from .test_uvicorn_processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .server import Server

APP = "tests.fleet.mortal:app"


class Mortal(Process):
    """One serving process that can be killed and frozen."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.port = port
        self.pid = int(request("GET", f"{self._base}/-/pid").text)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def die_when_it_opens(self, turns: int) -> None:
        request("POST", f"{self._base}/-/die-when-it-opens/{turns}").raise_for_status()

    def is_connected(self) -> bool:
        return bool(self.circuits()["sync"]["state"] == "connected")

    @contextlib.contextmanager
    def probe_without_end(self) -> Iterator[None]:
        """Hold a probe; the circuit is not closed and others may be probing too."""
        with contextlib.ExitStack() as held:

            def is_admitted() -> bool:
                with contextlib.ExitStack() as tried:
                    connection = tried.enter_context(
                        raw_request(self.port, "GET /endless HTTP/1.1")
                    )
                    if b" 200 " not in read_until(connection, b"\r\n"):
                        return False
                    held.push(tried.pop_all())
                    return True

            eventually(is_admitted)
            assert self.state() == "HALF_OPEN"
            yield


@pytest.fixture
def start(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Mortal]]:
    """Start a process that shares the server."""
    monkeypatch.setenv("CIRCUIT_REDIS_URL", server.url)
    with contextlib.ExitStack() as stack:

        def begin() -> Mortal:
            process = Mortal(stack.enter_context(uvicorn_serving(APP)))
            stack.callback(thaw_if_there, process)
            eventually(process.is_connected)
            return process

        yield begin


def thaw_if_there(process: Mortal) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.thaw()  # a frozen one would not end when it is asked to


@pytest.fixture
def pair(start: Callable[[], Mortal]) -> tuple[Mortal, Mortal]:
    a, b = start(), start()
    assert (a.ask(200), b.ask(200)) == (200, 200)
    return a, b


def trip(process: Mortal) -> None:
    assert [process.ask(500) for _ in range(3)] == [500, 500, 500]


def recover(*processes: Mortal) -> None:
    """Send good traffic to each one until the circuit is closed for all of them."""

    def is_closed() -> bool:
        for process in processes:
            process.ask(200)
        return {process.state() for process in processes} == {"CLOSED"}

    eventually(is_closed, lambda: [process.circuits() for process in processes])


def has_heard_of_the_opening(process: Mortal) -> bool:
    return process.state() != "CLOSED"


def test_killed_while_open_the_others_recover_without_it(
    pair: tuple[Mortal, Mortal], start: Callable[[], Mortal]
) -> None:
    a, b = pair
    trip(a)
    eventually(lambda: has_heard_of_the_opening(b))
    a.kill()
    recover(b)
    late = start()
    assert late.ask(200) == 200
    assert late.state() == "CLOSED"


def test_killed_while_it_probes_the_others_recover_without_it(pair: tuple[Mortal, Mortal]) -> None:
    a, b = pair
    trip(a)
    eventually(lambda: has_heard_of_the_opening(b))
    with a.probe_without_end():
        a.kill()
        recover(b)
    assert [b.ask(200) for _ in range(5)] == [200] * 5


def test_killed_while_it_probes_another_that_comes_in_its_place_recovers(
    start: Callable[[], Mortal], server: Server
) -> None:
    a = start()
    trip(a)
    eventually(lambda: server.hash(KEY).get("state") == "OPEN")
    with a.probe_without_end():
        a.kill()
        recover(start())


@pytest.mark.parametrize("turns", [1, *slowly(0, 3)])
def test_killed_at_the_moment_of_its_trip_the_fleet_is_of_one_mind(
    pair: tuple[Mortal, Mortal], start: Callable[[], Mortal], turns: int
) -> None:
    a, b = pair
    a.die_when_it_opens(turns)
    assert [a.ask(500) for _ in range(2)] == [500, 500]
    with pytest.raises(httpx2.TransportError):
        for _ in range(50):  # the answer of the third may have been quicker than its end
            a.ask(500)
    late = start()
    # Whether the trip was told or not: whoever is left agrees, also after a trip of its own.
    recover(b, late)
    trip(b)
    eventually(lambda: has_heard_of_the_opening(late))
    recover(b, late)


def test_frozen_while_another_trips_it_agrees_when_it_goes_on(
    pair: tuple[Mortal, Mortal], server: Server
) -> None:
    a, b = pair
    a.freeze()
    trip(b)
    eventually(lambda: server.hash(KEY).get("state") == "OPEN")
    a.thaw()
    eventually(lambda: has_heard_of_the_opening(a))
    recover(a, b)


def test_frozen_while_open_it_learns_that_the_fleet_has_recovered(
    pair: tuple[Mortal, Mortal],
) -> None:
    a, b = pair
    trip(a)
    eventually(lambda: has_heard_of_the_opening(b))
    a.freeze()
    recover(b)
    a.thaw()
    eventually(lambda: a.state() == "CLOSED")  # by the news alone: nobody calls it
    assert a.ask(200) == 200


def test_frozen_while_it_probes_the_others_recover_and_it_agrees_when_it_goes_on(
    pair: tuple[Mortal, Mortal],
) -> None:
    a, b = pair
    trip(a)
    eventually(lambda: has_heard_of_the_opening(b))
    with a.probe_without_end():
        a.freeze()
        recover(b)
        a.thaw()
        recover(a, b)
    recover(a, b)  # its probe was broken off: late, and no verdict


def test_frozen_beyond_patience_it_shares_again_when_it_goes_on(
    pair: tuple[Mortal, Mortal], server: Server
) -> None:
    a, b = pair
    a.freeze()
    server.restart()  # so its connections are dead, too, when it comes back
    trip(b)
    eventually(lambda: server.hash(KEY).get("state") == "OPEN")
    a.thaw()
    eventually(lambda: has_heard_of_the_opening(a))
    eventually(a.is_connected)
    recover(a, b)


@pytest.mark.every_server
def test_server_killed_while_open_and_restarted_all_recover(
    pair: tuple[Mortal, Mortal], server: Server
) -> None:
    a, b = pair
    trip(a)
    eventually(lambda: has_heard_of_the_opening(b))
    server.restart()
    eventually(lambda: a.is_connected() and b.is_connected())
    recover(a, b)
    trip(b)
    eventually(lambda: has_heard_of_the_opening(a))


@pytest.mark.every_server
def test_server_killed_while_one_probes_the_others_recover(
    pair: tuple[Mortal, Mortal], server: Server
) -> None:
    a, b = pair
    trip(a)
    eventually(lambda: has_heard_of_the_opening(b))
    with a.probe_without_end():
        server.restart()
        recover(b)
    recover(a, b)
    eventually(lambda: a.is_connected() and b.is_connected())
    trip(a)
    eventually(lambda: has_heard_of_the_opening(b))
