"""Probes that do not end, and a HALF_OPEN that does not."""

from __future__ import annotations

from dataclasses import replace

from fastapi_hybrid_breaker.core.probe import Probe

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    NOT_COUNTED,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    half_open,
    probe,
)


def test_half_open_for_longer_than_its_maximum_the_next_call_opens_it() -> None:
    machine, _ = half_open(half_open_max_duration=30.0)
    assert machine.admit(89.9)[1] is None
    ticket, change = machine.admit(90.0)
    assert ticket is None
    assert change is not None
    assert (change.old, change.new, change.cause) == (HALF_OPEN, OPEN, "half_open_expired")
    assert machine.retry_after(90.0) == OPEN_TIME


def test_its_maximum_counts_from_the_first_probe_and_not_from_the_last() -> None:
    machine, first = half_open(
        half_open_max_duration=30.0, success_threshold=9, half_open_timeout=5.0
    )
    machine.settle(first, SUCCESS, 61.0)
    late = probe(machine, 89.0)
    machine.admit(90.0)
    assert machine.state is OPEN
    assert machine.settle(late, SUCCESS, 91.0) is None


def test_idle_for_longer_than_its_maximum_the_next_call_is_a_probe() -> None:
    machine, first = half_open(half_open_max_duration=30.0, success_threshold=2)
    machine.settle(first, SUCCESS, 61.0)
    assert machine.is_ready_to_probe(5000.0)
    machine.settle(probe(machine, 5000.0), SUCCESS, 5001.0)
    assert machine.state is CLOSED


def test_its_maximum_counts_anew_from_the_call_after_the_idle_time() -> None:
    machine, first = half_open(
        half_open_max_duration=30.0, success_threshold=9, half_open_timeout=60.0
    )
    machine.settle(first, SUCCESS, 61.0)
    probe(machine, 5000.0)
    assert isinstance(machine.admit(5029.9)[0], Probe)
    assert machine.admit(5030.0)[0] is None
    assert machine.state is OPEN


def test_with_somebody_waiting_it_is_not_idle_and_opens_at_its_maximum() -> None:
    machine, first = half_open(
        half_open_max_duration=30.0, half_open_max_calls=1, half_open_timeout=60.0
    )
    assert machine.admit(86.0)[0] is None
    machine.settle(first, NOT_COUNTED, 87.0)
    assert not machine.is_ready_to_probe(90.0)
    assert machine.admit(90.0)[0] is None
    assert machine.state is OPEN


def test_without_a_maximum_it_goes_on_probing() -> None:
    machine, _ = half_open(half_open_timeout=5.0)
    assert isinstance(machine.admit(1e7)[0], Probe)
    assert machine.state is HALF_OPEN


def test_a_place_that_passed_on_does_not_come_back_with_a_longer_deadline() -> None:
    machine, first = half_open(half_open_timeout=5.0, half_open_max_calls=1)
    second = probe(machine, OPEN_TIME + 5.0)
    machine.configure(replace(machine.config, half_open_timeout=60.0))
    assert not first.has_place(OPEN_TIME + 6.0)
    assert second.has_place(OPEN_TIME + 6.0)


class Seen:
    def __init__(self, *, is_well: bool) -> None:
        self.is_well = is_well

    def looks_healthy(self) -> bool:
        return self.is_well


def test_a_probe_that_goes_well_at_its_deadline_is_a_success() -> None:
    machine, first = half_open(success_threshold=2, half_open_timeout=5.0)
    first.watcher = Seen(is_well=True)
    second = probe(machine, 60.0)
    second.watcher = Seen(is_well=True)
    ticket, change = machine.admit(65.0)
    assert change is not None
    assert (change.new, change.cause) == (CLOSED, "probes_succeeded")
    assert ticket == machine.free_permit
    assert machine.settle(first, FAILURE, 66.0) is None  # it was settled


def test_a_probe_that_does_not_only_loses_its_place() -> None:
    machine, first = half_open(success_threshold=1, half_open_timeout=5.0)
    first.watcher = Seen(is_well=False)
    ticket, change = machine.admit(65.0)
    assert isinstance(ticket, Probe)
    assert (machine.state, machine.successes, change) == (HALF_OPEN, 0, None)
    assert machine.settle(first, SUCCESS, 66.0) is not None  # late, and in its own generation


def test_a_probe_that_ended_is_not_asked_how_it_goes() -> None:
    machine, first = half_open(success_threshold=2, half_open_timeout=5.0)
    first.watcher = Seen(is_well=True)
    machine.settle(first, SUCCESS, 64.0)
    machine.admit(65.0)
    assert (machine.state, machine.successes) == (HALF_OPEN, 1)


def test_a_probe_is_not_asked_before_its_deadline() -> None:
    machine, first = half_open(success_threshold=1, half_open_max_calls=2, half_open_timeout=5.0)
    first.watcher = Seen(is_well=True)
    machine.admit(64.9)
    assert machine.state is HALF_OPEN


def test_probing_for_too_long_does_not_hide_that_its_probes_go_well() -> None:
    machine, first = half_open(
        success_threshold=1, half_open_timeout=30.0, half_open_max_duration=30.0
    )
    first.watcher = Seen(is_well=True)
    ticket, _ = machine.admit(90.0)
    assert ticket is not None
    assert machine.state is CLOSED
