"""Recoveries in which two probes begin at once, or reports of probes come late."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitOpenError
from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside

from .companion import Companion, together
from .player import KEY
from .recovering import _field, open_for_all
from .sessions import set_next_heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .server import Server


OPEN_TIME = 0.4


@pytest.fixture
def join(server: Server) -> Iterator[Callable[..., Companion]]:
    """Add an instance to the fleet."""
    with contextlib.ExitStack() as stack:

        def enter(instance: str, **settings: Any) -> Companion:
            companion = Companion(server, instance, **{"recovery_timeout": OPEN_TIME, **settings})
            companion.circuit  # noqa: B018 - made
            stack.callback(companion.close)
            return companion

        yield enter


def hear(*players: Companion) -> None:
    """Send and receive everything, in hardly any time."""
    together(*players, seconds=0.02, step=0.01)


# -- two that begin at once -----------------------------------------------------------------------


def test_two_probes_that_begin_at_once_both_take_a_place(server: Server, join: Any) -> None:
    a, b, c = (join(name, success_threshold=3) for name in ("aaaa", "bbbb", "cccc"))
    open_for_all(a, b, c)
    first, second = (
        inside.admit(a.circuit),
        inside.admit(b.circuit),
    )  # neither has heard of the other
    hear(a, b, c)
    noted = {one.split(":")[0]: one.split(":")[1] for one in _field(server, "probing").split()}
    assert noted == {"aaaa": "1", "bbbb": "1"}
    assert inside.of(c.circuit).probes_elsewhere == 2
    assert (
        inside.of(a.circuit).probes_elsewhere,
        inside.of(b.circuit).probes_elsewhere,
    ) == (1, 1)
    for player, permit in ((a, first), (b, second)):
        inside.settle(player.circuit, permit, Outcome.SUCCESS)
    hear(a, b, c)
    assert inside.of(c.circuit).successes == 2, "they add up"
    assert inside.of(c.circuit).probes_elsewhere == 0
    c.call()
    assert c.state == "CLOSED"


def test_the_second_of_two_is_registered_although_the_first_has_changed_the_state(
    server: Server, join: Any
) -> None:
    a, b = (join(name) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    inside.admit(a.circuit)
    inside.admit(b.circuit)
    a.send()
    b.deliver(b.take())  # it has not heard of that
    assert [one.split(":")[0] for one in _field(server, "probing").split()] == ["aaaa", "bbbb"]


def test_successes_of_an_earlier_recovery_do_not_count(server: Server, join: Any) -> None:
    a, b = (join(name, success_threshold=3, half_open_max_calls=2) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    a.call()
    hear(a, b)
    assert inside.of(b.circuit).successes == 1
    b.fail()  # open again
    together(a, b, seconds=0.6)
    a.call()
    hear(a, b)
    assert (inside.of(a.circuit).successes, inside.of(b.circuit).successes) == (
        1,
        1,
    )


def test_a_lease_given_before_the_open_time_ends_brings_no_successes_of_an_earlier_recovery(
    server: Server, join: Any
) -> None:
    a, b = (join(name, round_trip=60.0, success_threshold=3) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    while inside.of(a.circuit).successes < 2:
        with contextlib.suppress(CircuitOpenError):
            a.call()
        a.send()
    assert _field(server, "won").startswith("aaaa:2:")
    a.fail()
    a.send()
    with pytest.raises(CircuitOpenError):
        a.call()  # so it asks in time
    before = _field(server, "lease")
    together(a, b, seconds=0.35)
    a.send()
    assert inside.of(a.circuit).open_until > a.clock()
    assert _field(server, "lease") != before
    assert _field(server, "lease").split("|")[3] == "0"


def test_a_success_that_is_reported_twice_counts_once(server: Server, join: Any) -> None:
    a, b = (join(name, success_threshold=5) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    a.call()
    requests = a.take()
    a.deliver(requests)  # the answers get lost
    a.exchange.put_back(requests)
    a.send()
    hear(a, b)
    assert inside.of(b.circuit).successes == 1
    a.call()
    hear(a, b)
    assert inside.of(b.circuit).successes == 2


def test_a_probe_that_ends_before_its_report_is_answered_is_reported_to_have_ended(
    join: Any,
) -> None:
    a, b = (join(name, half_open_max_calls=1) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    permit = inside.admit(a.circuit)
    requests = a.take()
    answers = a.deliver(requests)
    inside.settle(a.circuit, permit, Outcome.NOT_COUNTED)
    a.answer(requests, answers)
    hear(a, b)
    assert inside.of(b.circuit).probes_elsewhere == 0


def test_a_probe_that_ends_while_redis_is_away_is_reported_after_that(
    server: Server, join: Any
) -> None:
    a, b = (join(name, half_open_max_calls=1) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    permit = inside.admit(a.circuit)
    hear(a, b)
    assert _field(server, "probing").startswith("aaaa:1:")
    inside.peers_of(a.breaker).is_connected = False
    inside.settle(a.circuit, permit, Outcome.NOT_COUNTED)
    a.send()
    inside.peers_of(a.breaker).is_connected = True
    a.exchange.read_all()
    set_next_heartbeat(a.exchange, None)  # whose answer is that nobody else lives
    hear(a, b)
    assert _field(server, "probing") == ""
    assert inside.of(b.circuit).probes_elsewhere == 0


def test_an_older_signal_that_comes_late_changes_nothing(join: Any) -> None:
    a, b = (join(name, half_open_max_calls=1, success_threshold=3) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    permit = inside.admit(a.circuit)
    a.send()
    begun = [one["data"] for one in b.arrived()]
    inside.settle(a.circuit, permit, Outcome.SUCCESS)
    a.send()
    ended = [one["data"] for one in b.arrived()]
    signals = [data for data in (*begun, *ended) if b'"signal"' in data]
    for data in begun:
        b.exchange.inbox.receive(data)
    for data in reversed(signals):
        b.exchange.inbox.receive_signal(data)
    assert inside.of(b.circuit).probes_elsewhere == 0
    b.call()


def test_probes_of_a_version_that_never_says_when_they_end_keep_others_back(join: Any) -> None:
    a, b = (join(name, success_threshold=3) for name in ("aaaa", "bbbb"))
    open_for_all(a, b)
    a.call()
    hear(a, b)
    core = inside.of(b.circuit)
    b.exchange.inbox.receive_signal(
        b'{"p":1,"key":"%s","signal":"probing","version":"%d","writer":"%s","ms":2000,"by":"old"}'
        % (KEY.encode(), core.version, core.writer.encode())
    )
    with pytest.raises(CircuitOpenError):
        b.call()
    b.clock.advance(3.1)
    b.call()
