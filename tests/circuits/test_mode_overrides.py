"""The mode switched at run time: into shadow mode and out of it, as overrides are set."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
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
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import FleetSide

from .parts import CONFIG, OPEN_TIME, fail, fine_sync, trip

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


def put(circuit: Circuit, kind: str, seconds: float | None = 60.0) -> None:
    asyncio.run(circuit.override(kind, by="ann", reason="a trial", seconds=seconds))


def clear(circuit: Circuit) -> None:
    asyncio.run(circuit.clear_override(by="bob"))


@pytest.fixture
def trying(clock: ManualClock) -> Circuit:
    """A circuit that is configured for shadow mode."""
    config = replace(CONFIG, mode="shadow")
    return HybridBreaker(redis=None, defaults=config, clock=clock).circuit("inventory-api")


def test_shadow_rejects_nothing_and_goes_on_deciding(circuit: Circuit, clock: ManualClock) -> None:
    trip(circuit)
    put(circuit, "shadow")
    assert (circuit.state, circuit.stats().mode) == (OPEN, "shadow")
    assert circuit.call_sync(fine_sync) == 1
    fail(circuit)
    stats = circuit.stats()
    assert (stats.rejected, stats.shadowed, stats.shadowed_failures) == (0, 2, 1)
    clock.advance(OPEN_TIME)
    for _ in range(2):
        circuit.call_sync(fine_sync)
    assert circuit.state is CLOSED
    trip(circuit)
    assert circuit.call_sync(fine_sync) == 1


def test_shadow_ends_at_its_time_and_what_it_decided_holds(
    circuit: Circuit, clock: ManualClock
) -> None:
    put(circuit, "shadow", 3.0)
    trip(circuit)
    clock.advance(3.0)
    assert circuit.stats().mode == "enforce"
    with pytest.raises(CircuitOpenError) as rejection:
        circuit.call_sync(fine_sync)
    assert rejection.value.retry_after == OPEN_TIME - 3.0
    assert (circuit.state, circuit.stats().override) == (OPEN, None)


def test_enforced_rejects_although_it_is_configured_for_shadow_mode(
    trying: Circuit, clock: ManualClock
) -> None:
    trip(trying)
    assert trying.call_sync(fine_sync) == 1
    put(trying, "enforced", 5.0)
    for _ in range(2):
        with pytest.raises(CircuitOpenError):
            trying.call_sync(fine_sync)
    assert (trying.stats().mode, trying.stats().rejected, trying.stats().shadowed) == (
        "enforce",
        2,
        1,
    )
    clock.advance(5.0)
    assert trying.call_sync(fine_sync) == 1
    assert (trying.stats().mode, trying.stats().shadowed) == ("shadow", 2)


@pytest.mark.parametrize("kind", ["shadow", "enforced"])
def test_same_mode_as_configured_changes_nothing(
    circuit: Circuit, trying: Circuit, kind: str
) -> None:
    one = trying if kind == "shadow" else circuit
    fail(one)
    put(one, kind)
    fail(one)
    assert one.state is OPEN
    clear(one)
    assert (one.state, one.stats().mode) == (OPEN, one.config.mode)


def test_switching_is_told_with_who_and_why(circuit: Circuit) -> None:
    put(circuit, "shadow")
    trip(circuit)
    clear(circuit)
    told = [(one.old, one.new, one.cause, one.evidence.rule) for one in circuit.history()]
    assert told == [
        (CLOSED, CLOSED, "override", "shadow"),
        (CLOSED, OPEN, "failures", "2 failures in a row"),
        (OPEN, OPEN, "override_ended", ""),
    ]
    assert circuit.history()[0].evidence.by == "ann"


def test_one_kind_replaces_the_other(circuit: Circuit) -> None:
    trip(circuit)
    put(circuit, "shadow")
    put(circuit, "forced_open")
    with pytest.raises(CircuitOpenError):
        circuit.call_sync(fine_sync)
    assert circuit.stats().mode == "enforce"
    put(circuit, "shadow")
    assert circuit.call_sync(fine_sync) == 1
    put(circuit, "disabled")
    assert (circuit.state, circuit.call_sync(fine_sync)) == (CLOSED, 1)
    assert circuit.stats().shadowed == 1
    clear(circuit)
    with pytest.raises(CircuitOpenError):
        circuit.call_sync(fine_sync)


def test_configuration_that_comes_later_does_not_end_it(circuit: Circuit) -> None:
    put(circuit, "shadow")
    inside.configure(circuit, CircuitConfig(failure_threshold=1))
    fail(circuit)
    assert (circuit.state, circuit.call_sync(fine_sync)) == (OPEN, 1)


def test_ramp_goes_on_after_a_shadow_mode_in_which_there_is_none(
    clock: ManualClock,
) -> None:
    config = replace(CONFIG, success_threshold=1, ramp_seconds=40.0, ramp_shares=(0.1,))
    circuit = HybridBreaker(redis=None, defaults=config, clock=clock).circuit("upstream")
    trip(circuit)
    clock.advance(OPEN_TIME)
    circuit.call_sync(fine_sync)
    put(circuit, "shadow")
    for _ in range(10):
        circuit.call_sync(fine_sync)
    assert (circuit.state, circuit.stats().shadowed) == (CLOSED, 0)
    clear(circuit)
    admitted = 0
    for _ in range(10):
        with suppress(CircuitOpenError):
            admitted += circuit.call_sync(fine_sync)
    assert admitted == 1


# -- the fleet -----------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"scope": "instance"}, {"quorum": 2}], ids=str)
def test_what_is_decided_in_shadow_mode_is_nobody_elses_business_until_it_ends(
    clock: ManualClock, settings: dict[str, Any]
) -> None:
    config = replace(CONFIG, **settings)
    circuit = HybridBreaker(redis=None, defaults=config, clock=clock).circuit("upstream")
    core = inside.of(circuit)
    put(circuit, "shadow")
    trip(circuit)
    assert (
        FleetSide(circuit).propose(),
        core.local_only,
        FleetSide(circuit).vote(),
    ) == (
        None,
        False,
        None,
    )
    clear(circuit)
    if settings:  # it is open here, and binds nobody else
        assert (
            FleetSide(circuit).propose(),
            core.local_only,
            FleetSide(circuit).vote(),
        ) == (
            None,
            True,
            True,
        )
        put(circuit, "shadow")
        assert (core.local_only, FleetSide(circuit).vote()) == (False, False)
    else:
        proposal = FleetSide(circuit).propose()
        assert proposal is not None
        assert (proposal.state, core.local_only) == (OPEN, False)


def test_what_the_fleet_decided_meanwhile_is_not_proposed_again(circuit: Circuit) -> None:
    put(circuit, "shadow")
    trip(circuit)
    FleetSide(circuit).adopt(News(1, "b", CLOSED, failures=0, successes=0, remaining=0.0))
    clear(circuit)
    assert (circuit.state, FleetSide(circuit).propose()) == (CLOSED, None)


def test_change_of_before_it_is_still_proposed(circuit: Circuit) -> None:
    trip(circuit)
    put(circuit, "shadow")
    proposal = FleetSide(circuit).propose()
    assert proposal is not None
    assert proposal.state is OPEN


async def test_health_leaves_out_what_rejects_nothing(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock
) -> None:
    trip(circuit)
    await circuit.override("shadow", by="ann", reason="a trial", seconds=5.0)
    health = breaker.health()
    assert (health.status, health.open, health.overridden) == ("ok", (), (circuit.key,))
    clock.advance(5.0)  # and nobody calls
    health = breaker.health()
    assert (health.status, health.open, health.overridden) == ("degraded", (circuit.key,), ())
