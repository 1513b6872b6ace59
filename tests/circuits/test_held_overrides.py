"""Overrides of keys without a circuit: how many are held, which, and until when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.circuits import held_overrides
from fastapi_hybrid_breaker.circuits.held_overrides import HeldOverrides
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideNews, OverrideView
from fastapi_hybrid_breaker.core.states import never_used
from tests import inside

from .parts import CONFIG, OPEN_TIME, fine_sync

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.testing import ManualClock

FORCED, DISABLED = OverrideKind.FORCED_OPEN, OverrideKind.DISABLED
SHADOW, ENFORCED = OverrideKind.SHADOW, OverrideKind.ENFORCED


def set_(
    kind: OverrideKind = FORCED, seconds: float | None = None, version: int = 1
) -> OverrideNews:
    return OverrideNews(version, "b", OverrideView(kind, "ann", "a migration", seconds))


@pytest.fixture
def held(clock: ManualClock) -> HeldOverrides:
    return HeldOverrides(clock)


def keys(held: HeldOverrides) -> list[str]:
    return [key for key, _ in held.overrides()]


@pytest.fixture
def _room_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_overrides, "_MOST", 2)


# -- which ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_room_for_two")
def test_no_more_are_held_than_there_is_room_for(held: HeldOverrides) -> None:
    assert held.follow("a", set_())
    assert held.follow("b", set_())
    assert not held.follow("c", set_())
    assert keys(held) == ["a", "b"]
    assert held.follow("b", set_(DISABLED, version=2))  # one that is held needs no more
    assert [one.kind for _, one in held.overrides()] == [FORCED, DISABLED]


@pytest.mark.usefixtures("_room_for_two")
def test_one_that_has_expired_makes_room(held: HeldOverrides, clock: ManualClock) -> None:
    held.follow("a", set_(seconds=5.0))
    held.follow("b", set_())
    clock.advance(5.0)
    assert len(held) == 2
    assert held.follow("c", set_())
    assert (keys(held), len(held)) == (["b", "c"], 2)


def test_one_that_has_expired_stays_as_long_as_there_is_room(
    held: HeldOverrides, clock: ManualClock
) -> None:
    """Its version parts what is newer from what is older, and comes late."""
    held.follow("a", set_(seconds=5.0, version=7))
    clock.advance(5.0)
    held.follow("b", set_())
    assert len(held) == 2
    assert held.follow("a", set_(version=6))
    assert "a" not in held


def test_one_is_held_until_it_expires(held: HeldOverrides, clock: ManualClock) -> None:
    held.follow("a", set_(seconds=5.0))
    held.follow("b", set_())
    clock.advance(4.5)
    assert ("a" in held, "b" in held, "c" in held, keys(held)) == (True, True, False, ["a", "b"])
    clock.advance(0.5)
    assert ("a" in held, "b" in held, keys(held)) == (False, True, ["b"])


def test_the_newest_is_held_and_one_that_was_cleared_is_not(held: HeldOverrides) -> None:
    held.follow("a", set_(version=7))
    assert held.follow("a", set_(DISABLED, version=6))  # too late
    assert [one.kind for _, one in held.overrides()] == [FORCED]
    assert held.follow("a", OverrideNews(8, "b", None))
    assert ("a" in held, len(held)) == (False, 0)
    assert held.follow("a", OverrideNews(9, "b", None))  # and nothing is there to clear
    assert len(held) == 0


def test_one_that_its_circuit_has_is_not_held(held: HeldOverrides) -> None:
    held.follow("a", set_())
    held.release("a")
    held.release("a")
    assert ("a" in held, len(held)) == (False, 0)


# -- what is shown ----------------------------------------------------------------------------

USUAL = never_used(CONFIG)


def test_a_key_that_is_forced_open_shows_when_calls_are_admitted_again(
    held: HeldOverrides, clock: ManualClock
) -> None:
    held.follow("a", set_(seconds=60.0))
    clock.advance(20.0)
    before = time.time()
    stats = held.over("a", USUAL, CONFIG)
    after = time.time()
    assert (stats.state, stats.retry_after, stats.ready_to_probe) == ("OPEN", 40.0, False)
    assert stats.next_attempt is not None
    assert before + 40.0 <= stats.next_attempt <= after + 40.0
    assert stats.override == OverrideView(FORCED, "ann", "a migration", 40.0)


def test_nobody_knows_when_an_override_without_an_end_is_over(held: HeldOverrides) -> None:
    held.follow("a", set_())
    stats = held.over("a", USUAL, CONFIG)
    assert (stats.state, stats.retry_after, stats.next_attempt) == ("OPEN", OPEN_TIME, None)


def test_a_key_that_is_disabled_admits_everything(held: HeldOverrides) -> None:
    held.follow("a", set_(DISABLED, seconds=60.0))
    stats = held.over("a", USUAL, CONFIG)
    assert (stats.state, stats.retry_after, stats.next_attempt) == ("CLOSED", 0.0, None)
    assert stats.override is not None


@pytest.mark.parametrize(
    ("kind", "configured", "mode"), [(SHADOW, "enforce", "shadow"), (ENFORCED, "shadow", "enforce")]
)
def test_an_override_of_the_mode_changes_the_mode_alone(
    held: HeldOverrides, kind: OverrideKind, configured: str, mode: str
) -> None:
    config = CircuitConfig(mode=configured)  # type: ignore[arg-type]
    held.follow("a", set_(kind))
    stats = held.over("a", never_used(config), config)
    assert (stats.mode, stats.state, stats.retry_after) == (mode, "CLOSED", 0.0)


def test_a_key_shows_nothing_of_an_override_that_is_over(
    held: HeldOverrides, clock: ManualClock
) -> None:
    held.follow("a", set_(seconds=5.0))
    clock.advance(5.0)
    assert held.over("a", USUAL, CONFIG) is USUAL
    assert held.over("b", USUAL, CONFIG) is USUAL


# -- the circuit ------------------------------------------------------------------------------


def test_the_first_call_of_a_key_meets_the_override_that_is_held_for_it(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    held = inside.registry_of(breaker).held
    held.follow("a", set_(seconds=60.0, version=7))
    clock.advance(20.0)
    with pytest.raises(CircuitOpenError) as rejection:
        breaker.circuit("a").call_sync(fine_sync)
    assert rejection.value.retry_after == 40.0
    assert inside.of(breaker.circuit("a")).override_version == 7
    assert len(held) == 0
    clock.advance(40.0)
    assert breaker.circuit("a").call_sync(fine_sync) == 1


def test_the_first_call_of_a_key_meets_no_override_that_is_over(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    held = inside.registry_of(breaker).held
    held.follow("a", set_(seconds=5.0))
    clock.advance(5.0)
    assert breaker.circuit("a").call_sync(fine_sync) == 1
    assert (breaker.circuit("a").history(), len(held)) == ((), 0)


def test_a_circuit_that_is_heard_of_is_under_the_override_that_is_held_for_it(
    breaker: HybridBreaker,
) -> None:
    registry = inside.registry_of(breaker)
    registry.held.follow("a", set_())
    assert registry.hear_of("a") is not None
    assert (breaker.state("a"), len(registry.held)) == ("OPEN", 0)
