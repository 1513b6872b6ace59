"""What a circuit exchanges with its fleet, and when the fleet's part is told to look at it."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER, Lease
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.shared_run import ANNOUNCED_AGAIN
from fastapi_hybrid_breaker.core.states import CircuitState
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import FleetSide

from .parts import OPEN_TIME, fail, fine_sync, trip


@pytest.fixture
def stirs(breaker: HybridBreaker, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the keys that the fleet's part was told of, in a fleet of three."""
    told: list[str] = []
    monkeypatch.setattr(inside.sync_of(breaker), "touched", lambda one: told.append(one.key))
    around = inside.registry_of(breaker).peers
    around.has_fleet, around.is_connected, around.live = True, True, 3
    return told


def reported(circuit: Circuit) -> tuple[float, ...]:
    report = FleetSide(circuit).take_report(collecting=False)
    return () if report is None else report.failures


def succeed(circuit: Circuit) -> None:
    circuit.call_sync(fine_sync)


def test_successes_of_a_healthy_circuit_stir_nobody(circuit: Circuit, stirs: list[str]) -> None:
    succeed(circuit)
    assert stirs == []


def test_each_failure_stirs_once(circuit: Circuit, stirs: list[str]) -> None:
    fail(circuit)
    assert stirs == ["inventory-api"]
    assert not inside.of(circuit).needs_sync


def test_a_success_stirs_only_where_failures_were_told(circuit: Circuit, stirs: list[str]) -> None:
    fail(circuit)
    succeed(circuit)
    assert len(stirs) == 1
    fail(circuit)
    reported(circuit)
    succeed(circuit)
    assert len(stirs) == 3
    report = FleetSide(circuit).take_report(collecting=False)
    assert report is not None
    assert report.success_at is not None


def test_a_call_that_wants_to_probe_stirs(
    circuit: Circuit, stirs: list[str], clock: ManualClock
) -> None:
    trip(circuit)
    stirs.clear()
    clock.advance(OPEN_TIME)
    with pytest.raises(CircuitOpenError) as caught:
        succeed(circuit)
    assert stirs == ["inventory-api"]
    assert caught.value.retry_after >= 1.0


def test_news_that_ends_a_vote_stirs(breaker: HybridBreaker, stirs: list[str]) -> None:
    circuit = breaker.circuit("other", CircuitConfig(failure_threshold=2, quorum=2))
    trip(circuit)
    assert FleetSide(circuit).vote() is True
    stirs.clear()
    FleetSide(circuit).adopt(
        News(5, "w", CircuitState.CLOSED, failures=0, successes=0, remaining=0.0)
    )
    assert stirs == ["other"]
    assert FleetSide(circuit).vote() is False
    assert FleetSide(circuit).vote() is False  # until the fleet has answered
    FleetSide(circuit).withdrew()
    assert FleetSide(circuit).vote() is None


def test_the_end_of_an_opening_of_its_own_stirs_and_is_a_success_to_the_fleet(
    breaker: HybridBreaker, stirs: list[str], clock: ManualClock
) -> None:
    circuit = breaker.circuit("other", CircuitConfig(failure_threshold=2, quorum=2))
    trip(circuit)
    clock.advance(circuit.config.recovery_timeout)
    stirs.clear()
    while circuit.state != "CLOSED":
        succeed(circuit)
    assert set(stirs) == {"other"}
    report = FleetSide(circuit).take_report(collecting=False)
    assert report is not None
    assert (report.failures, report.success_at) == ((), clock())
    assert FleetSide(circuit).take_report(collecting=False) is None


def test_a_lease_lets_it_probe_and_is_refused_for_another_opening(
    circuit: Circuit, stirs: list[str], clock: ManualClock
) -> None:
    trip(circuit)
    clock.advance(OPEN_TIME)
    wish = FleetSide(circuit).wish()
    assert wish is not None
    FleetSide(circuit).grant(wish.opening - 1, Lease(places=1, deadline=clock() + 1.0), 0)
    with pytest.raises(CircuitOpenError):
        succeed(circuit)
    FleetSide(circuit).grant(wish.opening, Lease(places=1, deadline=clock() + 1.0), 0)
    succeed(circuit)
    assert circuit.state == "HALF_OPEN"


def test_a_probe_of_somebody_else_counts_from_when_it_is_heard_of(
    circuit: Circuit, stirs: list[str], clock: ManualClock
) -> None:
    trip(circuit)
    clock.advance(OPEN_TIME + 3.0)
    FleetSide(circuit).hear_probing(1, 3.0, 0)
    clock.advance(OVERDUE_AFTER - 0.5)
    with pytest.raises(CircuitOpenError):
        succeed(circuit)
    FleetSide(circuit).see_lease(inside.of(circuit).opening, clock() + 1.0, 0)
    clock.advance(0.75)
    with pytest.raises(CircuitOpenError):
        succeed(circuit)
    clock.advance(0.25)
    succeed(circuit)
    assert circuit.state == "HALF_OPEN"


def test_one_success_is_enough_until_the_run_is_announced_again(
    circuit: Circuit, stirs: list[str], clock: ManualClock
) -> None:
    FleetSide(circuit).listen(3600.0)
    succeed(circuit)
    assert inside.of(circuit).tracks_successes
    clock.advance(ANNOUNCED_AGAIN)
    succeed(circuit)
    assert not inside.of(circuit).tracks_successes
    assert not inside.of(circuit).counts_successes
    FleetSide(circuit).listen(3600.0)
    assert inside.of(circuit).tracks_successes
    assert inside.of(circuit).counts_successes
    assert stirs == []


def test_listens_for_so_many_seconds_from_now(
    circuit: Circuit, stirs: list[str], clock: ManualClock
) -> None:
    FleetSide(circuit).listen(5.0)
    succeed(circuit)
    assert inside.of(circuit).tracks_successes
    clock.advance(5.0)
    succeed(circuit)
    assert not inside.of(circuit).tracks_successes
    assert not inside.of(circuit).counts_successes
    assert stirs == []


def test_after_the_end_of_a_run_it_listens_on_for_a_while_and_pays_nothing_then(
    circuit: Circuit, stirs: list[str], clock: ManualClock
) -> None:
    fail(circuit)
    assert reported(circuit)
    FleetSide(circuit).listen(3600.0)
    FleetSide(circuit).run_ended(1.0)
    succeed(circuit)
    assert inside.of(circuit).tracks_successes
    clock.advance(1.0)
    succeed(circuit)
    assert not inside.of(circuit).tracks_successes
    assert not inside.of(circuit).counts_successes
    assert len(stirs) == 1


def test_who_need_not_listen_on_pays_nothing_from_the_end_of_the_run(
    circuit: Circuit, stirs: list[str]
) -> None:
    fail(circuit)
    assert reported(circuit)
    succeed(circuit)
    FleetSide(circuit).run_ended(0.0)
    assert not inside.of(circuit).tracks_successes
    assert not inside.of(circuit).counts_successes
    assert len(stirs) == 2


def test_the_end_of_a_run_is_nothing_to_who_never_failed(circuit: Circuit) -> None:
    FleetSide(circuit).run_ended(1.0)
    assert inside.of(circuit).shared_run is None


@pytest.mark.parametrize(("since", "objects"), [(-0.5, True), (0.0, False), (0.5, False)])
def test_objects_to_a_run_by_a_success_after_its_beginning(
    circuit: Circuit, stirs: list[str], clock: ManualClock, since: float, *, objects: bool
) -> None:
    clock.advance(7.0)
    FleetSide(circuit).listen(5.0)
    succeed(circuit)
    success_at = clock()
    clock.advance(1.0)
    assert FleetSide(circuit).object_to_run(success_at + since) is objects
    report = FleetSide(circuit).take_report(collecting=False)
    assert (report is not None) is objects
    if report is not None:
        assert report.success_at == success_at
    assert stirs == []


def test_who_noted_no_success_objects_to_nothing(circuit: Circuit, stirs: list[str]) -> None:
    assert not FleetSide(circuit).object_to_run(0.0)
    FleetSide(circuit).listen(5.0)
    assert not FleetSide(circuit).object_to_run(0.0)
    fail(circuit)
    assert stirs == ["inventory-api"]
    assert not FleetSide(circuit).object_to_run(0.0)


def test_a_success_in_the_first_moment_of_a_clock_is_one() -> None:
    breaker = HybridBreaker(redis=None, clock=ManualClock(0.0))
    inside.registry_of(breaker).peers.has_fleet = True
    circuit = breaker.circuit("k")
    FleetSide(circuit).listen(5.0)
    circuit.call_sync(lambda: None)
    assert FleetSide(circuit).object_to_run(-1.0)
