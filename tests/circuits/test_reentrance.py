"""The collector of garbage may run at any allocation, and settle what nobody holds any more."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import Backoff, Circuit, CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.core.probe import Probe
from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside
from tests.inside import changes_of, lock_of, replace_lock

from .parts import OPEN_TIME, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi_hybrid_breaker import StateChange
    from fastapi_hybrid_breaker.testing import ManualClock

ALLOCATIONS = range(14)
"""How many allocations the collector lets pass: somewhere among them each step is hit."""


class Knot:
    def __init__(self) -> None:
        self.me = self
        self.held: Any = None


@pytest.fixture
def probing(clock: ManualClock) -> Circuit:
    """A circuit whose next call is a probe, with two places."""
    config = CircuitConfig(
        failure_threshold=5,
        success_threshold=1,
        half_open_max_calls=2,
        recovery_timeout=OPEN_TIME,
    )
    circuit = HybridBreaker(redis=None, clock=clock).circuit("k", config)
    inside.open_here(circuit, OPEN_TIME)
    clock.advance(OPEN_TIME)
    return circuit


def leave_a_probe_behind(circuit: Circuit, outcome: Outcome) -> None:
    """Leave a probe to the collector, whose finalizer gives it an outcome."""
    permit = inside.admit(circuit)

    def held() -> Iterator[None]:
        try:
            yield
        finally:
            inside.settle(circuit, permit, outcome)

    knot = Knot()
    knot.held = held()
    next(knot.held)


def collecting_after(allocations: int, do: Callable[[], Any]) -> Any:
    """Run ``do`` with a collection at an allocation in the middle of it."""
    thresholds = gc.get_threshold()
    try:
        gc.set_threshold(gc.get_count()[0] + allocations, 1000, 1000)
        gc.enable()
        return do()
    finally:
        gc.set_threshold(*thresholds)


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


@pytest.mark.parametrize("allocations", ALLOCATIONS)
def test_a_probe_admitted_meanwhile_is_one_of_the_state_it_counts_in(
    probing: Circuit, allocations: int
) -> None:
    leave_a_probe_behind(probing, Outcome.SUCCESS)
    permit = collecting_after(allocations, lambda: inside.admit(probing))
    gc.collect()
    assert probing.state == "CLOSED"
    inside.settle(probing, permit, Outcome.FAILURE)
    assert probing.state == "CLOSED"  # a late probe's, or one failure of five
    assert isinstance(permit, Probe | int)


@pytest.mark.parametrize("allocations", ALLOCATIONS)
@pytest.mark.parametrize("step", ["admit", "settle", "stats"])
def test_no_listener_runs_while_its_thread_holds_the_circuits_lock(
    probing: Circuit, allocations: int, step: str
) -> None:
    was_free: list[bool] = []

    def try_the_lock(change: StateChange) -> None:
        if change.new != "CLOSED":
            return

        def attempt() -> None:
            got = lock_of(probing).acquire(timeout=0.5)
            was_free.append(got)
            if got:
                lock_of(probing).release()

        other = threading.Thread(target=attempt, daemon=True)
        other.start()
        other.join(PATIENCE)

    changes_of(probing).add(try_the_lock)  # first: the collector may run at any line from now on
    mine = inside.admit(probing)
    leave_a_probe_behind(probing, Outcome.SUCCESS)
    steps: dict[str, Callable[[], Any]] = {
        "admit": lambda: inside.admit(probing),
        "settle": lambda: inside.settle(probing, mine, Outcome.NOT_COUNTED),
        "stats": probing.stats,
    }
    if step == "admit":
        inside.settle(probing, mine, Outcome.NOT_COUNTED)
    collecting_after(allocations, steps[step])
    gc.collect()
    probing.stats()
    assert was_free == [True]
    assert probing.state == "CLOSED"


class Late:
    """A lock that has just been taken when something is finalized: as on Python 3.14."""

    def __init__(self, lock: Any, finalize: Callable[[], None]) -> None:
        self._lock = lock
        self._finalize: Callable[[], None] | None = finalize

    def __enter__(self) -> None:
        self._lock.acquire()
        finalize, self._finalize = self._finalize, None
        if finalize is not None:
            finalize()

    def __exit__(self, *about: object) -> None:
        self._lock.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


@pytest.mark.parametrize("step", ["admit", "settle", "settle again", "stats", "history"])
def test_what_is_finalized_as_the_lock_is_taken_is_delivered_after_it(
    probing: Circuit, step: str
) -> None:
    was_free: list[bool] = []
    mine, left_behind = inside.admit(probing), inside.admit(probing)
    lock = lock_of(probing)
    changes_of(probing).add(lambda _: was_free.append(not lock._is_owned()))
    if step == "settle again":
        inside.settle(probing, mine, Outcome.NOT_COUNTED)
    steps: dict[str, Callable[[], Any]] = {
        "admit": lambda: inside.admit(probing),
        "settle": lambda: inside.settle(probing, mine, Outcome.NOT_COUNTED),
        "settle again": lambda: inside.settle(probing, mine, Outcome.NOT_COUNTED),
        "stats": probing.stats,
        "history": probing.history,
    }
    late = Late(lock, lambda: inside.settle(probing, left_behind, Outcome.SUCCESS))
    replace_lock(probing, late)
    steps[step]()
    assert was_free == [True]
    assert [change.new for change in probing.history()][-1] == "CLOSED"


@pytest.mark.parametrize("allocations", ALLOCATIONS)
def test_the_place_of_a_probe_left_behind_comes_back(probing: Circuit, allocations: int) -> None:
    leave_a_probe_behind(probing, Outcome.NOT_COUNTED)
    collecting_after(allocations, lambda: inside.admit(probing))
    gc.collect()
    inside.admit(probing)
    with pytest.raises(Exception, match="OPEN for k"):
        inside.admit(probing)


def test_a_call_that_ends_while_another_that_had_to_wait_is_settled_waits_too() -> None:
    """The circuit opened within its own opening, and counted a second failure for it."""
    ends: list[Any] = []

    def as_a_finalizer() -> float:
        while ends:
            inside.settle(circuit, ends.pop(), Outcome.FAILURE)
        return 0.5

    config = CircuitConfig(failure_threshold=1, backoff=Backoff(jitter=0.5))
    breaker = HybridBreaker(redis=None, defaults=config, random=as_a_finalizer)
    circuit = breaker.circuit("k")
    first, second = inside.admit(circuit), inside.admit(circuit)
    with inside.amid_a_change(circuit):
        inside.settle(circuit, first, Outcome.FAILURE)
        assert circuit.history() == ()
        ends.append(second)
    assert ends == []
    assert (inside.of(circuit).generation, circuit.stats().failures) == (1, 1)
    assert [one.new for one in circuit.history()] == ["OPEN"]
