"""How long openings last, one after the other."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import (
    Backoff,
    CircuitConfig,
    Evidence,
)
from fastapi_hybrid_breaker.core.recovery import open_seconds

from .machines import CLOSED, FAILURE, OPEN, SUCCESS, admit, news, run
from .openings import fail_again, make

STEADY = Backoff(multiplier=2.0, maximum=100.0, jitter=0.0)


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


def test_a_reset_ends_the_row_after_a_recovery_too() -> None:
    machine = make(backoff=STEADY)
    run(machine, FAILURE, 0.0)
    run(machine, SUCCESS, 10.0)
    machine.reset(11.0)
    assert fail_again(machine, 11.5) == 10.0


def test_a_row_goes_on_through_recoveries_that_do_not_last() -> None:
    machine, now, lengths = make(backoff=STEADY), 0.0, []
    for _ in range(4):
        lengths.append(fail_again(machine, now))
        now += lengths[-1]
        run(machine, SUCCESS, now)
        now += 5.0
    assert lengths == [10.0, 20.0, 40.0, 80.0]


def test_after_a_close_that_lasted_the_row_is_forgotten_and_not_only_cut() -> None:
    machine = make(backoff=STEADY)
    run(machine, FAILURE, 0.0)
    run(machine, FAILURE, 10.0)
    run(machine, SUCCESS, 30.0)
    assert fail_again(machine, 100.0) == 10.0
    assert fail_again(machine, 110.0) == 20.0


def test_a_row_that_began_elsewhere_goes_on_here() -> None:
    machine = make(backoff=STEADY)
    machine.adopt(replace(news(5, OPEN, remaining=7.0), reopenings=1), 0.0)
    assert machine.retry_after(0.0) == 7.0
    assert fail_again(machine, 7.0) == 40.0
    assert machine.describe(7.0).reopenings == 2


def test_a_recovery_elsewhere_is_one_that_an_opening_may_follow_too_soon() -> None:
    machine = make(backoff=STEADY)
    run(machine, FAILURE, 0.0)
    machine.adopt(replace(news(5, CLOSED), reopenings=1), 10.0)
    machine.adopt(replace(news(6, CLOSED), reopenings=1), 15.0)  # the same one, told by two
    assert fail_again(machine, 19.0) == 40.0


def test_told_by_two_a_recovery_lasts_since_it_was_first_told() -> None:
    machine = make(backoff=STEADY)
    run(machine, FAILURE, 0.0)
    machine.adopt(news(5, CLOSED), 10.0)
    machine.adopt(news(6, CLOSED), 15.0)
    assert fail_again(machine, 20.0) == 10.0


def test_a_reset_elsewhere_ends_the_row() -> None:
    machine = make(backoff=STEADY)
    run(machine, FAILURE, 0.0)
    run(machine, SUCCESS, 10.0)
    machine.adopt(replace(news(5, CLOSED), evidence=Evidence(cause="reset")), 11.0)
    assert fail_again(machine, 12.0) == 10.0


@pytest.mark.parametrize("reopenings", [1023, 1024, 10**6, 10**18])
@pytest.mark.parametrize("multiplier", [2.0, 100.0])
def test_no_row_is_too_long_to_reckon_with(multiplier: float, reopenings: int) -> None:
    backoff = Backoff(multiplier=multiplier, maximum=300.0, jitter=0.0)
    config = CircuitConfig(recovery_timeout=10.0, backoff=backoff)
    assert open_seconds(config, reopenings, None, Random(0).random) == 300.0


@pytest.mark.parametrize(("chance", "first"), [(0.0, 7.5), (0.5, 10.0), (1.0, 12.5)])
def test_jitter_goes_either_way_and_is_no_part_of_the_row(chance: float, first: float) -> None:
    machine = make(lambda: chance, backoff=Backoff(jitter=0.25))
    assert fail_again(machine, 0.0) == first
    assert fail_again(machine, first) == 2 * first


def test_jitter_varies_what_the_maximum_has_cut_but_not_beyond_it() -> None:
    config = CircuitConfig(recovery_timeout=10.0, backoff=Backoff(maximum=100.0, jitter=0.25))
    chances = iter([0.0, 0.25, 0.5, 1.0])
    lengths = [open_seconds(config, 9, None, chances.__next__) for _ in range(4)]
    assert lengths == [75.0, 87.5, 100.0, 100.0]


def test_a_multiplier_of_one_keeps_the_time() -> None:
    machine, now = make(backoff=Backoff(multiplier=1.0, jitter=0.0)), 0.0
    for _ in range(4):
        assert fail_again(machine, now) == 10.0
        now += 10.0


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


def test_a_half_open_that_expired_is_one_more_of_the_row() -> None:
    machine = make(backoff=STEADY, half_open_max_duration=30.0, success_threshold=2)
    run(machine, FAILURE, 0.0)
    admit(machine, 10.0)
    admit(machine, 39.0)
    machine.admit(40.0)
    assert machine.state is OPEN
    assert (machine.reopenings, machine.retry_after(40.0)) == (1, 20.0)
