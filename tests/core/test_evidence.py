"""The evidence of each kind of change: what it was decided on, in figures and words."""

from __future__ import annotations

import itertools
from asyncio import CancelledError
from dataclasses import replace

import pytest

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CountWindow,
    Evidence,
    FailureRate,
    SlowCallRate,
)
from fastapi_hybrid_breaker.core.error_text import describe_error

from .machines import (
    FAILURE,
    NOT_COUNTED,
    OPEN,
    SUCCESS,
    Machine,
    admit,
    half_open,
    news,
    probe,
    run,
)

HALF = FailureRate(0.5, window=CountWindow(10), minimum_calls=4)
SLOW = SlowCallRate(0.5, slower_than=2.0, minimum_calls=2)


def make(*rules: FailureRate | SlowCallRate) -> Machine:
    return Machine("k", CircuitConfig(trip=rules))


def test_a_trip_by_a_rate_shows_the_window() -> None:
    machine = make(HALF, SLOW)
    for outcome in (SUCCESS, SUCCESS, FAILURE):
        run(machine, outcome)
    change = machine.settle(admit(machine), FAILURE, 0.0, error=ValueError("no stock"))
    assert change is not None
    assert change.evidence == Evidence(
        cause="failures",
        rule=str(HALF),
        failures=2,
        window="last 10 calls",
        calls=4,
        failed=2,
        slow=0,
        error="ValueError: no stock",
    )


def test_a_trip_by_a_run_shows_the_run() -> None:
    machine = Machine("k", CircuitConfig(failure_threshold=2))
    run(machine, FAILURE)
    change = run(machine, FAILURE)
    assert change is not None
    assert change.evidence == Evidence(cause="failures", rule="2 failures in a row", failures=2)


def test_a_trip_by_slow_calls_shows_those_that_were_given_up_too() -> None:
    machine = make(SLOW)
    machine.settle(admit(machine), NOT_COUNTED, 0.0, seconds=9.0)
    change = machine.settle(admit(machine), SUCCESS, 0.0, seconds=3.0)
    assert change is not None
    assert change.evidence == Evidence(
        cause="slow_calls", rule=str(SLOW), window="last 10 s", calls=2, slow=2
    )


def test_a_trip_shows_the_error_of_the_call_that_tripped_it() -> None:
    machine = Machine("k", CircuitConfig(failure_threshold=2))
    machine.settle(admit(machine), FAILURE, 0.0, error=KeyError("first"))
    change = machine.settle(admit(machine), FAILURE, 0.0, error="status 503")
    assert change is not None
    assert change.evidence.error == "status 503"


def test_the_end_of_the_open_time_shows_the_run_that_opened_the_circuit() -> None:
    machine, _ = half_open(failure_threshold=5)
    assert machine.evidence == Evidence(cause="timeout", failures=5)


def test_a_failed_probe_shows_its_error_and_continues_the_run() -> None:
    machine, first = half_open(success_threshold=3, failure_threshold=5)
    run(machine, SUCCESS, 60.0)
    change = machine.settle(first, FAILURE, 60.0, error="status 503")
    assert change is not None
    assert change.evidence == Evidence(
        cause="probe_failed", rule="a probe failed", failures=6, successes=1, error="status 503"
    )


def test_a_slow_probe_shows_the_limit_it_broke() -> None:
    machine = make(SLOW)
    for _ in range(2):
        machine.settle(admit(machine), SUCCESS, 0.0, seconds=3.0)
    change = machine.settle(probe(machine, 60.0), SUCCESS, 60.0, seconds=2.5)
    assert change is not None
    assert (change.evidence.cause, change.evidence.rule) == (
        "probe_failed",
        "a probe took over 2 s",
    )


def test_a_recovery_shows_the_probes_that_brought_it_about() -> None:
    machine, first = half_open(success_threshold=2)
    run(machine, SUCCESS, 60.0)
    change = machine.settle(first, SUCCESS, 60.0)
    assert change is not None
    assert change.evidence == Evidence(cause="probes_succeeded", failures=5, successes=2)


def test_probing_for_too_long_and_a_reset_show_no_more_than_their_cause() -> None:
    machine, _ = half_open(half_open_max_duration=30.0, failure_threshold=1)
    _, expired = machine.admit(90.0)
    assert expired is not None
    assert expired.evidence == Evidence(cause="half_open_expired", failures=1)
    reset = machine.reset(91.0)
    assert reset is not None
    assert reset.evidence == Evidence(cause="reset", failures=1)


def test_a_change_elsewhere_shows_what_was_decided_on_there() -> None:
    machine = make(HALF)
    there = Evidence(cause="slow_calls", rule="some rule", calls=20, slow=11)
    change = machine.adopt(replace(news(5, OPEN), evidence=there), 0.0)
    assert change is not None
    assert (change.cause, change.evidence, change.instance) == ("fleet", there, "w")
    assert machine.describe(0.0).evidence == there


def test_a_failed_probe_elsewhere_is_a_change_though_nobody_told_of_half_open() -> None:
    machine = make(HALF)
    machine.adopt(replace(news(5, OPEN), evidence=Evidence(cause="failures")), 0.0)
    again = replace(news(6, OPEN), evidence=Evidence(cause="probe_failed"))
    change = machine.adopt(again, 1.0)
    assert change is not None
    assert (change.old, change.new, change.cause) == ("HALF_OPEN", "OPEN", "fleet")
    assert (change.evidence, change.instance) == (again.evidence, "w")
    assert machine.adopt(again, 2.0) is None
    # What only lasts longer is no change.
    later = replace(news(7, OPEN), evidence=Evidence(cause="failures"))
    assert machine.adopt(later, 3.0) is None


def test_a_change_elsewhere_that_was_not_explained_is_the_fleets() -> None:
    change = make(HALF).adopt(news(5, OPEN), 0.0)
    assert change is not None
    assert change.evidence == Evidence(cause="fleet")


def test_the_fleet_is_told_the_evidence_of_the_last_change() -> None:
    machine = make(HALF)
    for _ in range(4):
        change = run(machine, FAILURE)
    assert change is not None
    proposal = machine.propose(0.0)
    assert proposal is not None
    assert proposal.evidence is change.evidence


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, ""),
        ("status 503", "status 503"),
        (ValueError("x"), "ValueError: x"),
        (ValueError(), "ValueError"),
        (ValueError("a\nb\x1b[31m"), "ValueError: a b [31m"),
        (ValueError("x" * 500), ("ValueError: " + "x" * 500)[:200]),
        (ValueError("x" * 188 + "\n"), "ValueError: " + "x" * 188),
        (ValueError("\ud800\u2028\x00 é"), "ValueError:     é"),
        (type("E" * 300, (Exception,), {})(), "E" * 200),
        ("status\r\n503", "status  503"),
        (Silent(), "Silent (its text cannot be had)"),
        (CancelledError(), "CancelledError"),
    ],
    ids=itertools.count(),  # texts of any kind do not make names of tests
)
def test_an_error_is_told_by_type_and_text_on_one_line_and_cut(error: object, text: str) -> None:
    assert describe_error(error) == text


def test_an_error_that_hides_its_text_opens_the_circuit_all_the_same() -> None:
    machine = Machine("k", CircuitConfig(failure_threshold=1))
    change = machine.settle(admit(machine), FAILURE, 0.0, error=Silent())
    assert change is not None
    assert change.evidence.error == "Silent (its text cannot be had)"
