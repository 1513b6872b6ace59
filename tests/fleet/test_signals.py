"""Signals: what is taken from their channel, and what is dropped there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import FailureRate, TimeWindow
from fastapi_hybrid_breaker.fleet.answers import parse_sums, parse_votes
from fastapi_hybrid_breaker.fleet.messages import Signal, Tick, parse_signal
from fastapi_hybrid_breaker.fleet.values import MalformedError
from tests import inside

from .instances import CONFIG, fail, fleet, settled, succeed, until
from .player import KEY, Player
from .sessions import collecting_of, session_of

if TYPE_CHECKING:
    from .server import Server

SAID: dict[str, Any] = {
    "p": 1,
    "key": KEY,
    "signal": "hot",
    "version": "1790000000000000",
    "writer": "aaaa",
    "ms": 2500,
}


def test_a_signal_says_about_which_state_of_which_circuit_it_is() -> None:
    heard = parse_signal(json.dumps(SAID).encode())
    assert heard == Signal.read(SAID)
    assert (heard.name, heard.key, heard.version) == ("hot", KEY, 1_790_000_000_000_000)
    assert (heard.writer, heard.seconds) == ("aaaa", 2.5)
    probing = parse_signal(json.dumps(SAID | {"signal": "probing", "by": "bbbb"}).encode())
    assert (probing.writer, probing.by) == ("aaaa", "bbbb")
    assert parse_signal(b'{"p":1,"signal":"tick","live":7}') == Tick.read(
        {"signal": "tick", "live": 7}
    )


@pytest.mark.parametrize(
    "data",
    [
        "text",
        b"x" * 5000,
        b"{",
        b"[]",
        b"NaN",
        b'{"signal":"hot","ms":NaN}',
        b'{"signal":"unheard of"}',
        b'{"signal":["hot"]}',
        b'{"signal":"tick","live":-1}',
        b'{"signal":"tick","live":"many"}',
        json.dumps(SAID | {"key": 7}).encode(),
        json.dumps(SAID | {"writer": None}).encode(),
        json.dumps(SAID | {"by": 7}).encode(),
        json.dumps(SAID | {"version": "new"}).encode(),
        json.dumps(SAID | {"ms": -1}).encode(),
        json.dumps(SAID | {"ms": 1e12}).encode(),
    ],
)
def test_nonsense_is_dropped_and_counted(server: Server, data: object) -> None:
    with pytest.raises(MalformedError):
        parse_signal(data)
    player = Player(server, "aaaa")
    player.circuit  # noqa: B018 - made
    assert player.exchange.inbox.receive_signal(data) is False
    assert player.own.faults.dropped.count == 1
    player.close()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        [b"done"] * 4,
        [b"done", b"0", b"-1", b"-1", b"0", b"a window and no calls"],
        ["text"] * 5,
        [b"\xff"] * 5,
        [b"done", b"many", b"-1", b"-1", b"0"],
        [b"done", b"0", b"-1", b"-1", b"0", b"window", b"1,x"],
    ],
)
def test_answers_that_are_none_are_refused(answer: Any) -> None:
    with pytest.raises(MalformedError):
        parse_sums(answer)


def test_counts_of_other_kinds_than_ours_are_left_out() -> None:
    sums = parse_sums([b"done", b"0", b"-1", b"5", b"0", b"window", b"1,2", b"w", b"1,2,3,4,5"])
    assert sums.calls == {"w": (1, 2, 3, 4, 5)}
    assert (sums.suspect_for, sums.hot_for) == (None, 0.005)


def test_votes_are_of_the_present_state_and_not_over() -> None:
    now = 1000.0
    votes = b"aaaa:1001000 bbbb:999000 nonsense cccc:1_001_000 dddd:99999999999999999"
    assert parse_votes([b"7|w", votes], (7, "w"), now) == ("aaaa",)
    assert parse_votes([b"7|w", votes], (8, "w"), now) == ()
    assert parse_votes([b"7|w", votes], None, now) == ("aaaa",)
    assert parse_votes([None, None], None, now) == ()
    with pytest.raises(MalformedError):
        parse_votes([], None, now)


async def test_signals_of_strangers_change_nothing_that_is_decided(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        circuit = a.circuit(KEY)
        await settled(a)
        for name in ("suspect", "end", "armed", "hot", "probing"):
            for version in ("0", "1790000000000000"):
                said = SAID | {"signal": name, "version": version, "writer": "", "ms": 86_400_000}
                server.ask.publish("circuit#signals", json.dumps(said))
        server.ask.publish("circuit#signals", json.dumps({"signal": "tick", "live": 1}))
        await until(lambda: inside.of(circuit).tracks_successes)
        await succeed(a, KEY)
        await fail(a, KEY, times=2)
        await settled(a)
        assert a.state(KEY) == "CLOSED"
        await fail(a, KEY, times=1)
        assert a.state(KEY) == "OPEN"


async def test_a_hot_signal_is_believed_for_one_window_at_most(server: Server) -> None:
    rule = FailureRate(0.5, window=TimeWindow(5.0), minimum_calls=100)
    config = CONFIG.__class__(trip=rule, recovery_timeout=30.0)
    async with fleet(server, 1, config) as (a,):
        a.circuit(KEY)
        await settled(a)
        said = SAID | {"version": "0", "writer": "", "ms": 86_400_000}
        server.ask.publish("circuit#signals", json.dumps(said))
        hot = collecting_of(session_of(a).exchange)
        await until(lambda: hot.get(KEY))
        assert hot.get(KEY) <= inside.host_of(a).clock() + 5.0
