"""A circuit's first use in a process takes part in what the fleet counts, as any other use does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.fleet import evidence_merger
from fastapi_hybrid_breaker.fleet.answers import RunUnderWay, parse_run
from fastapi_hybrid_breaker.fleet.values import MalformedError
from tests.inside import FleetSide

from .companion import Companion, together
from .instances import fail, fleet, settled, succeed, until
from .sessions import session_of, set_next_heartbeat

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"
EVIDENCE = f"circuit#evidence:{{circuit:{KEY}}}"
CONFIG = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=30.0)
FIVE = CircuitConfig(failure_threshold=5, success_threshold=1, recovery_timeout=30.0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave others more time to object to a run: machines can be busy."""
    monkeypatch.setattr(evidence_merger, "TO_OBJECT", 2.0)


def run_of(server: Server) -> int:
    return len((server.ask.hget(EVIDENCE, ":run") or "").split())


async def known(server: Server, *breakers: HybridBreaker) -> None:
    """Let them know the circuit before it matters, as one that was reset some time ago."""
    await breakers[0].reset(KEY)
    server.ask.hincrby(f"circuit:{KEY}", "at", -5_000)
    for breaker in breakers:
        breaker.circuit(KEY)
        await until(lambda b=breaker: b.stats(KEY).version > 0)
    await settled(*breakers)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("is_known", [False, True])
async def test_a_success_on_first_use_ends_the_run_that_others_have_begun(
    server: Server, is_known: bool
) -> None:
    async with fleet(server, 3, CONFIG) as (a, b, newcomer):
        if is_known:
            await known(server, a, b)
        else:
            a.circuit(KEY), b.circuit(KEY)
        await fail(a, KEY, 2)
        await until(lambda: run_of(server) == 2)
        await succeed(newcomer, KEY)
        await fail(b, KEY, 1)
        # The third in a row, but for the success.
        await until(lambda: run_of(server) < 2)
        assert [one.state(KEY) for one in (a, b, newcomer)] == ["CLOSED"] * 3
        await fail(b, KEY, 2)
        await until(lambda: newcomer.state(KEY) == "OPEN")


@pytest.mark.usefixtures("patient")
async def test_a_success_of_a_process_that_has_just_started_ends_the_run_as_well(
    server: Server,
) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        a.circuit(KEY), b.circuit(KEY)
        await fail(a, KEY, 2)
        await until(lambda: run_of(server) == 2)
        late = HybridBreaker(redis=server.url, defaults=CONFIG)
        late.circuit(KEY)  # in a route's code, say: before it starts
        async with late:
            await settled(late)
            await succeed(late, KEY)
            await fail(b, KEY, 1)
            await until(lambda: run_of(server) < 2)
            assert [one.state(KEY) for one in (a, b, late)] == ["CLOSED"] * 3


async def test_the_first_failures_of_a_newcomer_are_added(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, newcomer):
        await known(server, a)
        await fail(a, KEY, 2)
        await until(lambda: run_of(server) == 2)
        await fail(newcomer, KEY, 1)
        await until(lambda: a.state(KEY) == newcomer.state(KEY) == "OPEN")


async def test_a_first_use_without_a_run_costs_two_commands_and_nothing_after_it(
    server: Server,
) -> None:
    async with fleet(server, 1, CONFIG) as (a,):
        a.circuit("other")
        await settled(a)
        set_next_heartbeat(session_of(a).exchange, float("inf"))  # type: ignore[union-attr]
        before = server.commands()
        await succeed(a, KEY)
        await settled(a)
        await until(lambda: server.commands() > before + 2)
        after = server.commands()
        assert after - before <= 4  # and the time with each of them
        await succeed(a, KEY, 500)
        await settled(a)
        assert server.commands() == after


# -- what clients of the basic format have counted ----------------------------------------------


def written(server: Server, *, over_ours: bool, failures: int = 3) -> None:
    """Write to the hash what a basic client has counted; its messages were before our time."""
    plain = {"state": "CLOSED", "failures": str(failures), "successes": "0", "nextAttempt": "0"}
    assert server.ask.exists(f"circuit:{KEY}") == over_ours
    server.ask.hset(f"circuit:{KEY}", mapping=plain)


@pytest.mark.parametrize("over_ours", [False, True])
async def test_failures_that_a_basic_client_has_counted_before_are_added_on_first_use(
    server: Server, over_ours: bool
) -> None:
    async with fleet(server, 2, FIVE) as (a, newcomer):
        if over_ours:
            await known(server, a)
        written(server, over_ours=over_ours)
        await fail(newcomer, KEY, 2)
        await until(lambda: newcomer.state(KEY) == "OPEN")
        assert newcomer.circuit(KEY).history()[-1].evidence.failures == 5


async def test_a_success_on_first_use_comes_after_what_a_basic_client_had_counted(
    server: Server,
) -> None:
    async with fleet(server, 2, FIVE) as (a, newcomer):
        a.circuit(KEY)
        written(server, over_ours=False)
        await succeed(newcomer, KEY)
        await settled(newcomer)
        await fail(newcomer, KEY, 2)
        await until(lambda: run_of(server) == 2)
        await fail(newcomer, KEY, 2)
        await until(lambda: run_of(server) == 4)
        assert newcomer.state(KEY) == "CLOSED"


async def test_failures_of_a_basic_client_alone_open_nothing_on_first_use(server: Server) -> None:
    written(server, over_ours=False, failures=50)
    async with fleet(server, 1, FIVE) as (a,):
        await fail(a, KEY, 1)
        await until(lambda: a.state(KEY) == "OPEN")  # with one of ours they are fifty-one
        await a.reset(KEY)
        assert a.state(KEY) == "CLOSED"
        await succeed(a, KEY)
    async with fleet(server, 1, FIVE) as (b,):
        written(server, over_ours=True, failures=50)
        await succeed(b, KEY)
        await settled(b)
        assert b.state(KEY) == "CLOSED"


# -- moved by hand ------------------------------------------------------------------------------


def newcomer_beside(server: Server) -> tuple[Companion, Companion]:
    """One that has begun a run of two, and one that has never used the circuit."""
    a, b = (Companion(server, name, failure_threshold=3) for name in ("aaaa", "bbbb"))
    a.reset()
    a.send()
    server.ask.hincrby(f"circuit:{KEY}", "at", -5_000)  # some time ago
    for _ in range(2):
        a.call(Outcome.FAILURE)
    together(a, b, seconds=1.0)
    return a, b


def first_use(player: Companion) -> None:
    """As the breaker does it with the first call."""
    now = player.clock()
    FleetSide(player.circuit).listen(1.0)
    player.exchange.read(player.circuit.key, now)


def test_a_report_waits_for_the_version_that_it_is_to_be_counted_under(server: Server) -> None:
    a, b = newcomer_beside(server)
    first_use(b)
    b.call(Outcome.FAILURE)
    b.clock.advance(0.2)  # a slow link: the report is due before the hash is known
    sent = b.take()
    assert [one.kind for one in sent if one.kind in {"read", "report"}] == ["read"]
    b.answer(sent, b.deliver(sent))
    together(a, b, seconds=0.6)
    assert a.state == b.state == "OPEN"
    a.close()
    b.close()


@pytest.mark.parametrize("answer", [[None] * 3, ["no list"], None])
def test_a_report_waits_no_longer_where_the_first_answer_is_none(
    server: Server, answer: Any
) -> None:
    a, b = newcomer_beside(server)
    first_use(b)
    b.call(Outcome.FAILURE)
    b.clock.advance(0.2)
    sent = b.take()
    answers = b.deliver(sent)
    answers[[one.kind for one in sent].index("read")] = answer
    b.answer(sent, answers)
    b.clock.advance(0.2)
    assert "report" in [one.kind for one in b.take()]
    a.close()
    b.close()


def test_a_newcomer_objects_to_a_run_that_was_found_long_enough_before_it_could_hear(
    server: Server,
) -> None:
    a, b = newcomer_beside(server)
    c = Companion(server, "cccc", failure_threshold=3)
    c.exchange.read(c.circuit.key)
    c.send()
    first_use(b)
    b.call()  # a success, before anything was heard
    b.clock.advance(0.5)
    c.call(Outcome.FAILURE)
    c.clock.advance(0.06)
    c.send()  # the third: the run is suspect, and b hears nothing of it
    b.arrived()
    for _ in range(3):
        b.send()
        b.clock.advance(0.03)
    together(a, b, c, seconds=0.5)
    assert [one.state for one in (a, b, c)] == ["CLOSED"] * 3
    assert run_of(server) == 1
    for one in (a, b, c):
        one.close()


# -- what is read -------------------------------------------------------------------------------

NOW = 1_790_000_000.0
SECOND_AGO = f"{round((NOW - 1) * 1e6)}:aaaa".encode()
HOURS_AGO = f"{round((NOW - 7200) * 1e6)}:aaaa".encode()


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([None, None, None, None], None),
        ([b"5|a", None, b"0:0", b"0"], None),
        ([b"5|b", SECOND_AGO, None, None], None),  # about another state
        ([b"5|a", SECOND_AGO, None, b"0"], (1.0, False)),
        ([b"5|a", SECOND_AGO + b" " + SECOND_AGO, b"0:0", b"5"], (1.0, False)),
        ([b"5|a", HOURS_AGO, None, b"0"], None),
        ([b"5|a", HOURS_AGO + b" " + SECOND_AGO, None, b"0"], (1.0, False)),
        ([b"5|a", b"", b"3:%d" % round((NOW - 2) * 1e6), b"0"], (2.0, False)),
        ([b"5|a", SECOND_AGO, None, b"%d" % round((NOW - 0.2) * 1000)], (1.0, True)),
        ([b"5|a", SECOND_AGO, None, b"%d" % round((NOW - 9) * 1000)], (1.0, False)),
        ([b"5|a", b"soon:a", None, None], None),  # what is malformed is not there
        ([b"5|a", b"9" * 40, None, None], None),
        ([b"5|a", b"soon:a " + SECOND_AGO, None, None], (1.0, False)),
    ],
    ids=range(13),
)
def test_a_run_is_read_as_the_script_keeps_it(answer: Any, found: Any) -> None:
    run = parse_run(answer, (5, "a"), NOW)
    expected = None if found is None else RunUnderWay(pytest.approx(found[0]), found[1])
    assert run == expected


@pytest.mark.parametrize(
    "answer",
    [None, [], [b"5|a"] * 3],
    ids=range(3),
)
def test_a_run_that_is_none_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedError):
        parse_run(answer, (5, "a"), time.time())


# -- after a reset by this very process -----------------------------------------------------------


async def test_a_trip_right_after_a_reset_of_a_key_not_used_before_is_not_lost(
    server: Server,
) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        await a.reset(KEY)  # which makes no circuit
        await fail(a, KEY, 3)
        await until(lambda: b.state(KEY) == "OPEN")
        await settled(a, b)
        assert [one.state(KEY) for one in (a, b)] == ["OPEN", "OPEN"]
        assert [change.new for change in a.circuit(KEY).history()] == ["OPEN"]


async def test_failures_right_after_a_reset_of_a_key_not_used_before_count(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        await a.reset(KEY)
        await fail(a, KEY, 2)
        await until(lambda: a.stats(KEY).version > 0)
        assert a.stats(KEY).failures == 2
        await fail(a, KEY, 1)
        await until(lambda: b.state(KEY) == "OPEN")
        assert a.state(KEY) == "OPEN"
