"""What travels with a change besides the state: why, how often, and for how long."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import (
    Backoff,
    CircuitConfig,
    CircuitState,
    Evidence,
    FailureRate,
    StateChange,
    TimeWindow,
)
from fastapi_hybrid_breaker.core.states import Cause, Outcome
from fastapi_hybrid_breaker.fleet.commands import LARGEST_WHY, dump_evidence
from tests import inside

from .evidence_in_json import evidence_in, quoted_evidence
from .instances import CONFIG, fail, fleet, probe, settled, succeed, until

if TYPE_CHECKING:
    from .server import Server

pytestmark = [pytest.mark.every_server, pytest.mark.usefixtures("unhurried_answers")]

KEY = "inventory-api"
OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED


async def test_history_tells_what_another_instance_decided_and_why(server: Server) -> None:
    rule = FailureRate(0.5, window=TimeWindow(60.0), minimum_calls=4)
    async with fleet(server, defaults=CircuitConfig(trip=rule)) as (a, b):
        b.circuit(KEY)
        await succeed(a, KEY, times=2)
        await fail(a, KEY, times=2)
        await until(lambda: b.state(KEY) is OPEN)
        (change,) = b.circuit(KEY).history()
        assert (change.cause, change.instance) == (Cause.FLEET, a.sync_status().instance)
        evidence = change.evidence
        assert (evidence.cause, evidence.rule) == ("failures", str(rule))
        assert (evidence.calls, evidence.failed, evidence.window) == (4, 2, "last 60 s")
        assert evidence.error == "ConnectionError"
        assert a.circuit(KEY).history()[0].instance == a.sync_status().instance


async def test_an_instance_that_missed_the_message_reads_why_in_the_hash(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await fail(a, KEY)
        await until(lambda: server.hash(KEY))
        async with fleet(server, 1) as (late,):
            (change,) = late.circuit(KEY).history()
            assert change.evidence.rule == "3 failures in a row"


async def test_probes_that_fail_at_once_elsewhere_are_in_the_history_as_well(
    server: Server,
) -> None:
    config = CircuitConfig(failure_threshold=1, recovery_timeout=0.1)
    async with fleet(server, defaults=config) as (a, b):
        told: list[StateChange] = []
        b.circuit(KEY)
        b.on_change(told.append)
        await fail(a, KEY, times=1)
        await until(lambda: b.state(KEY) is OPEN)
        for openings in (1, 2):
            # So fast that HALF_OPEN is over before anybody can be told of it.
            await probe(a, KEY, works=False)
            await until(lambda n=openings: b.stats(KEY).reopenings == n)
        opened = [one for one in told if one.new is OPEN]
        assert tuple(told) == b.circuit(KEY).history()
        assert [(one.cause, one.evidence.cause) for one in opened] == [
            ("fleet", "failures"),
            ("fleet", "probe_failed"),
            ("fleet", "probe_failed"),
        ]
        assert {one.instance for one in opened} == {a.sync_status().instance}
        assert opened[2].old is CircuitState.HALF_OPEN


async def test_reset_is_told_apart_from_a_recovery(server: Server) -> None:
    config = CircuitConfig(failure_threshold=3, recovery_timeout=30.0, ramp_seconds=30.0)
    async with fleet(server, defaults=config) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        await a.reset(KEY)
        await until(lambda: b.state(KEY) is CLOSED)
        assert b.circuit(KEY).history()[-1].evidence.cause == "reset"
        await succeed(b, KEY, times=20)  # no share of the calls: the operator said all


async def test_all_instances_lengthen_the_open_time_together(server: Server) -> None:
    config = CircuitConfig(
        failure_threshold=1,
        recovery_timeout=0.1,
        backoff=Backoff(multiplier=100.0, maximum=600.0, jitter=0.0),
    )
    async with fleet(server, defaults=config) as (a, b):
        b.circuit(KEY)
        await fail(a, KEY, times=1)
        await until(lambda: b.state(KEY) is OPEN)
        await until(lambda: b.stats(KEY).retry_after == 0)
        await probe(b, KEY, works=False)
        await until(lambda: a.stats(KEY).reopenings == 1)
        assert 9 < a.stats(KEY).retry_after <= 10.0


async def test_all_instances_stay_open_as_long_as_the_dependency_asked_one(server: Server) -> None:
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        circuit = a.circuit(KEY)
        for _ in range(3):
            inside.settle(
                circuit, inside.admit(circuit), Outcome.FAILURE, error="status 503", asked=45.0
            )
        await until(lambda: b.state(KEY) is OPEN)
        assert 30 < b.stats(KEY).retry_after <= 45
        assert b.circuit(KEY).history()[-1].evidence.error == "status 503"


async def test_a_circuit_that_is_only_tried_out_hears_and_tells_nothing(server: Server) -> None:
    async with fleet(server, 1) as (enforcing,):
        await succeed(enforcing, KEY)
        shadow = CircuitConfig(failure_threshold=3, recovery_timeout=30.0, mode="shadow")
        async with fleet(server, 1, defaults=shadow) as (trying,):
            await fail(trying, KEY, times=5)
            assert trying.state(KEY) is OPEN
            await settled(trying)
            assert server.hash(KEY) == {}
            assert enforcing.state(KEY) is CLOSED
            await fail(enforcing, "told")
            await until(lambda: trying.state("told") is OPEN)
            await succeed(trying, "told")
            assert (trying.stats("told").rejected, trying.stats("told").shadowed) == (0, 1)


def test_evidence_comes_back_as_it_was_sent() -> None:
    evidence = Evidence(cause="failures", rule="r", calls=3, failed=2, error='"\\ü|', by="ann")
    assert quoted_evidence(dump_evidence(evidence)) == evidence
    assert quoted_evidence(dump_evidence(None)) is None


def test_evidence_is_cut_to_a_limited_size() -> None:
    long = Evidence(cause="failures", rule="r" * 800, error='"' * 200)
    text = dump_evidence(long)
    assert len(text) <= LARGEST_WHY
    assert quoted_evidence(text) == Evidence(cause="failures", rule="r" * 200)  # what others tell
    wide = Evidence(cause="failures", rule="\U0001f600" * 400, error="\U0001f600" * 200)
    assert len(dump_evidence(wide).encode()) <= 2048  # more than that, the script drops
    assert dump_evidence(replace(long, rule="r" * 2000)) == '{"cause":"failures"}'


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", '"x"', "[" * 900, '{"cause": NaN', "x" * (LARGEST_WHY + 1)],
    ids=lambda text: f"{text[:3]}{len(text)}",
)
def test_what_is_no_evidence_is_none(text: str) -> None:
    assert quoted_evidence(text) is None


def test_what_does_not_belong_into_evidence_is_dropped() -> None:
    said = {"cause": 5, "calls": True, "failed": -1, "slow": 1e99, "more": [], "error": "a\nb" * 99}
    assert evidence_in(said) == Evidence(error=("a b" * 99)[:200])
    # In a hash it counts as a whole, as for the script that quotes it in messages.
    assert quoted_evidence(json.dumps(said)) is None


async def test_evidence_spoilt_in_the_hash_does_not_stop_the_sharing(server: Server) -> None:
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        server.ask.hset(f"circuit:{KEY}", "why", '{"}')
        assert await a.override(KEY, "disabled", by="ann", reason="x", seconds=60) == "fleet"
        await until(lambda: b.state(KEY) is CLOSED)
        assert b.sync_status().dropped == 0
        assert CONFIG.mode == "enforce"
