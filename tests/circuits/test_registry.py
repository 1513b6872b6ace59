"""Circuits are found or made by key, and bounded in number."""

from __future__ import annotations

import logging
import threading
import weakref
from enum import Enum
from typing import Any

import pytest

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
)
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import FleetSide

from .parts import fine, run_in_threads


def bounded(most: int, clock: ManualClock | None = None, **options: Any) -> HybridBreaker:
    clock = clock or ManualClock()
    return HybridBreaker(redis=None, max_circuits=most, clock=clock, **options)


def trip(circuit: Circuit) -> None:
    while circuit.state == "CLOSED":
        inside.settle(circuit, inside.admit(circuit), Outcome.FAILURE)


def test_50000_distinct_keys_stay_bounded() -> None:
    breaker = bounded(1_000)
    for number in range(50_000):
        breaker.circuit(f"tenant-{number}")
    assert len(list(breaker.circuits())) == 1_000


def test_held_circuit_is_never_replaced() -> None:
    breaker = bounded(10)
    held = breaker.circuit("held")
    for number in range(200):
        breaker.circuit(f"tenant-{number}")
    assert breaker.circuit("held") is held


def test_open_circuit_is_never_forgotten() -> None:
    breaker = bounded(10)
    trip(breaker.circuit("open"))
    for number in range(200):
        breaker.circuit(f"tenant-{number}")
    assert breaker.state("open") == "OPEN"


def test_recently_used_circuit_outlives_idle_ones() -> None:
    breaker = bounded(10)
    inside.settle(breaker.circuit("busy"), inside.admit(breaker.circuit("busy")), Outcome.FAILURE)
    for number in range(200):
        breaker.circuit(f"tenant-{number}")
        breaker.circuit("busy")
    assert breaker.stats("busy").failures == 1


async def test_so_does_one_whose_key_calls_are_made_under() -> None:
    breaker = bounded(10)
    await breaker.execute("busy", fine)
    busy = weakref.ref(inside.registry_of(breaker).by_key["busy"])
    for number in range(200):
        breaker.circuit(f"tenant-{number}")
        await breaker.execute("busy", fine)
    assert busy() is not None


def test_when_nothing_can_go_keys_share_one_that_never_rejects(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    breaker = bounded(3, clock)
    held = [breaker.circuit(f"held-{number}") for number in range(3)]
    with caplog.at_level(logging.ERROR, "fastapi_hybrid_breaker"):
        surplus = breaker.circuit("surplus")
        assert breaker.circuit("another") is surplus
    assert surplus.key == "overflow"
    for _ in range(50):
        inside.settle(surplus, inside.admit(surplus), Outcome.FAILURE)
    assert surplus.state == "CLOSED"
    assert len(caplog.records) == 1
    assert len(list(breaker.circuits())) == 3
    held.clear()
    clock.advance(2)
    assert breaker.circuit("surplus").key == "surplus"


def test_key_heard_of_never_pushes_out_one_used_here() -> None:
    breaker = bounded(2)
    for key in ("a", "b"):
        breaker.circuit(key)
    assert inside.registry_of(breaker).hear_of("c") is None
    assert inside.registry_of(breaker).hear_of("a") is breaker.circuit("a")


def test_configuration_by_key_then_pattern_then_default() -> None:
    exact, pattern, default = (CircuitConfig(failure_threshold=n) for n in (2, 3, 4))
    breaker = HybridBreaker(
        redis=None,
        defaults=default,
        circuits={"host:*": pattern, "host:a": exact, "host:b*": exact, "[::1]:*": exact},
    )
    assert breaker.circuit("host:a").config is exact
    assert breaker.circuit("host:b").config is pattern
    assert breaker.circuit("other").config is default
    assert breaker.circuit("[::1]:80").config is exact


def test_another_configuration_for_a_known_key_is_an_error() -> None:
    breaker = bounded(10)
    config = CircuitConfig(failure_threshold=9)
    circuit = breaker.circuit("a", config)
    assert breaker.circuit("a", CircuitConfig(failure_threshold=9)) is circuit
    assert breaker.circuit("a") is circuit
    with pytest.raises(ValueError, match="'a' exists with another configuration"):
        breaker.circuit("a", CircuitConfig(failure_threshold=8))
    with pytest.raises(TypeError, match="config must be a CircuitConfig"):
        breaker.circuit("b", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"circuits\['c'\] must be a CircuitConfig"):
        HybridBreaker(redis=None, circuits={"c": None})  # type: ignore[dict-item]


@pytest.mark.parametrize("most", [0, -1, True, 1.5])
def test_max_circuits_out_of_range_is_refused(most: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="max_circuits must be a whole number"):
        bounded(most)


def test_threads_that_look_up_one_new_key_get_one_object() -> None:
    breaker = bounded(1_000)
    found: list[set[int]] = [set() for _ in range(100)]
    ready = threading.Barrier(8)
    kept: list[Circuit] = []

    def look() -> None:
        ready.wait()
        for number in range(100):
            circuit = breaker.circuit(f"k{number}")
            kept.append(circuit)
            found[number].add(id(circuit))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(ids) == 1 for ids in found)


def test_circuits_that_recovered_without_a_fleet_make_room_again() -> None:
    """Their recovery is told to nobody: waiting for that would fill the registry for ever."""
    clock = ManualClock()
    breaker = bounded(10, clock, defaults=CircuitConfig(failure_threshold=1, success_threshold=1))
    for number in range(50):
        circuit = breaker.circuit(f"host-{number}")
        assert circuit.key == f"host-{number}"
        trip(circuit)
        clock.advance(60)
        inside.settle(circuit, inside.admit(circuit), Outcome.SUCCESS)
        assert circuit.state == "CLOSED"
        del circuit


def test_recovery_that_the_fleet_has_not_heard_of_is_not_forgotten() -> None:
    clock = ManualClock()
    breaker = bounded(10, clock, defaults=CircuitConfig(success_threshold=1))
    circuit = breaker.circuit("shared")
    FleetSide(circuit).adopt(
        News(7, "b", CircuitState.OPEN, failures=1, successes=0, remaining=1.0)
    )
    clock.advance(1)
    inside.settle(circuit, inside.admit(circuit), Outcome.SUCCESS)
    del circuit
    for number in range(200):
        breaker.circuit(f"tenant-{number}")
    proposal = FleetSide(breaker.circuit("shared")).propose()
    assert proposal is not None
    assert (proposal.state, proposal.version) == ("CLOSED", 7)


def test_circuit_known_from_the_fleet_first_takes_the_configuration_of_the_code() -> None:
    """The code must not fail for having been later than the news."""
    breaker = bounded(10)
    heard = inside.registry_of(breaker).hear_of("a")
    assert heard is not None
    FleetSide(heard).adopt(News(1, "b", CircuitState.OPEN, failures=1, successes=0, remaining=5.0))
    config = CircuitConfig(failure_threshold=9)
    circuit = breaker.circuit("a", config)
    assert circuit is heard
    assert (circuit.config, circuit.state) == (config, "OPEN")
    with pytest.raises(ValueError, match="another configuration"):
        breaker.circuit("a", CircuitConfig(failure_threshold=8))


def test_circuit_heard_of_has_the_configuration_that_was_declared_for_its_key() -> None:
    config = CircuitConfig(failure_threshold=9)
    breaker = bounded(10, circuits={"host:*": config})
    heard = inside.registry_of(breaker).hear_of("host:a")
    assert heard is not None
    assert heard.config is config


def test_member_of_an_enum_of_strings_is_the_same_key_everywhere() -> None:
    config = CircuitConfig(failure_threshold=1)
    breaker = bounded(10, circuits={Named.STOCK: config})
    circuit = breaker.circuit(Named.STOCK)
    assert breaker.circuit("inventory-api") is circuit
    assert f"{circuit.key}" == "inventory-api"
    assert circuit.config is config
    trip(circuit)
    with pytest.raises(CircuitOpenError, match="OPEN for inventory-api"):
        inside.admit(circuit)
    assert breaker.state(Named.STOCK) == "OPEN"


class Named(str, Enum):  # noqa: UP042 - unlike a StrEnum it shows its own name in texts
    STOCK = "inventory-api"


@pytest.mark.parametrize("key", ["", "..", "a\nb", 5, None])
def test_bad_key_makes_no_circuit(key: Any) -> None:
    breaker = bounded(10)
    for ask in (breaker.circuit, breaker.state, breaker.stats):
        with pytest.raises((ValueError, TypeError), match="key must"):
            ask(key)
    assert list(breaker.circuits()) == []


def test_held_circuit_is_the_same_for_threads_while_others_come_and_go() -> None:
    breaker = bounded(20)
    held = breaker.circuit("held")
    trip(breaker.circuit("open"))
    wrong: list[object] = []

    def churn() -> None:
        mine = threading.get_ident()
        for number in range(500):
            breaker.circuit(f"{mine}-{number}")
            if breaker.circuit("held") is not held or breaker.state("held") != "CLOSED":
                wrong.append(number)
            if breaker.state("open") != "OPEN":
                wrong.append(number)

    run_in_threads(8, churn)
    assert wrong == []
    assert len(list(breaker.circuits())) == 20


def test_held_circuit_is_seen_by_readers_while_room_is_made() -> None:
    """Making room takes a circuit out for a moment to see whether anyone holds it."""
    breaker = bounded(1)
    held = breaker.circuit("held")
    inside.settle(held, inside.admit(held), Outcome.FAILURE)
    stop, missed = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if breaker.stats("held").failures != 1:
                missed.append(1)

    def churn() -> None:
        for number in range(2_000):
            inside.look_for_room_again(breaker)
            breaker.circuit(f"k{number}")
        stop.set()

    works = [churn, read, read]

    def work() -> None:
        works.pop()()

    run_in_threads(3, work)
    assert missed == []


def test_iterating_while_circuits_are_made_is_safe() -> None:
    breaker = bounded(100)
    for number in range(50):
        breaker.circuit(f"a{number}")
    for circuit in breaker.circuits():
        breaker.circuit(f"made for {circuit.key}")
    assert len(inside.registry_of(breaker)) == 100


async def test_calls_under_the_overflow_circuit_are_never_rejected() -> None:
    breaker = bounded(1)
    held = breaker.circuit("held")
    for number in range(30):
        with pytest.raises(ZeroDivisionError):
            await breaker.execute(f"surplus-{number % 3}", lambda: 1 // 0)
    assert await breaker.execute("surplus-0", lambda: 7) == 7
    assert held.stats().failures == 0
    assert breaker.stats("surplus-0").failures == 0
