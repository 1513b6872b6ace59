"""What no retry cures: said once, by cause and cure, in the log and in the state."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import (
    AuthenticationError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    ResponseError,
)
from redis.exceptions import ConnectionError as LostError

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.fleet.causes import explain
from fastapi_hybrid_breaker.fleet.connection import Source
from fastapi_hybrid_breaker.fleet.standing import Outages, Standing
from tests import inside

from .instances import CONFIG, fail, settled, until
from .links import sync
from .server import Server, free_port
from .sessions import count_failures, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.every_server

KEY = "inventory-api"

README_USER = (
    *("on", ">s3cret", "~circuit:*", "~circuit#*", "&circuit:*", "&circuit#*", "+@all"),
    *("-@dangerous", "+info"),
)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]


async def isolated_by(
    url: str, said: str, caplog: pytest.LogCaptureFixture, *, trips: bool = False
) -> str:
    """Return the sentence with which a breaker is isolated, however often it has tried."""
    caplog.set_level(logging.DEBUG, "fastapi_hybrid_breaker")
    async with HybridBreaker(redis=url, defaults=CONFIG) as breaker:
        if trips:
            await fail(breaker, KEY)
        await until(lambda: said in (breaker.sync_status().error or ""), said)
        session = session_of(breaker)
        tries = 0
        lose = session.standing.lose

        def counted(error: BaseException) -> None:
            nonlocal tries
            tries += 1
            lose(error)

        count_failures(session, counted)
        await until(lambda: tries >= 2, "more tries")
        assert sync(breaker) == "isolated"
        health = breaker.health()
        assert (health.status, health.sync.error) == ("degraded", breaker.sync_status().error)
        error = health.sync.error or ""
    assert [line for line in errors(caplog) if said in line] == [
        f"{error}; circuits continue in this process, state is not shared"
    ]
    assert "s3cret" not in caplog.text + error
    assert "shop" not in error
    return error


@pytest.fixture
def user(server: Server) -> Iterator[Any]:
    def allow(*rules: str) -> str:
        server.ask.execute_command("ACL", "SETUSER", "shop", "reset", *README_USER, *rules)
        return server.url.replace("redis://", "redis://shop:s3cret@")

    yield allow
    server.ask.execute_command("ACL", "DELUSER", "shop")


async def test_wrong_password(server: Server, user: Any, caplog: pytest.LogCaptureFixture) -> None:
    url = user().replace("s3cret", "s3cret-old")
    said = await isolated_by(url, "refuses the user name or password", caplog)
    assert "CIRCUIT_REDIS_URL" in said


async def test_no_password(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.ask.execute_command("ACL", "SETUSER", "default", "resetpass", ">s3cret")
    try:
        await isolated_by(server.url, "asks for a password", caplog)
    finally:
        server.ask.execute_command("ACL", "SETUSER", "default", "resetpass", "nopass")


async def test_password_where_there_is_none(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.url.replace("redis://", "redis://:s3cret@")
    await isolated_by(url, "has no password for this user", caplog)


async def test_unknown_database(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    await isolated_by(server.url.replace("/0", "/99"), "does not have this database", caplog)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (("-evalsha",), "the command EVALSHA"),
        (("-subscribe",), "the command SUBSCRIBE"),
        (("-time",), "the command TIME"),
        (("-hset",), "does not permit this user"),  # in a script
        (("resetkeys", "~other:*"), "our keys or channels"),
        (("resetchannels", "&other"), "our keys or channels"),
    ],
)
async def test_what_the_user_may_not_do(
    user: Any, caplog: pytest.LogCaptureFixture, rules: tuple[str, ...], said: str
) -> None:
    error = await isolated_by(user(*rules), said, caplog, trips=True)
    assert "ACL" in error


async def test_rotated_password_is_told_in_place_of_the_lost_connection_and_cured(
    server: Server, user: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with HybridBreaker(redis=user(), defaults=CONFIG) as breaker:
        await until(lambda: sync(breaker) == "connected")
        server.ask.execute_command("ACL", "SETUSER", "shop", "resetpass", ">n3w")
        for kind in ("normal", "pubsub"):
            server.ask.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        await until(lambda: "password" in (breaker.sync_status().error or ""))
        await until(lambda: len(errors(caplog)) == 1)
        server.ask.execute_command("ACL", "SETUSER", "shop", ">s3cret")
        await until(lambda: sync(breaker) == "connected")
        assert breaker.sync_status().error is None
        await fail(breaker, KEY)
        await settled(breaker)
        assert server.hash(KEY)["state"] == "OPEN"
    assert "Reconnected" in caplog.text


@pytest.fixture
def special(server: Server, tmp_path: Path) -> Iterator[Any]:
    """Make a server of the same kind with options of its own."""
    started: list[Server] = []

    def start(*options: str) -> Server:
        one = Server(server.binary, tmp_path, *options)
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()
        one.ask.close()


async def test_renamed_command(special: Any, caplog: pytest.LogCaptureFixture) -> None:
    one = special("--rename-command", "EVALSHA", "hidden")
    await isolated_by(one.url, "does not know the command EVALSHA", caplog)


async def test_renamed_auth_does_not_show_the_password(
    special: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The server quotes what it does not know, with its arguments."""
    one = special("--rename-command", "AUTH", "hidden")
    url = one.url.replace("redis://", "redis://shop:s3cret@")
    await isolated_by(url, "does not know the command AUTH", caplog)


async def test_node_of_a_cluster(special: Any, caplog: pytest.LogCaptureFixture) -> None:
    # Without a port for the bus, a server whose own is above 55,535 does not start.
    bus = str(free_port())
    one = special("--cluster-enabled", "yes", "--cluster-port", bus)
    await isolated_by(one.url, "is a node of a cluster", caplog)


async def test_full_server_and_replica(special: Any, caplog: pytest.LogCaptureFixture) -> None:
    full = special("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    await isolated_by(full.url, "has no memory left", caplog)
    primary = special()
    replica = special("--replicaof", "127.0.0.1", str(primary.port))
    await isolated_by(replica.url, "is a read-only replica", caplog)


async def test_server_that_lacks_replicas_was_called_unreachable(
    special: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one = special("--min-replicas-to-write", "1")
    await isolated_by(one.url, "too few of its replicas are connected", caplog, trips=True)


async def test_server_without_room_for_a_client_was_called_unreachable(
    special: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one = special()
    one.ask.config_set("maxclients", 1)
    async with HybridBreaker(redis=one.url, defaults=CONFIG) as breaker:
        # A connection that is closed before the answer is read does not say why.
        await until(lambda: any("takes no more clients" in line for line in errors(caplog)))
        assert sync(breaker) == "isolated"
        one.ask.config_set("maxclients", 100)
        await until(lambda: sync(breaker) == "connected")


async def test_replica_without_a_primary_was_called_unreachable(
    special: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one = special("--replicaof", "127.0.0.1", str(free_port()))
    one.ask.config_set("replica-serve-stale-data", "no")
    await isolated_by(one.url, "is a replica that has lost its primary", caplog)


# -- the words --------------------------------------------------------------------------------


def said_of(error: Exception) -> tuple[str, bool]:
    cause = explain(error, "here", lambda text: text.replace("hunter2", "***"))
    return cause.text, cause.is_lasting


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ResponseError("DENIED Redis is running in protected mode because ..."), "protected mode"),
        (AuthenticationError("invalid username-password pair or user is disabled."), "password"),
        (MovedError("11189 127.0.0.1:29651"), "node of a cluster"),
        (ResponseError("CLUSTERDOWN Hash slot not served"), "node of a cluster"),
        (ResponseError("unknown command 'EVALSHA', with args beginning with: 'x'"), "EVALSHA"),
        (ResponseError("unknown command `SCRIPT`, with args beginning with: "), "SCRIPT"),
        (NoPermissionError("User a has no permissions to run the 'script|load' command"), "|LOAD"),
        (NoPermissionError("No permissions to access a key"), "our keys"),
        (NoPermissionError("something that is new"), "see the ACL"),
        (ResponseError("this user has no permissions to run the 'evalsha' command"), "EVALSHA"),
        (ResponseError("MISCONF Redis is configured to save RDB snapshots"), "disk"),
        (ResponseError("NOREPLICAS Not enough good slaves to write. script: 1"), "min-replicas"),
        (LostError("max number of clients reached"), "raise maxclients"),
        (ResponseError("max number of clients + cluster connections reached"), "raise maxclients"),
        (MasterDownError("Link with MASTER is down and replica-serve-stale-data"), "lost its"),
        (LostError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), "ssl_ca_certs"),
        (LostError("[SSL: WRONG_VERSION_NUMBER] wrong version number"), "does not speak TLS"),
    ],
)
def test_what_operators_can_mend_is_explained(error: Exception, said: str) -> None:
    text, is_lasting = said_of(error)
    assert said in text
    assert "here" in text
    assert is_lasting


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("LOADING Redis is loading the dataset in memory"),
        ResponseError("BUSY Redis is busy running a script."),
        LostError("Error 111 connecting to 127.0.0.1:1. hunter2 " + "x" * 900 + "\n\n"),
        TimeoutError("no answer within 1 seconds"),
    ],
)
def test_what_time_cures_is_no_such_error(error: Exception) -> None:
    text, is_lasting = said_of(error)
    assert not is_lasting
    assert "hunter2" not in text
    assert len(text) < 300
    assert re.search(r"[\r\n]", text) is None


@pytest.mark.parametrize(
    ("url", "text", "left"),
    [
        # A short user name made holes in every word.
        ("redis://e:pw@h", "Error connecting, e is wrong", "Error connecting, *** is wrong"),
        ("redis://:p%40ss@h", "said p%40ss, p@ss and pass", "said ***, *** and pass"),
        ("redis://:long-secret@h", "read xlong-secretx", "read x***x"),
        ("redis://ann:pw@h", "tried redis://bob:hunter2@i:1", "tried redis://***@i:1"),
        ("redis://h", "sent auth_token=hunter2 to h:6379", "sent auth_token=*** to h:6379"),
    ],
)
def test_what_a_server_says_is_without_secrets_and_else_untouched(
    url: str, text: str, left: str
) -> None:
    assert Source(url).redact(text) == left


def test_a_lasting_cause_is_logged_again_every_ten_minutes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    outages = Outages(lambda: now)
    peers = inside.peers_of(HybridBreaker(redis=None))

    def session() -> Standing:
        return Standing(Source("redis://127.0.0.1"), peers, outages)

    wrong, forbidden = ResponseError("WRONGPASS x"), ResponseError("NOPERM x")
    standing = session()
    for at in range(0, 1201, 10):
        now = float(at)
        standing.lose(wrong)
        if at % 100 == 0:
            standing.connect()  # it comes and goes
            standing = session()
    assert len(errors(caplog)) == 3
    standing.lose(forbidden)  # another one is another matter
    standing.lose(wrong)
    assert len(errors(caplog)) == 4
    assert "user name or password" in (standing.error or "")
