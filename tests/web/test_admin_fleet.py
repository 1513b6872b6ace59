"""Overrides over HTTP, in a fleet of real uvicorn processes that share one server."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.fleet.server import Server, valkey_server
from tests.lengths import slowly
from tests.patience import PATIENCE

from .bench import KEY
from .servers import eventually, uvicorn_serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDER = {"kind": "forced_open", "reason": "a migration", "seconds": 3600, "by": "ann"}
PATH = f"/circuits/{KEY}/-/override"


class Process:
    """One serving process, as its clients see it, and the server that it shares."""

    def __init__(self, client: httpx2.Client, server: Server) -> None:
        self.client = client
        self.server = server

    def ask(self) -> httpx2.Response:
        return self.client.get("/answer/200")

    def page(self) -> Any:
        return self.client.get(f"/circuits/{KEY}").json()

    def is_overridden(self) -> bool:
        return self.page()["override"] is not None

    def is_connected(self) -> bool:
        connection = self.client.get("/circuits").json()["sync"]["state"]
        return bool(connection == "connected")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Process]]:
    with ExitStack() as stack:
        server = stack.enter_context(Server(valkey_server(), tmp_path))
        monkeypatch.setenv("CIRCUIT_REDIS_URL", server.url)
        processes = []
        for _ in range(2):
            port = stack.enter_context(uvicorn_serving("tests.fleet.served:app"))
            base = f"http://127.0.0.1:{port}"
            client = stack.enter_context(
                httpx2.Client(base_url=base, timeout=PATIENCE, verify=False)
            )
            processes.append(Process(client, server))
            eventually(processes[-1].is_connected)
        yield processes


def test_what_one_process_is_told_holds_on_the_other_until_it_is_ended(
    fleet: list[Process],
) -> None:
    a, b = fleet
    assert (a.ask().status_code, b.ask().status_code) == (200, 200)
    told = a.client.put(PATH, json=ORDER)
    assert (told.status_code, told.headers["x-circuit-override"]) == (204, "fleet")

    eventually(b.is_overridden, b.page)
    rejected = b.ask()
    assert rejected.status_code == 503
    assert 3000 < int(rejected.headers["retry-after"]) <= 3600
    page = b.page()
    override = page["override"]
    assert 3000 < override.pop("remaining") <= 3600
    assert override == {"kind": "forced_open", "by": "ann", "reason": "a migration"}
    change = page["history"][-1]
    assert (change["new"], change["cause"]) == ("OPEN", "override")
    assert (change["evidence"]["by"], change["evidence"]["reason"]) == ("ann", "a migration")

    told = b.client.delete(PATH, params={"by": "bob"})
    assert (told.status_code, told.headers["x-circuit-override"]) == (204, "fleet")
    eventually(lambda: not a.is_overridden(), a.page)
    assert (a.ask().status_code, b.ask().status_code) == (200, 200)
    assert a.page()["history"][-1]["evidence"]["by"] == "bob"


@pytest.mark.parametrize("version", [2**53 - 10**12 - 1, *slowly(2**53, 2**63)])
def test_a_reset_gets_through_a_version_far_beyond_the_servers_clock(
    fleet: list[Process], version: int
) -> None:
    a, b = fleet
    redis = a.server
    for process in fleet:
        assert process.ask().status_code == 200
    at = redis.ask.time()[0] * 1000
    four = ("OPEN", "1", "0", str(at + 20_000))
    plain = dict(zip(("state", "failures", "successes", "nextAttempt"), four, strict=True))
    ours = {"version": str(version), "writer": "fe", "at": str(at), "sum": "|".join(four), "p": "1"}
    redis.ask.hset(f"circuit:{KEY}", mapping=plain | ours)
    redis.ask.zadd("circuit#index", {KEY: float(version)})
    assert a.client.delete(f"/circuits/{KEY}").status_code == 204
    eventually(lambda: b.page()["version"] == a.page()["version"] > 0)
    assert a.page()["state"] == "CLOSED"
    assert a.page()["version"] <= redis.ask.time()[0] * 1_000_000 + 1_000_000
    told = b.client.put(PATH, json=ORDER)
    assert (told.status_code, told.headers["x-circuit-override"]) == (204, "fleet")
    eventually(a.is_overridden, a.page)
