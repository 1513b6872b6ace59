"""Shadow mode: everything as usual, but that nobody is rejected."""

from __future__ import annotations

import contextvars
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    CountWindow,
    FailureRate,
    HybridBreaker,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.core.override import make_override
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .parts import (
    OPEN_TIME,
    BrokenError,
    Shape,
    broken_sync,
    each_async_shape,
    each_sync_shape,
    fine,
    fine_sync,
    trip,
)


@pytest.fixture
def breaker(clock: ManualClock) -> HybridBreaker:
    config = CircuitConfig(
        failure_threshold=2, success_threshold=1, recovery_timeout=OPEN_TIME, mode="shadow"
    )
    return HybridBreaker(redis=None, defaults=config, clock=clock)


@each_async_shape
async def test_open_it_lets_calls_through_and_counts_them(circuit: Circuit, shape: Shape) -> None:
    trip(circuit)
    for _ in range(3):
        assert await shape(circuit, fine) == 1
    stats = circuit.stats()
    assert (stats.state, stats.rejected, stats.shadowed) == ("OPEN", 0, 3)


@each_sync_shape
def test_open_it_lets_sync_calls_through(circuit: Circuit, shape: Shape) -> None:
    trip(circuit)
    assert shape(circuit, fine_sync) == 1
    assert circuit.stats().shadowed == 1


def test_what_it_lets_through_lengthens_no_run(circuit: Circuit) -> None:
    trip(circuit)
    before = circuit.stats().failures
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            circuit.call_sync(lambda: 1 / 0)
    assert circuit.stats().failures == before
    assert (circuit.stats().shadowed, circuit.stats().shadowed_failures) == (5, 5)


def test_it_probes_and_recovers_beside_the_traffic(circuit: Circuit, clock: ManualClock) -> None:
    trip(circuit)
    clock.advance(OPEN_TIME)
    with circuit.guard():  # the one probe
        assert circuit.state == "HALF_OPEN"
        beside = contextvars.Context().run(inside.admit, circuit)
        inside.settle(circuit, beside, Outcome.FAILURE)
        assert circuit.state == "HALF_OPEN"
    assert circuit.state == "CLOSED"
    assert (circuit.stats().shadowed, circuit.stats().shadowed_failures) == (1, 1)


def test_changes_are_told_and_remembered(breaker: HybridBreaker, circuit: Circuit) -> None:
    told: list[str] = []
    breaker.on_change(lambda change: told.append(change.new))
    trip(circuit)
    assert told == ["OPEN"]
    assert [change.new for change in circuit.history()] == ["OPEN"]


async def test_an_operator_who_forces_it_open_is_obeyed(circuit: Circuit) -> None:
    await circuit.override("forced_open", by="ann", reason="now", seconds=60)
    with pytest.raises(CircuitOpenError):
        await circuit.call(fine)
    assert (circuit.stats().rejected, circuit.stats().shadowed) == (1, 0)


# -- the figures it is for -------------------------------------------------------------------------

RATED = CircuitConfig(
    trip=FailureRate(0.5, window=TimeWindow(10.0), minimum_calls=10),
    success_threshold=2,
    recovery_timeout=5.0,
    mode="shadow",
)


def play(circuit: Circuit, *, fails: bool) -> None:
    with suppress(BrokenError):
        circuit.call_sync(broken_sync if fails else fine_sync)


def test_ten_minutes_at_sixty_percent_show_sixty_percent_in_each_second(
    clock: ManualClock,
) -> None:
    circuit = HybridBreaker(redis=None, defaults=RATED, clock=clock).circuit("upstream")
    seen = []
    for number in range(6_000):
        play(circuit, fails=number % 5 in {0, 2, 4})
        clock.advance(0.1)
        if number % 10 == 9:
            seen.append(circuit.stats().failure_rate)
    # A window moves by a bucket at a time, which need not begin with a whole round of five.
    assert all(rate is not None and 0.59 < rate < 0.61 for rate in seen)
    stats = circuit.stats()
    # Beside what it would have rejected there were two probes at most in each recovery.
    assert 5_000 < stats.shadowed < 5_990
    assert 0.55 < stats.shadowed_failures / stats.shadowed < 0.65


@pytest.mark.parametrize(
    "window", [CountWindow(20), TimeWindow(60.0)], ids=["the last calls", "the last seconds"]
)
def test_slow_calls_are_shown_in_every_state(clock: ManualClock, window: Any) -> None:
    config = CircuitConfig(
        trip=SlowCallRate(0.5, slower_than=1.0, window=window, minimum_calls=4),
        recovery_timeout=30.0,
        mode="shadow",
    )
    circuit = HybridBreaker(redis=None, defaults=config, clock=clock).circuit("upstream")
    for _ in range(4):
        circuit.call_sync(lambda: clock.advance(2.0))
    assert (circuit.state, circuit.stats().slow_rate) == ("OPEN", 1.0)
    for _ in range(4):
        circuit.call_sync(fine_sync)
    assert (circuit.state, circuit.stats().slow_rate, circuit.stats().calls) == ("OPEN", 0.5, 8)
    clock.advance(30.0)
    circuit.call_sync(fine_sync)  # a probe
    assert (circuit.state, circuit.stats().calls) == ("HALF_OPEN", 9)


def test_probe_is_in_the_figures_once_however_often_it_is_settled(
    circuit: Circuit, clock: ManualClock
) -> None:
    inside.configure(circuit, RATED)
    while circuit.state != "OPEN":
        play(circuit, fails=True)
    clock.advance(5.0)
    probe = inside.admit(circuit)
    before = circuit.stats().calls
    for _ in range(3):
        inside.settle(circuit, probe, Outcome.SUCCESS)
    assert before is not None
    assert circuit.stats().calls == before + 1


def test_rules_begin_with_empty_windows_after_a_recovery_as_they_do_otherwise(
    clock: ManualClock,
) -> None:
    states = []
    for mode in ("enforce", "shadow"):
        config = replace(RATED, mode=mode)
        circuit = HybridBreaker(redis=None, defaults=config, clock=clock).circuit("upstream")
        while circuit.state != "OPEN":
            play(circuit, fails=True)
        for _ in range(20):
            with suppress(CircuitOpenError):
                play(circuit, fails=True)
        clock.advance(5.0)
        for _ in range(2):
            play(circuit, fails=False)
        play(circuit, fails=True)
        states.append(circuit.state)
    assert states == ["CLOSED", "CLOSED"]


async def test_reset_empties_what_is_shown(circuit: Circuit) -> None:
    inside.configure(circuit, RATED)
    for _ in range(20):
        play(circuit, fails=True)
    await circuit.reset()
    assert (circuit.stats().calls, circuit.stats().failure_rate) == (0, None)


@pytest.mark.parametrize("outcome", [Outcome.SUCCESS, Outcome.NOT_COUNTED])
def test_what_did_not_fail_is_no_shadowed_failure(circuit: Circuit, outcome: Outcome) -> None:
    trip(circuit)
    permit = inside.admit(circuit)
    inside.settle(circuit, permit, outcome)
    inside.settle(circuit, permit, Outcome.FAILURE)  # too late
    assert (circuit.stats().shadowed, circuit.stats().shadowed_failures) == (1, 0)


def test_call_inside_of_one_that_would_have_been_rejected_is_not_another_one(
    circuit: Circuit,
) -> None:
    trip(circuit)

    def outer() -> None:
        circuit.call_sync(broken_sync)

    for number in (1, 2, 3):
        with pytest.raises(BrokenError):
            circuit.call_sync(outer)
        assert (circuit.stats().shadowed, circuit.stats().shadowed_failures) == (number, number)


def test_an_error_of_a_call_in_another_context_is_that_of_the_call_around_it_too(
    circuit: Circuit,
) -> None:
    """One failure was shown as two where the inner call did not know of the outer one."""
    trip(circuit)

    def outer() -> None:
        contextvars.Context().run(circuit.call_sync, broken_sync)

    with pytest.raises(BrokenError):
        circuit.call_sync(outer)
    assert (circuit.stats().shadowed, circuit.stats().shadowed_failures) == (2, 1)


def test_one_error_object_of_many_calls_is_a_failure_of_each(circuit: Circuit) -> None:
    trip(circuit)
    error = BrokenError()

    def fails() -> None:
        raise error

    for _ in range(5):
        with pytest.raises(BrokenError):
            circuit.call_sync(fails)
    assert (circuit.stats().shadowed, circuit.stats().shadowed_failures) == (5, 5)


def test_mode_is_among_the_figures(circuit: Circuit, breaker: HybridBreaker) -> None:
    assert (circuit.stats().mode, breaker.stats("never-used").mode) == ("shadow", "shadow")
    assert HybridBreaker(redis=None).stats("never-used").mode == "enforce"


def test_a_call_that_shadow_mode_let_through_fails_after_its_end() -> None:
    circuit = HybridBreaker(redis=None, defaults=CircuitConfig(failure_threshold=1)).circuit("k")
    now = inside.clock_of(circuit)()
    shadow = make_override("shadow", by="me", reason="a test", seconds=None, now=now)
    inside.put_here(circuit, shadow, "me")
    inside.settle(circuit, inside.admit(circuit), Outcome.FAILURE)
    let_through = inside.admit(circuit)
    inside.put_here(circuit, None, "me")
    inside.settle(circuit, let_through, Outcome.FAILURE)
    assert circuit.stats().shadowed_failures == 1
