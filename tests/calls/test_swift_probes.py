"""Probes and rejections that ask nothing: nobody can tell the difference."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    HybridBreaker,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.calls.block import Block
from fastapi_hybrid_breaker.calls.context import Request, enter_request, leave_request
from fastapi_hybrid_breaker.calls.observed import observe
from fastapi_hybrid_breaker.core.lease import Lease
from fastapi_hybrid_breaker.core.machine import Machine
from fastapi_hybrid_breaker.core.probe import Probe
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import (
    OPEN_TIME,
    BrokenError,
    HandBell,
    Shape,
    each_async_shape,
    each_sync_shape,
    fine_sync,
    let_probe,
    run_in_threads,
    trip,
)


class InFull(Machine):
    """Has every question asked of every call."""

    __slots__ = ()

    def admits_probes(self) -> bool:
        return False

    def rejects_all(self) -> bool:
        return False


CONFIGS = {
    "plain": CircuitConfig(
        failure_threshold=1,
        success_threshold=3,
        half_open_max_calls=2,
        recovery_timeout=4.0,
        half_open_timeout=3.0,
    ),
    "for a while": CircuitConfig(
        failure_threshold=1, success_threshold=4, recovery_timeout=4.0, half_open_maximum=5.0
    ),
    "timed": CircuitConfig(
        trip=SlowCallRate(0.5, slower_than=1.0, window=TimeWindow(10.0), minimum_calls=1),
        success_threshold=4,
        recovery_timeout=4.0,
    ),
    "shadow": CircuitConfig(
        failure_threshold=1, success_threshold=3, recovery_timeout=4.0, mode="shadow"
    ),
}


class Hears:
    """An observer that keeps what calls came to."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.seconds: list[float | None] = []

    def settled(self, circuit: Circuit, outcome: Outcome, seconds: float | None) -> None:
        self.outcomes.append(outcome)
        self.seconds.append(seconds)

    def rejected(self, circuit: Circuit, retry_after: float) -> None:
        raise AssertionError

    def shadowed(self, circuit: Circuit) -> None:
        raise AssertionError


class Side:
    """A circuit, its clock, the contexts in which it is called, and the calls that run."""

    def __init__(self, config: CircuitConfig, kind: type[Machine]) -> None:
        self.clock = ManualClock()
        self.breaker = HybridBreaker(
            redis=None, defaults=config, clock=self.clock, random=lambda: 0.5
        )
        self.bell = HandBell(self.clock)
        self.breaker.bell = self.bell  # type: ignore[assignment]
        self.circuit = self.breaker.circuit("k")
        self.circuit.machine.__class__ = kind
        self.circuit.machine.refresh()
        self.contexts = [Context() for _ in PLACES]
        self.running: list[Block] = []
        self.heard: list[str] = []

    def enter(self, where: int) -> None:
        block = self.circuit.guard()
        try:
            self.contexts[where].run(block.__enter__)
        except CircuitOpenError as error:
            self.heard.append(f"{error.retry_after}")
        else:
            self.running.append(block)

    def leave(self, which: int, where: int, error: BaseException | None) -> None:
        if self.running:
            block = self.running.pop(which % len(self.running))
            self.contexts[where].run(block.__exit__, error and type(error), error, None)

    def override(self, kind: str | None) -> None:
        if kind is None:
            self.circuit.put_here(None, "me")
        else:
            with contextlib.suppress(StopIteration):
                self.circuit.override(kind, by="me", reason="why", seconds=2.0).send(None)

    def stand(self, live: int, *, is_connected: bool) -> None:
        around = self.breaker.surroundings
        around.live, around.is_connected = live, is_connected

    def lend(self) -> None:
        machine = self.circuit.machine
        self.circuit.grant(machine.opening, Lease(1, self.clock() + 2.0), 1)

    def told(self) -> tuple[object, ...]:
        machine = self.circuit.machine
        stats = self.circuit.stats()
        return (
            (stats.state, stats.successes, stats.failures, stats.retry_after, stats.rejected),
            (stats.shadowed, stats.reopenings, machine.generation, machine.sequence),
            (machine.last_sign, machine.stirred, machine.wants_lease, machine.deadline),
            [probe.deadline for probe in machine.probes or ()],
            (len(self.running), self.heard),
        )


PLACES = range(4)
STEPS: list[tuple[Any, ...]] = [
    *(("enter", where) for where in PLACES for _ in range(6)),
    *(("leave", which, where, None) for which in range(3) for where in PLACES for _ in range(2)),
    *(("leave", 0, 0, kind) for kind in (BrokenError, BrokenError, GeneratorExit)),
    *(("wait", seconds) for seconds in (0.5, 1.0, 3.0, 4.0) for _ in range(4)),
    *(("override", kind) for kind in (None, "forced_open", "disabled")),
    *(("stand", live, is_connected) for live in (1, 3) for is_connected in (False, True)),
    ("wait", 0.01),
    ("wait", 3.97),
    ("lend",),
    ("watch",),
    ("reset",),
]
"""What can happen, the usual more often than the rare."""


def _play(side: Side, name: str, *about: Any) -> None:
    match name:
        case "leave":
            which, context, kind = about
            side.leave(which, context, None if kind is None else kind())
        case "wait":
            side.clock.advance(about[0])
            side.bell.ring()
        case "stand":
            side.stand(about[0], is_connected=about[1])
        case "watch":
            side.circuit.watch()
        case "reset":
            side.circuit.reset_here()
        case _:
            getattr(side, name)(*about)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=250)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=10, max_size=40))
def test_any_calls_end_as_they_do_when_all_is_asked(
    config: CircuitConfig, steps: list[tuple[Any, ...]]
) -> None:
    sides = Side(config, Machine), Side(config, InFull)
    for side in sides:  # begin where probes are next
        side.enter(0)
        side.clock.advance(2.0)  # slow, where that counts
        side.leave(0, 0, BrokenError())
        side.clock.advance(4.0)
    for one in steps:
        for side in sides:
            _play(side, *one)
        assert sides[0].told() == sides[1].told()


def test_probes_and_rejections_of_a_plain_circuit_ask_nothing(
    circuit: Circuit, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip(circuit)
    asked: list[str] = []
    for name in ("_ask", "settle"):
        true = getattr(Circuit, name)

        def noting(
            self: Circuit, *about: Any, _true: Callable[..., Any] = true, _name: str = name
        ) -> Any:
            asked.append(_name)
            return _true(self, *about)

        monkeypatch.setattr(Circuit, name, noting)
    clock.advance(circuit.config.recovery_timeout)
    assert circuit.call_sync(fine_sync) == 1
    assert asked == ["_ask"]  # the open time ends with it
    with circuit.guard():
        pass
    assert asked == ["_ask", "settle"]  # it closes the circuit
    assert circuit.state == "CLOSED"


def test_a_late_success_of_an_earlier_recovery_counts_nothing(
    circuit: Circuit, clock: ManualClock
) -> None:
    let_probe(circuit, clock)
    late, failing = circuit.guard(), circuit.guard()
    Context().run(late.__enter__)
    Context().run(failing.__enter__)
    failing.__exit__(BrokenError, BrokenError(), None)
    clock.advance(circuit.config.recovery_timeout)
    Context().run(circuit.guard().__enter__)
    late.__exit__(None, None, None)
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 0)


@pytest.fixture
def patient(breaker: HybridBreaker, clock: ManualClock) -> Circuit:
    """Give a circuit that has had the first of three probes."""
    circuit = breaker.circuit(
        "patient",
        CircuitConfig(failure_threshold=1, success_threshold=3, recovery_timeout=OPEN_TIME),
    )
    let_probe(circuit, clock)
    circuit.call_sync(fine_sync)
    return circuit


def test_an_enclosing_request_hears_of_a_probe(patient: Circuit) -> None:
    patient.watch()
    request = Request()
    token = enter_request(request)
    try:
        patient.call_sync(fine_sync)
    finally:
        leave_request(token)
    assert (patient.stats().successes, request.judged) == (2, {patient.machine})


def test_who_observes_a_circuit_hears_of_its_probes(patient: Circuit) -> None:
    hears = Hears()
    observe(patient, hears, measured=False)
    patient.call_sync(fine_sync)
    assert (patient.stats().successes, hears.outcomes) == (2, [Outcome.SUCCESS])


@each_async_shape
async def test_who_measures_a_circuit_hears_how_long_its_probes_took(
    patient: Circuit, clock: ManualClock, shape: Shape
) -> None:
    async def slow() -> None:
        clock.advance(2.0)

    hears = Hears()
    observe(patient, hears, measured=True)
    await shape(patient, slow)
    assert hears.seconds == [2.0]


@each_sync_shape
def test_and_so_of_sync_ones(patient: Circuit, clock: ManualClock, shape: Shape) -> None:
    hears = Hears()
    observe(patient, hears, measured=True)
    shape(patient, lambda: clock.advance(2.0))
    assert hears.seconds == [2.0]


def test_a_call_inside_of_a_request_that_is_a_probe_shares_it(
    circuit: Circuit, clock: ManualClock
) -> None:
    circuit.watch()
    let_probe(circuit, clock)
    request, permit = Request(), circuit.admit()
    request.guards = ((circuit, permit, None),)
    token = enter_request(request)
    try:
        circuit.call_sync(fine_sync)
    finally:
        leave_request(token)
    circuit.settle(permit, Outcome.SUCCESS)
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 1)


def test_a_probe_that_ends_amid_a_change_is_put_off_until_it_is_done(
    circuit: Circuit, clock: ManualClock
) -> None:
    let_probe(circuit, clock)
    guard = circuit.guard()
    guard.__enter__()
    with circuit._alone():  # a finalizer may run here, and leave what it holds
        guard.__exit__(None, None, None)
        assert circuit.machine.successes == 0
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 1)
    assert circuit.machine.probes == []


def test_a_probe_that_begins_amid_a_change_is_put_off_as_well(
    circuit: Circuit, clock: ManualClock
) -> None:
    let_probe(circuit, clock)
    circuit.call_sync(fine_sync)
    with circuit._alone():
        with circuit.guard():
            pass
        assert (circuit.state, circuit.machine.successes) == ("HALF_OPEN", 1)
    assert circuit.state == "CLOSED"


def test_what_is_put_off_while_a_place_is_taken_is_settled_then(
    circuit: Circuit, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_probe(circuit, clock)
    first, second = circuit.guard(), circuit.guard()
    Context().run(first.__enter__)
    take_place = Machine.take_place

    def finalizing(self: Machine, now: float) -> Probe | None:
        first.__exit__(None, None, None)
        assert self.successes == 0
        return take_place(self, now)

    monkeypatch.setattr(Machine, "take_place", finalizing)
    Context().run(second.__enter__)
    assert circuit.stats().successes == 1
    assert len(circuit.machine.probes or ()) == 1


def test_what_is_put_off_while_a_success_is_counted_is_settled_then(
    circuit: Circuit, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_probe(circuit, clock)
    first, second = circuit.guard(), circuit.guard()
    Context().run(first.__enter__)
    Context().run(second.__enter__)
    count_success = Machine.count_success

    def finalizing(self: Machine, probe: Probe) -> bool:
        first.__exit__(None, None, None)
        assert self.successes == 0
        return count_success(self, probe)

    monkeypatch.setattr(Machine, "count_success", finalizing)
    second.__exit__(None, None, None)
    assert circuit.state == "CLOSED"


# -- the lock, taken by hand --------------------------------------------------------------------


class Interrupted:
    """A lock during which a signal's handler raises: while it is waited for, or once it is held."""

    def __init__(self, *, when_held: bool) -> None:
        self._lock = threading.RLock()
        self._when_held = when_held

    def acquire(self) -> bool:
        if self._when_held:
            self._lock.acquire()
        raise KeyboardInterrupt

    def release(self) -> None:
        self._lock.release()

    def is_free(self) -> bool:
        """Tell whether another thread can have it."""
        found: list[bool] = []
        thread = threading.Thread(target=lambda: found.append(self._lock.acquire(blocking=False)))
        thread.start()
        thread.join()
        return found == [True]


@pytest.mark.parametrize("when_held", [False, True])
@pytest.mark.parametrize("at", ["entering", "leaving"])
def test_a_signal_around_the_lock_leaves_it_free(
    clock: ManualClock, at: str, *, when_held: bool
) -> None:
    breaker = HybridBreaker(
        redis=None,
        defaults=CircuitConfig(failure_threshold=1, success_threshold=9, recovery_timeout=1.0),
        clock=clock,
    )
    circuit = breaker.circuit("k")
    let_probe(circuit, clock)
    circuit.call_sync(fine_sync)  # HALF_OPEN from here on
    lock, usual = Interrupted(when_held=when_held), circuit._lock
    guard = circuit.guard()
    context = Context()  # what is interrupted here stays behind in it
    if at == "leaving":
        context.run(guard.__enter__)
    circuit._lock = lock  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        if at == "entering":
            context.run(guard.__enter__)
        else:
            guard.__exit__(None, None, None)
    assert lock.is_free()
    circuit._lock = usual
    clock.advance(1.0)  # what was interrupted has lost its place by now, if it had one
    assert circuit.call_sync(fine_sync) == 1
    assert not circuit.machine.probes


def test_threads_lose_no_success_and_no_place_of_a_probe(clock: ManualClock) -> None:
    config = CircuitConfig(
        failure_threshold=1, success_threshold=4_000, half_open_max_calls=3, recovery_timeout=1.0
    )
    circuit = HybridBreaker(redis=None, defaults=config, clock=clock).circuit("k")
    let_probe(circuit, clock)
    circuit.call_sync(fine_sync)
    most, running, done = 0, 0, 0
    mutex = threading.Lock()

    def probe() -> None:
        nonlocal most, running
        with mutex:
            running += 1
            most = max(most, running)
        with mutex:
            running -= 1

    def work() -> None:
        nonlocal done
        for _ in range(300):
            with contextlib.suppress(CircuitOpenError):
                circuit.call_sync(probe)
                with mutex:
                    done += 1

    run_in_threads(6, work)
    assert most <= 3
    assert circuit.stats().successes == done + 1
    assert circuit.stats().rejected == 6 * 300 - done
    assert circuit.machine.probes == []
