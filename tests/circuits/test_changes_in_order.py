"""Listeners hear of changes in their order, whoever brings them about and however slow they are."""

from __future__ import annotations

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker, StateChange
from tests import inside
from tests.patience import PATIENCE

from .parts import BrokenError, broken_sync, fail, run_in_threads

ONE = CircuitConfig(failure_threshold=1)


def open_by_failures(circuit: Circuit) -> None:
    for _ in range(2):
        fail(circuit)


def assert_unbroken(changes: list[StateChange]) -> None:
    """Check that each change begins where the last one ended."""
    states = [changes[0].old, *(one.new for one in changes)]
    assert [one.old for one in changes] == states[:-1]


def test_a_slow_listener_hears_of_a_reset_from_another_thread_after_the_opening(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    heard: list[str] = []
    listening, go_on = threading.Event(), threading.Event()

    def listen(change: StateChange) -> None:
        if change.new == "OPEN":
            listening.set()
            assert go_on.wait(PATIENCE)
        heard.append(change.new)

    breaker.on_change(listen)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_by_failures, circuit)
        assert listening.wait(PATIENCE)
        inside.reset_here(circuit)  # returns at once: its change is left to the other thread
        assert heard == []
        go_on.set()
        opening.result(PATIENCE)
    assert heard == ["OPEN", "CLOSED"]
    assert [one.new for one in circuit.history()] == ["OPEN", "CLOSED"]
    assert circuit.state == "CLOSED"


def test_what_a_listener_brings_about_is_heard_after_what_it_hears_of(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    other = breaker.circuit("other", ONE)
    heard: list[tuple[str, str, str]] = []

    def calling(change: StateChange) -> None:
        heard.append(("first", change.key, change.new))
        if change.key == circuit.key and change.new == "OPEN":
            with pytest.raises(BrokenError):
                other.call_sync(broken_sync)
            inside.reset_here(circuit)

    breaker.on_change(calling)
    breaker.on_change(lambda change: heard.append(("second", change.key, change.new)))
    open_by_failures(circuit)
    assert [one for one in heard if one[0] == "first"] == [
        ("first", circuit.key, "OPEN"),
        ("first", "other", "OPEN"),
        ("first", circuit.key, "CLOSED"),
    ]
    assert [one[1:] for one in heard if one[0] == "first"] == [
        one[1:] for one in heard if one[0] == "second"
    ]


def test_however_many_threads_change_circuits_each_chain_is_unbroken(
    breaker: HybridBreaker,
) -> None:
    circuits = [breaker.circuit(f"c{number}", ONE) for number in range(3)]
    heard: dict[str, list[StateChange]] = defaultdict(list)
    running = threading.Lock()

    def listen(change: StateChange) -> None:
        assert running.acquire(blocking=False), "two threads deliver at once"
        heard[change.key].append(change)
        running.release()

    breaker.on_change(listen)

    def work() -> None:
        for number in range(50):
            circuit = circuits[number % 3]
            inside.open_here(circuit, 10.0)
            inside.reset_here(circuit)

    run_in_threads(6, work)
    for circuit in circuits:
        assert_unbroken(heard[circuit.key])
        assert heard[circuit.key][-1].new == circuit.state
        last = [one.new for one in circuit.history()]
        assert last == [one.new for one in heard[circuit.key]][-len(last) :]


def test_a_listener_that_ends_its_thread_leaves_the_rest_to_the_next_change(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    heard: list[str] = []

    def listen(change: StateChange) -> None:
        heard.append(change.new)
        if len(heard) == 1:
            inside.reset_here(circuit)
            raise SystemExit

    breaker.on_change(listen)
    fail(circuit)
    with pytest.raises(SystemExit):
        circuit.call_sync(broken_sync)
    inside.open_here(circuit, 10.0)
    assert heard == ["OPEN", "CLOSED", "OPEN"]
