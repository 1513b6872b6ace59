"""Operators' overrides of one process, in every shape of call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, HybridBreaker, OverrideKind
from tests import inside

from .parts import (
    CONFIG,
    OPEN_TIME,
    BrokenError,
    Shape,
    broken,
    each_async_shape,
    each_sync_shape,
    fine,
    fine_sync,
    let_probe,
    trip,
)

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.testing import ManualClock


def put(circuit: Circuit, kind: str, seconds: float | None = 60.0) -> str:
    return asyncio.run(circuit.override(kind, by="ann", reason="a migration", seconds=seconds))


async def put_now(circuit: Circuit, kind: str, seconds: float | None = 60.0) -> None:
    assert await circuit.override(kind, by="ann", reason="x", seconds=seconds) == "local"


@each_async_shape
async def test_forced_open_rejects_and_tells_how_long(
    circuit: Circuit, clock: ManualClock, shape: Shape
) -> None:
    await put_now(circuit, "forced_open")
    clock.advance(15.0)
    with pytest.raises(CircuitOpenError) as rejection:
        await shape(circuit, fine)
    assert rejection.value.retry_after == 45.0
    assert (circuit.state, circuit.stats().rejected) == ("OPEN", 1)
    clock.advance(45.0)
    assert await shape(circuit, fine) == 1


@each_async_shape
async def test_disabled_admits_all_and_counts_nothing(
    circuit: Circuit, clock: ManualClock, shape: Shape
) -> None:
    await put_now(circuit, "disabled")
    for _ in range(10):
        with pytest.raises(BrokenError):
            await shape(circuit, broken)
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 0)
    clock.advance(60.0)
    for _ in range(2):
        with pytest.raises(BrokenError):
            await shape(circuit, broken)
    assert circuit.state == "OPEN"


@each_sync_shape
def test_sync_calls_obey_as_well(circuit: Circuit, shape: Shape) -> None:
    assert put(circuit, "forced_open") == "local"
    with pytest.raises(CircuitOpenError):
        shape(circuit, fine_sync)
    put(circuit, "disabled")
    assert shape(circuit, fine_sync) == 1


def test_its_end_shows_before_anything_has_changed_and_is_told_with_the_next_call(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock
) -> None:
    put(circuit, "forced_open")
    told: list[Any] = []
    breaker.on_change(told.append)
    clock.advance(60.0)
    assert (circuit.state, circuit.stats().state, circuit.stats().override) == (
        "CLOSED",
        "CLOSED",
        None,
    )
    assert told == []
    circuit.call_sync(fine_sync)
    assert [(one.old, one.new, one.cause) for one in told] == [("OPEN", "CLOSED", "override_ended")]
    circuit.call_sync(fine_sync)
    assert len(told) == 1


def test_figures_show_who_and_why_and_how_long(circuit: Circuit, clock: ManualClock) -> None:
    put(circuit, "forced_open")
    clock.advance(10.0)
    stats = circuit.stats()
    view = stats.override
    assert view is not None
    assert (view.kind, view.by, view.reason, view.remaining) == (
        OverrideKind.FORCED_OPEN,
        "ann",
        "a migration",
        50.0,
    )
    assert stats.next_attempt is not None
    put(circuit, "forced_open", None)
    assert circuit.stats().next_attempt is None


def test_a_circuit_that_was_open_is_open_again_after_it(
    circuit: Circuit, clock: ManualClock
) -> None:
    trip(circuit)
    put(circuit, "disabled", 5.0)
    assert circuit.call_sync(fine_sync) == 1
    clock.advance(5.0)
    with pytest.raises(CircuitOpenError) as rejection:
        circuit.call_sync(fine_sync)
    assert rejection.value.retry_after == OPEN_TIME - 5.0


def test_a_probe_that_was_running_still_counts(circuit: Circuit, clock: ManualClock) -> None:
    let_probe(circuit, clock)
    with circuit.guard():
        put(circuit, "forced_open")
    assert circuit.stats().successes == 1


async def test_clearing_ends_it_and_is_harmless_without_one(circuit: Circuit) -> None:
    await put_now(circuit, "forced_open", None)
    assert await circuit.clear_override(by="bob") == "local"
    assert await circuit.call(fine) == 1
    await circuit.clear_override()
    assert circuit.state == "CLOSED"


async def test_a_circuit_that_nobody_used_can_be_overridden(breaker: HybridBreaker) -> None:
    await breaker.override("new", "forced_open", by="ann", reason="x", seconds=60)
    with pytest.raises(CircuitOpenError):
        await breaker.execute("new", fine)
    await breaker.clear_override("new")
    assert await breaker.execute("new", fine) == 1


@pytest.mark.parametrize(
    ("wrong", "name"),
    [({"kind": "off"}, "kind"), ({"by": ""}, "by"), ({"reason": "\n"}, "reason"),
     ({"seconds": 0}, "seconds"), ({"seconds": True}, "seconds")],
)  # fmt: skip
async def test_a_bad_order_changes_nothing(
    circuit: Circuit, wrong: dict[str, Any], name: str
) -> None:
    order: dict[str, Any] = {"kind": "disabled", "by": "ann", "reason": "x", "seconds": 5} | wrong
    with pytest.raises((TypeError, ValueError), match=name):
        await circuit.override(order.pop("kind"), **order)
    with pytest.raises(TypeError, match="by"):
        await circuit.clear_override(by=5)  # type: ignore[arg-type]
    assert circuit.history() == ()


async def test_an_overridden_circuit_is_never_forgotten(clock: ManualClock) -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG, clock=clock, max_circuits=2)
    await breaker.override("kept", "forced_open", by="ann", reason="x", seconds=None)
    for number in range(20):
        breaker.circuit(f"other-{number}")
    assert breaker.state("kept") == "OPEN"


async def test_with_no_room_left_the_override_reaches_no_stranger(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG, clock=clock, max_circuits=1)
    held = breaker.circuit("held")
    trip(held)
    await breaker.override("surplus", "forced_open", by="ann", reason="x", seconds=None)
    assert await breaker.execute("another", fine) == 1
    assert "no room for circuit 'surplus'" in caplog.text


def test_a_child_process_keeps_it(circuit: Circuit) -> None:
    put(circuit, "forced_open")
    inside.after_fork(circuit)  # what the child does first
    with pytest.raises(CircuitOpenError):
        circuit.call_sync(fine_sync)


# -- a reset ends no override ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(OverrideKind))
async def test_reset_says_that_an_override_stays_in_force(
    breaker: HybridBreaker, circuit: Circuit, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    trip(circuit)
    await put_now(circuit, kind)
    result = await circuit.reset()
    assert result == "local"
    assert result.override is not None
    assert (result.override.kind, result.override.by) == (kind, "ann")
    assert "was reset, but the manual override stays in force: " + kind in caplog.text
    assert circuit.stats().override is not None
    assert (await breaker.reset(circuit.key)).override is not None


async def test_reset_without_an_override_says_nothing_of_one(
    circuit: Circuit, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    await put_now(circuit, "forced_open", 5.0)
    clock.advance(5.0)
    caplog.clear()
    result = await circuit.reset()
    assert (result, result.override, caplog.text) == ("local", None, "")


async def test_result_of_a_reset_is_still_a_plain_string(breaker: HybridBreaker) -> None:
    result = await breaker.reset("never-used")
    assert {"local": 1}[result] == 1
    assert f"{result} {json.dumps(result)}" == 'local "local"'
    match result:
        case "local":
            pass
        case _:
            pytest.fail("no pattern fits")
