"""Redis that is not there, hangs, or refuses."""

from __future__ import annotations

import time

import pytest

from fastapi_hybrid_breaker.cli.steering import Hand
from tests.fleet.instances import fail, fleet, settled, until
from tests.fleet.proxy import Proxy
from tests.fleet.server import Server, free_port

from .command import beside, environment, on, process, replace_order, run

KEY = "inventory-api"
ORDERS = [
    ("status",),
    ("show", KEY),
    ("reset", KEY),
    ("open", KEY, "--reason", "x", "--for", "1m"),
    ("disable", KEY, "--reason", "x", "--for", "1m"),
    ("clear", KEY),
    ("status", "--watch"),
    ("status", "--json"),
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_nobody_listens(order: tuple[str, ...]) -> None:
    port = free_port()
    done = run(*order, "--redis", f"redis://ann:s3cret@127.0.0.1:{port}/0")
    assert (done.code, done.out) == (3, "")
    assert f"Redis at 127.0.0.1:{port}, database 0 cannot be reached" in done.err
    assert "s3cret" not in done.err
    assert "Traceback" not in done.err


def test_a_file_for_tls_that_is_not_there_is_named() -> None:
    done = run("status", "--redis", f"rediss://127.0.0.1:{free_port()}/0?ssl_ca_certs=/none.pem")
    assert done.code == 3
    assert "ssl_ca_certs cannot be read (No such file or directory): /none.pem" in done.err


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_hung_server_is_given_up_in_time(server: Server, order: tuple[str, ...]) -> None:
    server.hang()
    began = time.monotonic()
    done = on(server, *order, "--timeout", "0.3")
    assert (done.code, done.out) == (3, "")
    assert "did not answer within 0.3 seconds" in done.err
    assert time.monotonic() - began < 20  # not redis-py's own retries, let alone for ever


def test_link_that_answers_ever_so_slowly_is_given_up_too(server: Server, link: Proxy) -> None:
    link.delay(0.3)  # each answer comes in time, and all together do not
    done = on(link, "status", "--timeout", "1")
    assert done.code == 3
    assert "did not answer within 1 seconds" in done.err
    assert on(link, "status", "--timeout", "20").code == 0


async def test_order_to_a_hung_server_is_not_followed_when_it_wakes_up(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await settled(breaker)
        server.hang()
        assert (await beside(server, "reset", KEY, "--timeout", "0.3")).code == 3
        server.resume()
        await until(lambda: breaker.sync_status().state == "connected")
        assert server.hash(KEY)["state"] == "OPEN"
        assert breaker.state(KEY) == "OPEN"


def test_server_that_hangs_after_the_order_leaves_a_doubt_that_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hanging(self: Hand, *arguments: object) -> object:
        server.hang()
        return await order(self, *arguments)

    order = replace_order(monkeypatch, hanging)
    done = on(server, "open", KEY, "--reason", "x", "--for", "1m", "--timeout", "0.3")
    assert done.code == 3
    assert "it may be in force or not" in done.err


def test_password_that_is_wrong_is_said_and_never_shown(server: Server) -> None:
    server.ask.config_set("requirepass", "right")
    try:
        url = f"redis://:wrong-s3cret@127.0.0.1:{server.port}/0"
        done = run("status", "--redis", url)
        assert done.code == 3
        assert "refuses" in done.err
        assert "s3cret" not in done.err
        assert run("status", CIRCUIT_REDIS_URL=url.replace("wrong-s3cret", "right")).code == 0
        without = run("status", "--redis", server.url)
        assert without.code == 3
        assert "refuses" in without.err
    finally:
        server.ask.config_set("requirepass", "")


def test_replica_refuses_an_order(server: Server) -> None:
    server.ask.replicaof("127.0.0.1", free_port())
    try:
        done = on(server, "open", KEY, "--reason", "x", "--for", "1m")
        assert done.code == 3
        assert "refuses" in done.err
    finally:
        server.ask.replicaof("NO", "ONE")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://ann:s3cret@localhost", "redis://"),
        ("redis://ann:s3cret@localhost/shop", "database's number"),
        ("redis://ann:s3cret@localhost:port/0", "cannot be read"),
        ("redis://ann:s3cret@localhost/0?colour=red", "colour"),
    ],
)
def test_url_that_is_none(url: str, said: str) -> None:
    done = process("status", "--redis", url)
    assert done.code == 2, done
    assert said in done.err
    assert "s3cret" not in done.err + done.out
    assert "Traceback" not in done.err


def test_no_url_at_all_names_both_ways_to_give_one() -> None:
    assert "CIRCUIT_REDIS_URL" not in environment()
    for done in (process("status"), run("status", CIRCUIT_REDIS_URL="")):
        assert done.code == 2
        assert "--redis" in done.err
        assert "CIRCUIT_REDIS_URL" in done.err
