"""A machine with rules that look back, and the evidence of what it decides."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CountWindow,
    Evidence,
    FailureRate,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.core.error_text import describe_error
from fastapi_hybrid_breaker.core.probe import Probe

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
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
SLOW = SlowCallRate(0.5, slower_than=2.0, window=TimeWindow(10.0), minimum_calls=2)


def make(*rules: Any, **settings: Any) -> Machine:
    return Machine("k", CircuitConfig(trip=rules, recovery_timeout=60.0, **settings))


def slow_run(machine: Machine, outcome: Any, seconds: float, now: float = 0.0) -> Any:
    return machine.settle(admit(machine, now), outcome, now, seconds=seconds)


def test_a_run_of_failures_does_not_open_a_circuit_with_a_rate_alone() -> None:
    machine = make(FailureRate(1.0, window=CountWindow(100), minimum_calls=50))
    for _ in range(49):
        assert run(machine, FAILURE) is None
    assert run(machine, FAILURE) is not None


def test_successes_between_failures_do_not_hide_a_rate() -> None:
    machine = make(HALF)
    changes = [run(machine, outcome) for outcome in (FAILURE, SUCCESS, SUCCESS, FAILURE)]
    assert changes[:3] == [None, None, None]
    assert machine.state is OPEN


def test_every_success_is_counted() -> None:
    machine = make(HALF)
    assert machine.counts_successes is True
    run(machine, SUCCESS)
    assert machine.counts_successes is True
    assert machine.meter.rates(0.0).calls == 1


@pytest.mark.parametrize("how", ["reset", "fleet", "recovery"])
def test_each_change_of_state_begins_with_an_empty_window(how: str) -> None:
    machine = make(HALF, success_threshold=1)
    for _ in range(3):
        run(machine, FAILURE)
    if how == "reset":
        machine.reset(1.0)
    elif how == "fleet":
        machine.adopt(news(5, CLOSED), 1.0)
    else:
        run(machine, FAILURE)
        run(machine, SUCCESS, 60.0)
    assert machine.state is CLOSED
    assert run(machine, FAILURE, 61.0) is None
    assert machine.meter.rates(61.0).calls == 1


def test_a_late_result_is_in_no_window() -> None:
    machine = make(HALF)
    late = admit(machine)
    machine.reset(1.0)
    machine.settle(late, FAILURE, 2.0)
    assert machine.meter.rates(2.0).calls == 0


def test_slow_calls_open_it_whatever_came_of_them() -> None:
    for outcome in (SUCCESS, FAILURE, NOT_COUNTED):
        machine = make(SLOW)
        assert slow_run(machine, outcome, 2.1) is None
        change = slow_run(machine, outcome, 2.1)
        assert change is not None
        assert change.cause == "slow_calls"


def test_a_call_as_long_as_the_limit_is_not_slow_and_one_not_measured_neither() -> None:
    machine = make(SLOW)
    for _ in range(9):
        slow_run(machine, SUCCESS, 2.0)
        run(machine, SUCCESS)
    assert machine.meter.rates(0.0).slow == 0.0


@pytest.mark.parametrize("outcome", [SUCCESS, NOT_COUNTED])
def test_a_slow_probe_opens_the_circuit_again(outcome: Any) -> None:
    machine = make(SLOW)
    for _ in range(2):
        slow_run(machine, FAILURE, 3.0)
    first = probe(machine, 60.0)
    change = machine.settle(first, outcome, 60.0, seconds=2.5)
    assert change is not None
    assert (change.new, change.cause) == (OPEN, "probe_failed")
    assert change.evidence.rule == "a probe took over 2 s"


class Seen:
    def __init__(self, *, is_well: bool) -> None:
        self.is_well = is_well

    def looks_healthy(self) -> bool:
        return self.is_well


def test_a_probe_that_goes_well_at_its_deadline_is_a_success() -> None:
    machine, first = half_open(success_threshold=2, half_open_timeout=5.0)
    first.watcher = Seen(is_well=True)
    second = probe(machine, 60.0)
    second.watcher = Seen(is_well=True)
    ticket, change = machine.admit(65.0)
    assert change is not None
    assert (change.new, change.cause) == (CLOSED, "probes_succeeded")
    assert ticket == machine.free_permit
    assert machine.settle(first, FAILURE, 66.0) is None  # it was settled


def test_a_probe_that_does_not_only_loses_its_place() -> None:
    machine, first = half_open(success_threshold=1, half_open_timeout=5.0)
    first.watcher = Seen(is_well=False)
    ticket, change = machine.admit(65.0)
    assert isinstance(ticket, Probe)
    assert (machine.state, machine.successes, change) == (HALF_OPEN, 0, None)
    assert machine.settle(first, SUCCESS, 66.0) is not None  # late, and in its own generation


# -- evidence --------------------------------------------------------------------------------------


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


def test_other_changes_show_their_cause() -> None:
    machine, first = half_open()
    assert machine.evidence == Evidence(cause="timeout", failures=5)
    change = machine.settle(first, FAILURE, 60.0, error="status 503")
    assert change is not None
    assert (change.evidence.rule, change.evidence.error) == ("a probe failed", "status 503")
    reset = machine.reset(61.0)
    assert reset is not None
    assert reset.evidence.cause == "reset"


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
        (Silent(), "Silent (its text cannot be had)"),
    ],
    ids=repr,
)
def test_an_error_is_told_by_type_and_text_on_one_line_and_cut(error: object, text: str) -> None:
    assert describe_error(error) == text
