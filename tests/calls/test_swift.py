"""Successes that are counted in one step, without the lock: nobody can tell the difference."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitOpenError,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    HybridBreaker,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.calls.context import Request, enter_request, leave_request
from fastapi_hybrid_breaker.testing import ManualClock

WINDOW = TimeWindow(10.0, buckets=5)
RATES = [
    FailureRate(0.5, window=WINDOW, minimum_calls=4),
    SlowCallRate(0.5, slower_than=1.0, window=WINDOW, minimum_calls=4),
]


class Pair:
    """Two circuits that see the same calls; one settles all of them in full."""

    def __init__(self, trip: Any) -> None:
        config = CircuitConfig(trip=trip, recovery_timeout=3.0)
        self.clocks = [ManualClock(), ManualClock()]
        self.breakers = [
            HybridBreaker(redis=None, defaults=config, clock=clock) for clock in self.clocks
        ]
        self.circuits = [breaker.circuit("k") for breaker in self.breakers]
        in_full = self.circuits[1].machine
        in_full.meter.swift = None
        in_full.refresh()

    def wait(self, seconds: float) -> None:
        for clock in self.clocks:
            clock.advance(seconds)

    def call(self, seconds: float, *, fails: bool) -> None:
        for circuit, clock in zip(self.circuits, self.clocks, strict=True):
            with contextlib.suppress(ConnectionError, CircuitOpenError), circuit.guard():
                clock.advance(seconds)
                if fails:
                    raise ConnectionError
        latest = max(clock() for clock in self.clocks)
        for clock in self.clocks:
            clock.advance(latest - clock())

    def agree(self) -> bool:
        one, other = (replace(circuit.stats(), next_attempt=None) for circuit in self.circuits)
        now = self.clocks[0]()
        kinds = [
            [book.counts.by_bucket(now) for book in circuit.machine.meter.books]
            for circuit in self.circuits
        ]
        return one == other and kinds[0] == kinds[1]


calls = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.9, 1.0, 1.5, 2.0, 7.0, 25.0]),  # between calls
        st.sampled_from([0.0, 0.2, 1.0, 1.1, 3.0]),  # a call's
        st.integers(0, 3).map(lambda number: number == 0),  # it fails
    ),
    max_size=60,
)


@given(calls, st.sampled_from([RATES, RATES[0], [*RATES, ConsecutiveFailures(3)]]))
def test_whatever_is_called_the_counts_and_the_state_are_the_same(
    history: list[tuple[float, float, bool]], trip: Any
) -> None:
    pair = Pair(trip)
    for pause, seconds, fails in history:
        pair.wait(pause)
        pair.call(seconds, fails=fails)
        assert pair.agree()


def test_most_successes_take_the_short_way() -> None:
    clock = ManualClock()
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(trip=RATES), clock=clock)
    circuit = breaker.circuit("k")
    in_full = []
    machine = circuit.machine
    machine_class = type(machine)

    class Counting(machine_class):  # type: ignore[misc,valid-type]
        __slots__ = ()

        def settle(self, *args: Any, **about: Any) -> Any:
            in_full.append(clock())
            return super().settle(*args, **about)

    machine.__class__ = Counting
    for _ in range(100):
        circuit.call_sync(int)
        clock.advance(0.1)
    assert len(in_full) == 5  # one for each bucket that has begun
    assert circuit.stats().calls == 100


@pytest.mark.parametrize("trip", [FailureRate(0.5, window=CountWindow(99)), None])
def test_where_it_is_more_than_an_addition_there_is_no_short_way(trip: Any) -> None:
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(trip=trip))
    assert breaker.circuit("k").machine.swift is None


def test_a_success_that_fulfils_a_rule_by_its_number_opens() -> None:
    pair = Pair(RATES)
    for fails in (True, True, False):
        pair.call(0.0, fails=fails)
    pair.call(0.0, fails=False)  # the fourth call: two of four have failed
    assert [circuit.state for circuit in pair.circuits] == ["OPEN", "OPEN"]


def test_a_success_of_an_earlier_state_is_not_counted() -> None:
    clock = ManualClock()
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(trip=RATES), clock=clock)
    circuit = breaker.circuit("k")
    circuit.call_sync(int)  # the bucket is calm
    late = circuit.guard()
    late.__enter__()
    circuit.reset_here()
    circuit.call_sync(int)
    late.__exit__(None, None, None)
    assert circuit.stats().calls == 1


def test_an_enclosing_request_hears_of_it() -> None:
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(trip=RATES))
    circuit = breaker.circuit("k")
    circuit.watch()
    circuit.call_sync(int)
    request = Request()
    token = enter_request(request)
    try:
        circuit.call_sync(int)
    finally:
        leave_request(token)
    assert request.judged == {circuit.machine}


def test_threads_lose_no_call_while_buckets_come_and_go() -> None:
    window = TimeWindow(60.0, buckets=100)
    config = CircuitConfig(trip=FailureRate(0.5, window=window, minimum_calls=10**6))
    clock = ManualClock()
    circuit = HybridBreaker(redis=None, defaults=config, clock=clock).circuit("k")
    begun = threading.Barrier(5)

    def work() -> None:
        begun.wait()
        for _ in range(3_000):
            circuit.call_sync(int)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    for _ in range(90):  # none leaves the window
        clock.advance(0.6)
        circuit.stats()
    for thread in threads:
        thread.join()
    assert circuit.stats().calls == 12_000
    (book,) = circuit.machine.meter.books
    buckets = book.counts.by_bucket(clock())
    assert sum(sum(kinds) for kinds in buckets.values()) == 12_000
