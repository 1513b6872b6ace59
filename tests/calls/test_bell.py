"""Rejections that look at no clock, and the bell that ends them."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections.abc import Callable

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.calls import bell as bells
from fastapi_hybrid_breaker.calls.bell import LEAD, Bell
from fastapi_hybrid_breaker.calls.context import Request, enter_request, leave_request
from fastapi_hybrid_breaker.calls.observed import observe
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import CircuitState, Outcome
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import (
    OPEN_TIME,
    PATIENCE,
    HandBell,
    Shape,
    each_async_shape,
    fail,
    fine,
    fine_sync,
    trip,
)


class Rung:
    """Something that waits for the bell."""

    def __init__(self, name: str, order: list[str]) -> None:
        self._name, self._order = name, order
        self.came = threading.Event()

    def ring(self) -> None:
        self._order.append(self._name)
        self.came.set()


class Hears:
    """An observer that counts rejections."""

    rejections = 0

    def settled(self, circuit: Circuit, outcome: Outcome, seconds: float | None) -> None:
        raise AssertionError

    def rejected(self, circuit: Circuit, retry_after: float) -> None:
        self.rejections += 1

    def shadowed(self, circuit: Circuit) -> None:
        raise AssertionError


@pytest.fixture
def bell(breaker: HybridBreaker, clock: ManualClock) -> HandBell:
    hand_bell = HandBell(clock)
    breaker.bell = hand_bell  # type: ignore[assignment]
    return hand_bell


def rejected(circuit: Circuit) -> CircuitOpenError:
    with pytest.raises(CircuitOpenError) as caught:
        circuit.call_sync(fine_sync)
    return caught.value


def barred(circuit: Circuit) -> None:
    """Open it, and have a first call rejected."""
    trip(circuit)
    rejected(circuit)
    assert circuit.machine.barred


# -- the bell itself ------------------------------------------------------------------------------


def test_all_are_rung_in_the_order_of_their_times() -> None:
    order: list[str] = []
    one, two, three = (Rung(name, order) for name in "123")
    bell = Bell()
    now = time.monotonic()
    assert bell.note(now + 0.03, three)
    assert bell.note(now + 0.02, two)
    assert bell.note(now - 1.0, one)
    assert three.came.wait(PATIENCE)
    assert order == ["1", "2", "3"]
    assert time.monotonic() >= now + 0.03


def test_what_is_gone_is_not_kept_for_the_bell() -> None:
    order: list[str] = []
    gone, there = Rung("gone", order), Rung("there", order)
    bell = Bell()
    at = time.monotonic() + 0.02
    bell.note(at, gone)
    bell.note(at, there)
    del gone
    assert there.came.wait(PATIENCE)
    assert order == ["there"]


def test_a_time_that_never_comes_stops_nobody() -> None:
    order: list[str] = []
    never, soon = Rung("never", order), Rung("soon", order)
    bell = Bell()
    assert bell.note(float("inf"), never)
    assert bell.note(time.monotonic(), soon)
    assert soon.came.wait(PATIENCE)
    assert order == ["soon"]


def test_the_bell_waits_for_no_circuit(circuit: Circuit) -> None:
    order: list[str] = []
    there = Rung("there", order)
    bell = Bell()
    with circuit._lock:  # for long: the text of an exception is asked for under it
        bell.note(0.0, circuit)
        bell.note(0.0, there)
        assert there.came.wait(PATIENCE)


def test_without_a_thread_nobody_is_promised_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell()
    one = Rung("one", [])

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        assert not bell.note(0.0, one)
    assert bell.note(0.0, one)  # there may be one later
    assert one.came.wait(PATIENCE)


def test_a_thread_that_has_ended_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell()
    with monkeypatch.context() as patched:
        patched.setattr(bells, "_ring", lambda asked, clock: None)  # ends at once
        bell.note(0.0, Rung("lost", []))
        assert bell._thread is not None
        bell._thread.join(PATIENCE)
    one = Rung("one", [])
    assert bell.note(0.0, one)
    assert one.came.wait(PATIENCE)


def test_who_comes_while_the_thread_begins_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell()
    found: list[bool] = []
    start = threading.Thread.start

    def slow(thread: threading.Thread) -> None:
        found.append(bell.note(0.0, Rung("inner", [])))  # as a finalizer would
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slow)
    assert bell.note(0.0, Rung("outer", []))
    assert found == [False]


# -- circuits -------------------------------------------------------------------------------------


async def test_rejections_look_at_the_clock_once(
    circuit: Circuit, breaker: HybridBreaker, clock: ManualClock, bell: HandBell
) -> None:
    trip(circuit)
    looks: list[float] = []

    def looked() -> float:
        looks.append(clock())
        return looks[-1]

    circuit.clock = looked
    rejected(circuit)
    assert bell.asked == [clock() + OPEN_TIME - LEAD]
    assert looks
    looks.clear()
    with pytest.raises(CircuitOpenError):
        await circuit.call(fine)
    with pytest.raises(CircuitOpenError):
        await circuit.execute(fine)
    with pytest.raises(CircuitOpenError):
        await circuit(fine)()
    with pytest.raises(CircuitOpenError), circuit.guard():
        pass
    rejected(circuit)
    assert looks == []
    assert circuit.stats().rejected == 6
    assert len(bell.asked) == 1


def test_at_the_end_of_the_open_time_each_call_looks(
    circuit: Circuit, clock: ManualClock, bell: HandBell
) -> None:
    barred(circuit)
    clock.advance(OPEN_TIME - LEAD)
    bell.ring()
    assert not circuit.machine.barred
    assert rejected(circuit).retry_after == pytest.approx(LEAD)
    assert not circuit.machine.barred  # not again for so short a time
    clock.advance(LEAD)
    assert circuit.call_sync(fine_sync) == 1


def test_a_bell_for_an_earlier_opening_has_the_next_call_ask_again(
    circuit: Circuit, clock: ManualClock, bell: HandBell
) -> None:
    barred(circuit)
    circuit.reset_here()
    clock.advance(1.0)
    barred(circuit)
    clock.advance(OPEN_TIME - 1.0)
    bell.ring()
    assert not circuit.machine.barred
    rejected(circuit)
    assert circuit.machine.barred
    clock.advance(1.0)
    bell.ring()
    assert circuit.call_sync(fine_sync) == 1


def put(circuit: Circuit, kind: str) -> None:
    coroutine = circuit.override(kind, by="ann", reason="why", seconds=None)
    with pytest.raises(StopIteration):
        coroutine.send(None)


CHANGES: dict[str, Callable[[Circuit], object]] = {
    "a reset": lambda circuit: circuit.reset_here(),
    "an override": lambda circuit: put(circuit, "disabled"),
    "news of the fleet": lambda circuit: circuit.adopt(
        News(
            state=CircuitState.CLOSED, failures=0, successes=0, remaining=0.0, version=7, writer="w"
        )
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_lets_calls_through_lets_them_through_at_once(
    circuit: Circuit, bell: HandBell, change: Callable[[Circuit], object]
) -> None:
    barred(circuit)
    change(circuit)
    assert circuit.call_sync(fine_sync) == 1


def test_under_an_override_and_after_it_the_right_thing_rejects(
    circuit: Circuit, clock: ManualClock, bell: HandBell
) -> None:
    barred(circuit)
    put(circuit, "forced_open")
    rejected(circuit)
    assert not circuit.machine.barred
    circuit.put_here(None, "ann")
    rejected(circuit)
    assert circuit.machine.barred
    clock.advance(OPEN_TIME)
    bell.ring()
    assert circuit.call_sync(fine_sync) == 1


def test_news_of_a_shorter_open_time_holds(
    circuit: Circuit, clock: ManualClock, bell: HandBell
) -> None:
    barred(circuit)
    circuit.adopt(
        News(state=CircuitState.OPEN, failures=2, successes=0, remaining=3.0, version=7, writer="w")
    )
    assert rejected(circuit).retry_after == pytest.approx(3.0)
    clock.advance(3.0)
    bell.ring()
    assert circuit.call_sync(fine_sync) == 1


def test_an_open_time_as_short_as_the_lead_is_left_to_the_clock(
    circuit: Circuit, bell: HandBell
) -> None:
    circuit.open_here(LEAD)
    rejected(circuit)
    assert bell.asked == []
    assert not circuit.machine.barred


def test_without_a_bell_calls_look_at_the_clock(
    circuit: Circuit, breaker: HybridBreaker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert breaker.bell is None  # it has a clock of its own
    assert HybridBreaker(redis=None).bell is bells.THE_BELL
    hand_bell = HandBell(clock)
    monkeypatch.setattr(hand_bell, "note", lambda at, one: False)
    breaker.bell = hand_bell  # type: ignore[assignment]
    trip(circuit)
    rejected(circuit)
    assert not circuit.machine.barred
    clock.advance(OPEN_TIME)
    assert circuit.call_sync(fine_sync) == 1


def test_who_is_interrupted_while_asking_bars_nothing(
    circuit: Circuit, bell: HandBell, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip(circuit)

    def interrupted(at: float, one: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(bell, "note", interrupted)
    with pytest.raises(KeyboardInterrupt):
        circuit.call_sync(fine_sync)
    assert not circuit.machine.barred


def test_what_a_finalizer_changes_amid_the_asking_stands(
    circuit: Circuit, bell: HandBell, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip(circuit)

    def finalizing(at: float, one: object) -> bool:
        circuit.reset_here()
        return True

    monkeypatch.setattr(bell, "note", finalizing)
    rejected(circuit)
    assert not circuit.machine.barred


def test_amid_a_change_nothing_is_barred(circuit: Circuit, bell: HandBell) -> None:
    trip(circuit)
    with circuit._alone():  # a finalizer may run here, and make a call
        rejected(circuit)
        assert not circuit.machine.barred


@each_async_shape
async def test_who_hears_of_rejections_hears_of_each(
    circuit: Circuit, bell: HandBell, shape: Shape
) -> None:
    barred(circuit)
    circuit.watch()
    request = Request()
    token = enter_request(request)
    try:
        rejected(circuit)  # has the bell asked
        request.rejected = False
        with pytest.raises(CircuitOpenError):
            await shape(circuit, fine)
    finally:
        leave_request(token)
    assert circuit.machine.barred
    assert request.rejected


def test_a_circuit_in_shadow_mode_or_observed_is_not_barred(
    breaker: HybridBreaker, bell: HandBell
) -> None:
    shadow = breaker.circuit(
        "shadow",
        CircuitConfig(failure_threshold=1, recovery_timeout=OPEN_TIME, mode="shadow"),
    )
    fail(shadow)
    assert shadow.call_sync(fine_sync) == 1
    observed = breaker.circuit("observed")
    barred(observed)
    hears = Hears()
    observe(observed, hears, measured=False)
    rejected(observed)
    assert hears.rejections == 1
    assert (shadow.machine.barred, observed.machine.barred) == (False, False)


def test_the_error_tells_the_time_when_it_is_asked(
    circuit: Circuit, clock: ManualClock, bell: HandBell
) -> None:
    barred(circuit)
    error = rejected(circuit)
    assert (error.key, error.retry_after) == ("inventory-api", OPEN_TIME)
    clock.advance(4.0)
    assert error.retry_after == OPEN_TIME - 4.0
    assert str(error) == "Circuit breaker is OPEN for inventory-api (retry after 6.0 s)"
    assert repr(error) == "CircuitOpenError('inventory-api', 6.0)"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our bytes
        assert type(twin) is CircuitOpenError
        assert (twin.key, twin.retry_after) == ("inventory-api", 6.0)
    clock.advance(OPEN_TIME)
    assert error.retry_after == 0.0


def test_what_is_set_of_the_error_stays(
    circuit: Circuit, clock: ManualClock, bell: HandBell
) -> None:
    barred(circuit)
    error, other = rejected(circuit), rejected(circuit)
    error.retry_after = 2.0
    other.key = "shop"
    clock.advance(0.5)
    assert (error.key, error.retry_after) == ("inventory-api", 2.0)
    assert (other.key, other.retry_after) == ("shop", OPEN_TIME)
    assert type(error).__name__ == "CircuitOpenError"


def test_who_waits_as_long_as_told_is_admitted() -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.2)
    circuit = HybridBreaker(redis=None, defaults=config).circuit("k")
    barred(circuit)
    deadline = time.monotonic() + PATIENCE
    while circuit.machine.barred:  # the bell is a little early
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(circuit.stats().retry_after)
    assert circuit.call_sync(fine_sync) == 1
