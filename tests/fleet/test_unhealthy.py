"""What an instance tells of its circuits with its signs of life, and what others make of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.core.states import StateChange
from fastapi_hybrid_breaker.fleet.about_instances import AboutInstance
from fastapi_hybrid_breaker.fleet.instances import UnhealthyCircuit
from fastapi_hybrid_breaker.fleet.unhealthy import LARGEST, MOST, UnhealthyCircuits
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .sessions import watched_by


def watched(keys: int = 1, name: str = "k") -> tuple[HybridBreaker, UnhealthyCircuits, ManualClock]:
    clock = ManualClock()
    breaker = HybridBreaker(redis=None, clock=clock, max_circuits=200)
    troubles = UnhealthyCircuits(inside.registry_of(breaker))

    def changed(change: StateChange) -> None:
        circuit = breaker.circuit(change.key)
        troubles.changed(circuit, circuit.rejected)

    breaker.on_change(changed)
    for number in range(keys):
        inside.open_here(breaker.circuit(f"{name}{number}"), 60.0)
    return breaker, troubles, clock


def reject(breaker: HybridBreaker, key: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(CircuitOpenError):
            breaker.circuit(key).call_sync(int)


def read_troubles(said: Any) -> tuple[dict[str, UnhealthyCircuit] | None, int]:
    about = AboutInstance.read(said)
    return about.unhealthy(), about.more


def test_open_circuits_are_told_with_their_rejections_per_second() -> None:
    breaker, troubles, clock = watched(2)
    now = clock()
    assert troubles.report(now) == {
        "circuits": {"k0": ["OPEN", 0.0], "k1": ["OPEN", 0.0]},
        "more": 0,
    }
    reject(breaker, "k1", 10)
    told = troubles.report(now + 4)["circuits"]
    assert list(told.items()) == [("k1", ["OPEN", 2.5]), ("k0", ["OPEN", 0.0])]


def test_a_circuit_that_nobody_calls_is_told_as_such_and_last() -> None:
    breaker, troubles, clock = watched(2)
    inside.open_here(breaker.circuit("k0"), 5.0)
    clock.advance(5.0)
    said = troubles.report(clock())
    assert list(said["circuits"].items()) == [("k1", ["OPEN", 0.0]), ("k0", ["OPEN", 0.0])]
    assert said["ready"] == ["k0"]
    told, _ = read_troubles(said)
    assert told == {
        "k0": UnhealthyCircuit(CircuitState.OPEN, 0.0, ready_to_probe=True),
        "k1": UnhealthyCircuit(CircuitState.OPEN, 0.0),
    }
    read_by_older, _ = read_troubles({**said, "ready": "nonsense"})
    assert read_by_older == dict.fromkeys(("k0", "k1"), UnhealthyCircuit(CircuitState.OPEN, 0.0))


def test_closed_circuits_are_told_no_more() -> None:
    breaker, troubles, clock = watched(1)
    reject(breaker, "k0", 3)
    troubles.report(clock())
    reject(breaker, "k0", 3)
    inside.reset_here(breaker.circuit("k0"))
    assert troubles.report(clock() + 1)["circuits"] == {"k0": ["CLOSED", 3.0]}
    assert troubles.report(clock() + 2)["circuits"] == {}
    assert not watched_by(troubles)


def test_a_circuit_that_opens_while_it_is_looked_at_is_told_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaker, troubles, clock = watched(1)
    circuit = breaker.circuit("k0")
    inside.reset_here(circuit)

    def look(self: Circuit) -> CircuitState:
        state = inside.of(self).state
        if state is CircuitState.CLOSED:  # and now a call in another thread fails
            inside.open_here(self, 60.0)
        return state

    with monkeypatch.context() as patch:
        patch.setattr(Circuit, "state", property(look))
        assert troubles.report(clock())["circuits"] == {}
    assert troubles.report(clock() + 1)["circuits"] == {"k0": ["OPEN", 0.0]}


def test_a_circuit_made_anew_is_told_in_a_way_that_others_understand() -> None:
    breaker, troubles, clock = watched(1)
    reject(breaker, "k0", 9)
    troubles.report(clock())
    inside.reset_here(breaker.circuit("k0"))
    del inside.registry_of(breaker).by_key["k0"]  # as if to make room
    inside.open_here(breaker.circuit("k0"), 60.0)
    reject(breaker, "k0", 2)
    assert read_troubles(troubles.report(clock() + 1)) == (
        {"k0": UnhealthyCircuit(CircuitState.OPEN, 2.0)},
        0,
    )


def test_the_worst_are_told_where_there_is_no_room_for_all() -> None:
    breaker, troubles, clock = watched(MOST + 5)
    troubles.report(clock())
    reject(breaker, "k44", 1)
    said = troubles.report(clock() + 1)
    assert len(said["circuits"]) == MOST
    assert said["more"] == 5
    assert next(iter(said["circuits"])) == "k44"


@pytest.mark.parametrize("is_over", [False, True])
def test_long_keys_leave_room_for_the_rest_of_the_sign(*, is_over: bool) -> None:
    _, troubles, clock = watched(30, "\u0416" * 190)
    if is_over:
        clock.advance(60.0)
    said = troubles.report(clock())
    assert len(json.dumps([said["circuits"], said.get("ready")])) <= LARGEST
    assert said["more"] == 30 - len(said["circuits"]) > 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, (None, 0)),
        ({"circuits": []}, (None, 0)),
        (
            {"circuits": {"a": ["OPEN", 1.5]}, "more": 2},
            ({"a": UnhealthyCircuit(CircuitState.OPEN, 1.5)}, 2),
        ),
        ({"circuits": {"a": ["open", 1]}, "more": -1}, ({}, 0)),
        ({"circuits": {"a": ["OPEN", "1"], "b": ["OPEN"], "c": None}, "more": "x"}, ({}, 0)),
        ({"circuits": {"a": [["OPEN"], 1], "b": ["OPEN", -1], "c": ["OPEN", 1e99]}}, ({}, 0)),
        ({"circuits": {"a": ["OPEN", float("nan")], "b": ["OPEN", True]}}, ({}, 0)),
    ],
)
def test_what_is_malformed_is_left_out(said: Any, expected: Any) -> None:
    assert read_troubles(said) == expected


def in_shadow_mode(kind: str = "shadow") -> tuple[HybridBreaker, UnhealthyCircuits, ManualClock]:
    breaker, troubles, clock = watched()
    asyncio.run(breaker.override("k0", kind, by="ann", reason="a trial", seconds=None))
    return breaker, troubles, clock


def test_circuit_in_shadow_mode_is_told_with_what_it_would_have_rejected() -> None:
    breaker, troubles, clock = in_shadow_mode()
    for number in range(4):
        with suppress(ZeroDivisionError):
            breaker.circuit("k0").call_sync(lambda n=number: 1 // n)
    said = troubles.report(clock())
    assert said == {"circuits": {"k0": ["OPEN", 0.0]}, "more": 0, "shadow": {"k0": [4, 1]}}
    told, _ = read_troubles(said)
    assert told == {"k0": UnhealthyCircuit(CircuitState.OPEN, 0.0, False, 4, 1)}


@pytest.mark.parametrize("kind", ["enforced", "forced_open"])
def test_circuit_that_rejects_is_not_told_as_one_in_shadow_mode(kind: str) -> None:
    _, troubles, clock = in_shadow_mode(kind)
    assert "shadow" not in troubles.report(clock())


@pytest.mark.parametrize(
    "nonsense", [None, [], [4], [4, 1, 1], [1, 4], [-1, 0], [True, False], [4.0, 1.0], [10**310, 1]]
)
def test_counts_of_shadow_mode_that_are_none_are_left_out(nonsense: object) -> None:
    said = {"circuits": {"k0": ["OPEN", 0.0]}, "more": 0, "shadow": {"k0": nonsense}}
    assert read_troubles(said)[0] == {"k0": UnhealthyCircuit(CircuitState.OPEN, 0.0)}
    assert read_troubles({**said, "shadow": nonsense})[0] == {
        "k0": UnhealthyCircuit(CircuitState.OPEN, 0.0)
    }
