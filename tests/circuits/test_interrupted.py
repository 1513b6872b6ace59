"""Exceptions that a signal's handler raises amid a call: soft time limits, aborts of workers."""

from __future__ import annotations

import contextlib
import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, CircuitState, HybridBreaker
from tests import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from fastapi_hybrid_breaker import Circuit, StateChange


class Interrupted(BaseException):
    """What the handler raises."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def failing() -> None:
    raise ConnectionError


def fine() -> int:
    return 1


def call(circuit: Circuit, fn: Callable[[], object]) -> bool:
    """Call under the circuit; return whether it was admitted."""
    try:
        circuit.call_sync(fn)
    except CircuitOpenError:
        return False
    except ConnectionError:
        pass
    return True


def interrupted_at(place: int, act: Callable[[], object]) -> bool:
    """Run ``act`` and raise at the given of the places where handlers of signals run.

    Those are the beginning of a function and the return from one that is written in C. Return
    whether there are so many.
    """
    left = place

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left
        if event in {"call", "c_return"} and "fastapi_hybrid_breaker" in frame.f_code.co_filename:
            left -= 1
            if not left:
                sys.setprofile(None)
                raise Interrupted

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        copy_context().run(act)  # which keeps the permits that are lost
    except Interrupted:
        pass
    finally:
        sys.setprofile(before)
    return left <= 0


def at_all_places(
    prepare: Callable[[Circuit, Clock], object], act: Callable[[Circuit], object]
) -> Iterator[tuple[int, Circuit, Clock, list[StateChange]]]:
    """Interrupt ``act`` at each place there is, with a circuit of its own for each."""
    clock, heard = Clock(), list[Any]()
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=10.0)
    breaker = HybridBreaker(redis=None, defaults=config, clock=clock)
    breaker.on_change(heard.append)
    for place in range(1, 2000):
        circuit = breaker.circuit(f"interrupted-{place}")
        prepare(circuit, clock)
        heard.clear()
        if not interrupted_at(place, lambda circuit=circuit: act(circuit)):
            assert place > 4
            return
        yield place, circuit, clock, heard
        inside.changes_of(breaker).deliver()  # what is left: else there are ever more places
    raise AssertionError("it never ends")


def nothing(circuit: Circuit, clock: Clock) -> None: ...


def opened(circuit: Circuit, clock: Clock) -> None:
    call(circuit, failing)
    assert circuit.state is CircuitState.OPEN
    clock.now += 11.0


ACTS = pytest.mark.parametrize(
    ("prepare", "act"),
    [
        pytest.param(nothing, lambda circuit: call(circuit, failing), id="opening"),
        pytest.param(opened, lambda circuit: call(circuit, fine), id="closing"),
        pytest.param(opened, lambda circuit: call(circuit, failing), id="opening-again"),
        pytest.param(nothing, inside.reset_here, id="reset"),
        pytest.param(nothing, lambda circuit: circuit.stats(), id="look"),
    ],
)


@ACTS
def test_listeners_go_on_after_an_interrupted_call(
    prepare: Callable[[Circuit, Clock], object], act: Callable[[Circuit], object]
) -> None:
    """The turn to deliver changes was never given back: all listeners and the log were deaf."""
    for place, circuit, clock, heard in at_all_places(prepare, act):
        with contextlib.suppress(CircuitOpenError):
            circuit.call_sync(fine)
        clock.now += 100.0
        for _ in range(3):
            call(circuit, fine)
        heard.clear()
        call(circuit, failing)
        # A change before it may have waited for this one.
        assert heard[-1].new is CircuitState.OPEN, place


@ACTS
def test_a_circuit_protects_after_an_interrupted_call(
    prepare: Callable[[Circuit, Clock], object], act: Callable[[Circuit], object]
) -> None:
    """What calls read said CLOSED still: an OPEN circuit admitted all until somebody looked."""
    for place, circuit, clock, _ in at_all_places(prepare, act):
        clock.now += 100.0  # a probe's place that is lost is free again
        for _ in range(3):
            call(circuit, fine)
        assert circuit.state is CircuitState.CLOSED, place
        call(circuit, failing)
        assert circuit.state is CircuitState.OPEN, place
        assert not call(circuit, fine), place


@ACTS
def test_an_open_circuit_rejects_at_once_after_an_interrupted_call(
    prepare: Callable[[Circuit, Clock], object], act: Callable[[Circuit], object]
) -> None:
    for place, circuit, clock, _ in at_all_places(prepare, act):
        machine = inside.core_of(circuit).machine
        if machine.state is CircuitState.OPEN and clock.now < machine.open_until:
            assert not call(circuit, fine), place
