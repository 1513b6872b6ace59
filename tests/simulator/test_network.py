"""The way between an instance and the server, and what can happen on it."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as SilentError

from simulator import loop
from simulator.network import Client
from simulator.process import Process
from simulator.server.server import Server, StormError
from simulator.wire import Link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def play(main: Callable[[Server, Link, Client], Awaitable[Any]]) -> Any:
    async def prepared() -> Any:
        server, link = Server(Random(1)), Link()
        return await main(server, link, Client(server, link))

    return loop.run(prepared())


async def heard(pubsub: Any) -> list[Any]:
    came = []
    while (message := await pubsub.get_message(timeout=1.0)) is not None:
        came.append(message["data"])
    return came


def test_answers_are_as_the_client_library_gives_them() -> None:
    async def main(server: Server, link: Link, client: Client) -> None:
        await client.execute_command("HSET", "h", "a", 1, "b", 2)
        assert await client.execute_command("HGETALL", "h") == {b"a": b"1", b"b": b"2"}
        await client.execute_command("SADD", "s", "b", "a", "c")
        members = await client.execute_command("SMEMBERS", "s")
        assert isinstance(members, set)
        assert list(members) == [b"a", b"b", b"c"]
        assert await client.execute_command("EXPIRE", "h", 100) is True
        with pytest.raises(RedisError, match="WRONGTYPE"):
            await client.execute_command("GET", "h")

    play(main)


@pytest.mark.parametrize(
    ("spoil", "error", "is_done"),
    [
        (lambda server, _: server.go_down(), LostError, False),
        (lambda server, _: server.hang(), SilentError, False),
        (lambda _, link: setattr(link, "is_cut", True), SilentError, False),
        (lambda _, link: setattr(link, "loses_answers", 1.0), LostError, True),
        (lambda _, link: setattr(link, "latency", 0.6), SilentError, True),
    ],
    ids=["down", "hang", "cut", "loses answers", "slow"],
)
def test_what_is_sent_may_be_done_though_no_answer_comes(
    spoil: Any, error: type[Exception], is_done: bool
) -> None:
    async def main(server: Server, link: Link, client: Client) -> bool:
        spoil(server, link)
        with pytest.raises(error):
            await client.execute_command("SET", "k", "v")
        return server.store.data.exists("k")

    assert play(main) is is_done


def test_a_server_that_hangs_does_later_what_was_asked() -> None:
    async def main(server: Server, link: Link, client: Client) -> None:
        server.hang()
        with pytest.raises(SilentError):
            await client.execute_command("SET", "k", "v")
        server.resume()
        assert server.store.data.exists("k")

    play(main)


def test_a_restart_ends_connections_and_forgets() -> None:
    async def main(server: Server, link: Link, client: Client) -> None:
        await client.execute_command("SET", "k", "v")
        pubsub = client.pubsub()
        await pubsub.subscribe("c")
        assert await heard(pubsub) == [1]
        server.go_down()
        server.come_up()
        with pytest.raises(LostError):
            await pubsub.get_message(timeout=1.0)
        assert await client.execute_command("EXISTS", "k") == 0

    play(main)


def test_a_failover_falls_back_to_an_older_copy() -> None:
    async def main(server: Server, link: Link, client: Client) -> list[int]:
        await client.execute_command("SET", "old", "v")
        snapshot = server.store.snapshot()
        await client.execute_command("SET", "new", "v")
        server.go_down()
        server.come_up(snapshot)
        return [await client.execute_command("EXISTS", key) for key in ("old", "new")]

    assert play(main) == [1, 0]


async def publish(server: Server, link: Link, client: Client, **faults: float) -> list[Any]:
    pubsub = client.pubsub()
    await pubsub.subscribe("c")
    await heard(pubsub)
    for name, share in faults.items():
        setattr(link, name, share)
    for number in range(200):
        server.store.execute(("PUBLISH", "c", number))
        await asyncio.sleep(0.001)
    return [int(one) for one in await heard(pubsub)]


@pytest.mark.parametrize(
    ("faults", "holds"),
    [
        ({}, lambda came: came == list(range(200))),
        ({"drops": 0.5}, lambda came: 50 < len(came) < 150 and came == sorted(came)),
        ({"repeats": 0.5}, lambda came: len(came) > 250 and set(came) == set(range(200))),
        ({"shuffles": 0.5}, lambda came: sorted(came) == list(range(200)) != came),
        ({"is_cut": True}, lambda came: came == []),
    ],
    ids=["well", "drops", "repeats", "shuffles", "cut"],
)
def test_messages_get_lost_or_come_twice_or_late(faults: dict[str, float], holds: Any) -> None:
    async def main(server: Server, link: Link, client: Client) -> list[Any]:
        return await publish(server, link, client, **faults)

    assert holds(play(main))


def test_a_quiet_connection_is_looked_at_longer_and_answers_pings() -> None:
    async def main(server: Server, link: Link, client: Client) -> list[Any]:
        pubsub = client.pubsub()
        await pubsub.subscribe("c")
        await pubsub.get_message(timeout=0.25)
        link.lull = 2.0
        await pubsub.ping()
        begun = server.loop.time()
        message = await pubsub.get_message(timeout=0.25)
        assert message is not None
        return [message["type"], server.loop.time() - begun]

    assert play(main) == ["pong", 2.0]


def test_messages_wait_for_a_paused_process() -> None:
    async def main(server: Server, link: Link, client: Client) -> list[float]:
        process, came = Process(), []

        async def listen() -> None:
            pubsub = client.pubsub()
            await pubsub.subscribe("c")
            while True:
                if await pubsub.get_message(timeout=60.0) is not None:
                    came.append(round(server.loop.time(), 1))

        process.start(listen())
        await asyncio.sleep(1.0)
        process.pause()
        server.store.execute(("PUBLISH", "c", "x"))
        await asyncio.sleep(4.0)
        process.resume()
        await asyncio.sleep(1.0)
        process.kill()
        return came

    assert play(main) == [0.0, 5.0]


def test_a_storm_of_commands_is_noticed() -> None:
    async def main(server: Server, link: Link, client: Client) -> None:
        for _ in range(20_001):
            server.execute(("TIME",))

    with pytest.raises(StormError):
        play(main)
