"""How long openings last, one after the other."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import Backoff, CircuitConfig
from fastapi_hybrid_breaker.core.machine import Machine
from fastapi_hybrid_breaker.core.opening import open_seconds

from .machines import CLOSED, FAILURE, HALF_OPEN, OPEN, SUCCESS, admit, run

STEADY = Backoff(multiplier=2.0, maximum=100.0, jitter=0.0)


def make(random: Any = None, **settings: Any) -> Machine:
    defaults = {"failure_threshold": 1, "success_threshold": 1, "recovery_timeout": 10.0}
    return Machine("k", CircuitConfig(**(defaults | settings)), random)


def fail_again(machine: Machine, now: float) -> float:
    """Wait for the end of the open time, fail the probe, and give the time that follows."""
    run(machine, FAILURE, now)
    assert machine.state is OPEN
    return machine.retry_after(now)


def test_each_opening_in_a_row_lasts_longer_up_to_the_maximum() -> None:
    machine, now, lengths = make(backoff=STEADY), 0.0, []
    for _ in range(6):
        lengths.append(fail_again(machine, now))
        now += lengths[-1]
    assert lengths == [10.0, 20.0, 40.0, 80.0, 100.0, 100.0]
    assert machine.reopenings == 5


def test_without_a_backoff_every_opening_is_as_long_as_the_first() -> None:
    machine, now = make(), 0.0
    for _ in range(4):
        assert fail_again(machine, now) == 10.0
        now += 10.0


@pytest.mark.parametrize(("closed_for", "length"), [(9.9, 20.0), (10.0, 10.0), (60.0, 10.0)])
def test_a_close_that_lasted_ends_the_row(closed_for: float, length: float) -> None:
    machine = make(backoff=STEADY)
    run(machine, FAILURE, 0.0)
    run(machine, SUCCESS, 10.0)
    assert machine.state is CLOSED
    assert fail_again(machine, 10.0 + closed_for) == length


def test_how_long_a_close_must_last_can_be_set() -> None:
    machine = make(backoff=Backoff(jitter=0.0, reset_after=300.0))
    run(machine, FAILURE, 0.0)
    run(machine, SUCCESS, 10.0)
    assert fail_again(machine, 309.0) == 20.0


def test_a_reset_ends_the_row() -> None:
    machine = make(backoff=STEADY)
    run(machine, FAILURE, 0.0)
    run(machine, FAILURE, 10.0)
    machine.reset(11.0)
    assert fail_again(machine, 11.5) == 10.0


@given(st.integers(0, 2**32), st.floats(0.0, 0.99), st.integers(0, 5000))
def test_jitter_stays_within_its_share_and_the_maximum(
    seed: int, jitter: float, reopenings: int
) -> None:
    backoff = Backoff(multiplier=2.0, maximum=100.0, jitter=jitter)
    config = CircuitConfig(recovery_timeout=10.0, backoff=backoff)
    seconds = open_seconds(config, reopenings, None, Random(seed).random)
    middle = min(10.0 * 2.0 ** min(reopenings, 10), 100.0)
    assert middle * (1 - jitter) - 1e-9 <= seconds <= min(middle * (1 + jitter) + 1e-9, 100.0)


def test_the_same_seed_gives_the_same_times() -> None:
    def lengths(seed: int) -> list[float]:
        machine, now, found = make(Random(seed).random, backoff=Backoff(jitter=0.5)), 0.0, []
        for _ in range(5):
            found.append(fail_again(machine, now))
            now += found[-1]
        return found

    assert lengths(7) == lengths(7)
    assert lengths(7) != lengths(8)


@pytest.mark.parametrize(
    ("asked", "limits", "length"),
    [
        (17.0, (1.0, 300.0), 17.0),
        (0.0, (1.0, 300.0), 1.0),
        (1e9, (1.0, 300.0), 300.0),
        (17.0, None, 10.0),
        (None, (1.0, 300.0), 10.0),
    ],
)
def test_what_the_dependency_asks_for_is_kept_within_limits(
    asked: float | None, limits: tuple[float, float] | None, length: float
) -> None:
    machine = make(retry_after_limits=limits)
    machine.settle(admit(machine), FAILURE, 0.0, asked=asked)
    assert machine.retry_after(0.0) == length


def test_what_it_asks_for_on_another_failure_does_not_matter() -> None:
    machine = make(failure_threshold=2)
    machine.settle(admit(machine), FAILURE, 0.0, asked=17.0)
    machine.settle(admit(machine), FAILURE, 0.0)
    assert machine.retry_after(0.0) == 10.0


def test_half_open_for_too_long_it_opens_again_with_the_next_call() -> None:
    machine = make(
        half_open_maximum=30.0, success_threshold=2, half_open_timeout=5.0, backoff=STEADY
    )
    run(machine, FAILURE, 0.0)
    run(machine, SUCCESS, 10.0)
    assert machine.admit(39.9)[0] is not None
    ticket, change = machine.admit(40.0)
    assert ticket is None
    assert change is not None
    assert (change.old, change.new, change.cause) == (HALF_OPEN, OPEN, "half_open_expired")
    assert machine.retry_after(40.0) == 20.0
