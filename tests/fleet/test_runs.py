"""Runs of failures that several instances meet, on a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.fleet import evidence_merger
from fastapi_hybrid_breaker.fleet.commands import report_command
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.scripts import load
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import FleetSide

from .instances import cut_off, fail, fleet, hush, settled, succeed, until
from .sessions import (
    confirmation_of,
    failures_of_basic_clients,
    is_confirmation_planned,
    report_number,
    session_of,
    set_report_number,
)
from .speaker import PlainSpeaker

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"
CONFIG = CircuitConfig(failure_threshold=5, recovery_timeout=30.0)


def know(*breakers: HybridBreaker) -> None:
    for breaker in breakers:
        breaker.circuit(KEY)


def run_of(server: Server) -> list[str]:
    """The failures that the fleet counts."""
    kept = server.ask.hget("circuit#evidence:{circuit:inventory-api}", ":run")
    return str(kept or "").split()


def untold(*breakers: HybridBreaker) -> list[int]:
    """Failures of each that wait to be told."""
    contributions = [inside.of(breaker.circuit(KEY)).shared_run for breaker in breakers]
    return [0 if one is None else len(one.untold) for one in contributions]


async def told(*breakers: HybridBreaker) -> None:
    """Wait until each has told its failures and has been answered."""
    await until(lambda: not any(untold(*breakers)), "all failures are told")
    await settled(*breakers)


async def test_three_failures_here_and_two_there_open_everywhere(server: Server) -> None:
    async with fleet(server, 3, CONFIG) as (a, b, c):
        know(a, b, c)
        await settled(a, b, c)
        await fail(a, KEY, times=3)
        await fail(b, KEY, times=2)
        for breaker in (a, b, c):
            await until(lambda b=breaker: b.state(KEY) == "OPEN")
        evidence = c.circuit(KEY).history()[-1].evidence
        assert evidence.rule == "5 failures in a row, in the whole fleet"
        assert evidence.failures == 5
        assert evidence.error == "ConnectionError"


async def test_five_instances_that_fail_once_at_the_same_moment_open_it(server: Server) -> None:
    async with fleet(server, 5, CONFIG) as breakers:
        know(*breakers)
        await settled(*breakers)
        await asyncio.gather(*(fail(breaker, KEY, times=1) for breaker in breakers))
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "OPEN")
        await settled(*breakers)
        versions = {breaker.stats(KEY).version for breaker in breakers}
        assert versions == {int(server.hash(KEY)["version"])}


async def test_a_success_of_another_instance_ends_the_run(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        know(a, b)
        await settled(a, b)
        await fail(a, KEY, times=3)
        await until(lambda: len(run_of(server)) == 3)
        await until(
            lambda: inside.of(b.circuit(KEY)).tracks_successes,
            "b knows that a run is under way",
        )
        await succeed(b, KEY)
        await fail(b, KEY, times=2)
        await until(lambda: len(run_of(server)) == 2, "b's success took a's failures out")
        await settled(a, b)
        assert a.state(KEY) == b.state(KEY) == "CLOSED"
        await fail(a, KEY, times=2)  # its own run is five by now
        await until(lambda: a.state(KEY) == b.state(KEY) == "OPEN")


async def test_an_own_success_in_between_ends_the_run_of_all(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        know(a, b)
        await settled(a, b)
        await fail(a, KEY, times=3)
        await until(lambda: len(run_of(server)) == 3)
        await succeed(a, KEY)
        await until(lambda: run_of(server) == [])
        await until(lambda: not inside.of(b.circuit(KEY)).shared_run.has_told)
        await fail(b, KEY, times=4)
        await until(lambda: len(run_of(server)) == 4)
        assert a.state(KEY) == b.state(KEY) == "CLOSED"


async def test_who_had_a_success_since_objects_and_nothing_opens(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_merger, "TO_OBJECT", 2.0)  # machines can be busy
    async with fleet(server, 3, CONFIG) as (a, b, c):
        know(a, b, c)
        await settled(a, b, c)
        await fail(a, KEY, times=3)
        await until(lambda: len(run_of(server)) == 3)
        await until(
            lambda: inside.of(c.circuit(KEY)).tracks_successes,
            "c knows that a run is under way",
        )
        await succeed(c, KEY)  # tells nobody: it contributed nothing
        assert len(run_of(server)) == 3
        await fail(b, KEY, times=2)
        await until(lambda: len(run_of(server)) == 5, "the run is long enough")
        await until(lambda: len(run_of(server)) < 5, "the objection arrived")
        await told(a, b, c)
        for breaker in (a, b):
            exchange = session_of(breaker).exchange
            await until(
                lambda e=exchange: not is_confirmation_planned(e, KEY),
                "nobody asks to open any more",
            )
        assert {breaker.state(KEY) for breaker in (a, b, c)} == {"CLOSED"}


async def test_a_failure_that_a_success_follows_at_once_is_nobody_elses_business(
    server: Server,
) -> None:
    async with fleet(server, 1, CONFIG) as (a,):
        know(a)
        await succeed(a, KEY)
        await settled(a)
        hush(a)
        before = server.commands()
        for _ in range(100):
            await fail(a, KEY, times=1)
            await succeed(a, KEY)
        await settled(a)
        assert server.commands() == before


async def test_a_report_whose_answer_got_lost_is_counted_once(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        know(a, b)
        await settled(a, b)
        session = session_of(a)
        await fail(a, KEY, times=2)
        await until(lambda: len(run_of(server)) == 2)
        await told(a)
        # The same report again, as after an answer that did not come.
        report = report_number(session.exchange)
        await fail(a, KEY, times=1)
        await until(lambda: len(run_of(server)) == 3)
        # The next one has a number that the server has seen.
        set_report_number(session.exchange, report)
        await fail(a, KEY, times=1)
        await told(a)
        assert len(run_of(server)) == 3


async def test_a_run_of_another_state_of_the_circuit_is_forgotten(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        know(a, b)
        await settled(a, b)
        await fail(a, KEY, times=4)
        await until(lambda: len(run_of(server)) == 4)
        await b.reset(KEY)
        await until(lambda: a.stats(KEY).version == b.stats(KEY).version > 0)
        await fail(b, KEY, times=1)
        await until(lambda: len(run_of(server)) == 1)
        assert a.state(KEY) == b.state(KEY) == "CLOSED"


def age_run(server: Server, *ages: float) -> None:
    """Make the failures that the fleet counts so many seconds old, the oldest first."""
    seconds, us = server.ask.time()
    now = seconds * 1_000_000 + us
    entries = [f"{now - round(age * 1e6)}:{one.partition(':')[2]}"
               for age, one in zip(ages, run_of(server), strict=True)]  # fmt: skip
    server.ask.hset("circuit#evidence:{circuit:inventory-api}", ":run", " ".join(entries))


async def test_failures_of_over_an_hour_ago_leave_the_run_one_by_one(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        know(a, b)
        await settled(a, b)
        await fail(a, KEY, times=4)
        await until(lambda: len(run_of(server)) == 4)
        age_run(server, 3700.0, 3601.0, 3500.0, 1.0)
        await fail(b, KEY, times=1)
        await until(lambda: len(run_of(server)) == 3, "two of five have left")
        await told(a, b)
        assert a.state(KEY) == b.state(KEY) == "CLOSED"
        await fail(b, KEY, times=2)
        await until(lambda: a.state(KEY) == b.state(KEY) == "OPEN", "three here and two there")


async def test_a_run_that_has_grown_old_is_not_confirmed(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        know(a, b)
        await settled(a, b)
        await fail(a, KEY, times=4)
        await until(lambda: len(run_of(server)) == 4)
        session = session_of(a)
        request = confirmation_of(session.exchange, a.circuit(KEY))
        keys, arguments = request.command[3:5], list(request.command[5:])
        arguments[8], arguments[15] = 4, 0  # a threshold that is reached, and nobody may object
        evidence = "circuit#evidence:{circuit:inventory-api}"
        text = load("evidence.lua").text
        server.ask.hset(evidence, ":suspect", str(server.ask.time()[0] * 1000 - 1000))
        assert server.ask.eval(text, 2, *keys, *arguments)[0] == "confirmed"
        age_run(server, 3700.0, 3601.0, 3500.0, 1.0)
        assert server.ask.eval(text, 2, *keys, *arguments)[0] == "refused"


async def test_what_an_instance_tells_an_hour_later_does_not_count(server: Server) -> None:
    clock = ManualClock()
    async with fleet(server, 1, CONFIG, clock=clock) as (a,), fleet(server, 1, CONFIG) as (b,):
        know(a, b)
        await settled(a, b)
        await cut_off(a)
        await fail(a, KEY, times=3)
        clock.advance(3601.0)
        await fail(a, KEY, times=1)
        report = FleetSide(a.circuit(KEY)).take_report(collecting=False)
        assert report is not None
        command = report_command(
            "report", Names("circuit"), "aaaa", KEY, version=0, writer="", threshold=5,
            number=1, report=report, now=clock(),
        )  # fmt: skip
        text = load("evidence.lua").text
        assert server.ask.eval(text, 2, *command[3:])[1] == "1"
        assert len(run_of(server)) == 1


async def test_failures_that_a_plain_speaker_counted_an_hour_ago_do_not_count(
    server: Server,
) -> None:
    async with fleet(server, 1, CONFIG) as (a,):
        know(a)
        await settled(a)
        await fail(a, KEY, times=1)
        await until(lambda: len(run_of(server)) == 1)
        us = (server.ask.time()[0] - 3601) * 1_000_000
        server.ask.hset("circuit#evidence:{circuit:inventory-api}", ":plain", f"4:{us}")
        await fail(a, KEY, times=1)
        await until(lambda: len(run_of(server)) == 2)
        await told(a)
        assert a.state(KEY) == "CLOSED"
        assert not server.ask.hget("circuit#evidence:{circuit:inventory-api}", ":suspect").strip(
            "0"
        )


async def test_failures_of_plain_speakers_count_in_the_run(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        know(a, b)
        await settled(a, b)
        speaker = PlainSpeaker(server)
        for failures in (1, 2, 3):
            speaker.say("CLOSED", failures=failures)
        await until(lambda: KEY in failures_of_basic_clients(session_of(a)))
        assert run_of(server) == []  # as long as none of ours fails, it costs nothing
        await fail(a, KEY, times=2)
        await until(lambda: a.state(KEY) == b.state(KEY) == "OPEN")


async def test_a_success_of_a_plain_speaker_ends_the_run(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        know(a, b)
        await settled(a, b)
        await fail(a, KEY, times=3)
        await until(lambda: len(run_of(server)) == 3)
        PlainSpeaker(server).say("CLOSED")
        await until(lambda: run_of(server) == [])
        await fail(b, KEY, times=2)
        await told(b)
        assert a.state(KEY) == b.state(KEY) == "CLOSED"


async def test_a_key_whose_braces_leave_no_other_name_counts_runs_too(server: Server) -> None:
    for key in ("a}b", "/stock/{sku}", "{tag}/price"):
        async with fleet(server, 2, CONFIG) as (a, b):
            for breaker in (a, b):
                breaker.circuit(key)
            await settled(a, b)
            await fail(a, key, times=3)
            await fail(b, key, times=2)
            await until(lambda a=a, b=b, k=key: a.state(k) == b.state(k) == "OPEN", key)
            await a.reset(key)
            await until(lambda b=b, k=key: b.state(k) == "CLOSED")
            assert server.ask.ttl(f"circuit:{key}") > 0


async def test_forty_failing_instances_send_no_more_than_a_few_messages(server: Server) -> None:
    config = CircuitConfig(failure_threshold=400, recovery_timeout=30.0)
    async with fleet(server, 20, config) as breakers:
        know(*breakers)
        await settled(*breakers)
        hush(*breakers)
        server.ask.config_resetstat()
        for _ in range(10):
            await asyncio.gather(*(fail(breaker, KEY, times=1) for breaker in breakers))
        await told(*breakers)
        assert len(run_of(server)) == 200
        stats = server.ask.info("commandstats")
        # One report of each instance in each tenth of a second at most, and its time once.
        assert stats["cmdstat_evalsha"]["calls"] <= 20 * 10
        assert stats["cmdstat_publish"]["calls"] <= 10
