"""An operator's override above the cycle of a circuit."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker.core.override import (
    Override,
    OverrideKind,
    OverrideNews,
    OverrideView,
    make_override,
)
from fastapi_hybrid_breaker.core.probe import UNCOUNTED

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    SUCCESS,
    Machine,
    admit,
    half_open,
    is_rejected,
    make,
    news,
    run,
    trip,
)

FORCED, DISABLED = OverrideKind.FORCED_OPEN, OverrideKind.DISABLED


def override(kind: OverrideKind = FORCED, seconds: float | None = 100.0) -> Override:
    return make_override(kind, by="ann", reason="a migration", seconds=seconds, now=0.0)


def told(version: int, kind: OverrideKind | None, remaining: float | None = 50.0) -> OverrideNews:
    view = None if kind is None else OverrideView(kind, "bob", "other", remaining)
    return OverrideNews(version, "w", view, by="bob")


def opened() -> Machine:
    machine = make()
    trip(machine)
    return machine


def probing() -> Machine:
    return half_open(now=0.0)[0]


@pytest.mark.parametrize("under", [make, opened, probing])
def test_forced_open_rejects_whatever_is_under_it(under: Any) -> None:
    machine = under()
    state = machine.state
    change = machine.put(override(), "ann", 1.0)
    assert (change.new, change.cause, change.evidence.by) == (OPEN, "override", "ann")
    assert is_rejected(machine, 2.0)
    assert machine.free_permit is None
    assert (machine.in_force(2.0), machine.state) == (OPEN, state)
    assert machine.retry_after(40.0) == 60.0


@pytest.mark.parametrize("under", [make, opened, probing])
def test_disabled_admits_whatever_is_under_it_and_counts_nothing(under: Any) -> None:
    machine = under()
    before = (machine.state, machine.failures, machine.generation)
    machine.put(override(DISABLED), "ann", 1.0)
    for _ in range(20):
        assert machine.admit(2.0) == (UNCOUNTED, None)
        assert machine.settle(UNCOUNTED, FAILURE, 2.0) is None
    assert (machine.state, machine.failures, machine.generation) == before
    assert (machine.in_force(2.0), machine.retry_after(2.0)) == (CLOSED, 0.0)


def test_until_it_is_cleared_a_caller_is_told_some_time() -> None:
    machine = make()
    machine.put(override(seconds=None), "ann", 0.0)
    assert machine.retry_after(1e9) == machine.config.recovery_timeout
    assert machine.lift(1e9) is None
    assert machine.in_force(1e9) is OPEN


def test_it_ends_at_its_time_and_the_circuit_goes_on_as_it_was() -> None:
    machine = opened()
    machine.put(override(DISABLED), "ann", 0.0)
    assert machine.lift(99.9) is None
    assert machine.in_force(100.0) is OPEN  # told before anything has changed
    change = machine.lift(100.0)
    assert change is not None
    assert (change.old, change.new, change.cause) == (CLOSED, OPEN, "override_ended")
    assert machine.lift(100.0) is None
    assert machine.admit(100.0)[0] is not None  # the open time is long over


def test_what_runs_under_it_counts_underneath() -> None:
    machine, first = half_open(now=0.0, success_threshold=1)
    machine.put(override(), "ann", 0.0)
    assert machine.settle(first, SUCCESS, 1.0) is None  # nothing that callers notice
    assert (machine.state, machine.in_force(1.0)) == (CLOSED, OPEN)
    assert is_rejected(machine, 1.0)
    machine.put(None, "ann", 2.0)
    assert machine.admit(2.0)[0] == machine.free_permit


def test_while_disabled_a_call_that_was_running_is_not_counted() -> None:
    machine = make(failure_threshold=1)
    ticket = admit(machine)
    machine.put(override(DISABLED), "ann", 0.0)
    assert machine.settle(ticket, FAILURE, 1.0) is None
    assert (machine.state, machine.failures) == (CLOSED, 0)


def test_while_disabled_a_probe_that_was_running_gives_its_place_back() -> None:
    machine, first = half_open(now=0.0, half_open_max_calls=1)
    machine.put(override(DISABLED), "ann", 0.0)
    machine.settle(first, FAILURE, 1.0)
    machine.put(None, "ann", 2.0)
    assert (machine.state, machine.probes) == (HALF_OPEN, [])


def test_while_disabled_the_failures_of_others_open_nothing() -> None:
    machine = make(failure_threshold=2)
    machine.put(override(DISABLED), "ann", 0.0)
    assert machine.trip_by_run(machine.generation, 2, 1.0) is None
    assert machine.state is CLOSED


def test_a_reset_and_the_fleet_change_what_is_underneath() -> None:
    machine = make(failure_threshold=1)
    machine.put(override(DISABLED), "ann", 0.0)
    machine.adopt(news(5, HALF_OPEN), 3.0)
    assert (machine.state, machine.in_force(3.0)) == (HALF_OPEN, CLOSED)
    machine.reset(4.0)
    assert machine.state is CLOSED


def test_clearing_without_an_override_changes_nothing() -> None:
    assert make().put(None, "ann", 0.0) is None


# -- the fleet's register --------------------------------------------------------------------------


def test_newer_news_replaces_older_and_older_changes_nothing() -> None:
    machine = make()
    change = machine.adopt_override(told(5, FORCED), 0.0)
    assert change is not None
    assert (change.instance, change.evidence.by) == ("w", "bob")
    assert machine.adopt_override(told(4, DISABLED), 0.0) is None
    assert machine.adopt_override(told(5, FORCED), 0.0) is None
    assert machine.in_force(0.0) is OPEN
    assert machine.adopt_override(told(6, DISABLED), 0.0) is not None
    assert machine.in_force(0.0) is CLOSED
    assert machine.adopt_override(told(7, None), 0.0) is not None
    assert machine.override is None


def test_ones_own_coming_back_is_no_change_and_brings_the_servers_end() -> None:
    machine = make()
    machine.put(override(seconds=60.0), "ann", 0.0)
    back = OverrideNews(5, "me", OverrideView(FORCED, "ann", "a migration", 55.0), by="ann")
    assert machine.adopt_override(back, 1.0) is None
    assert machine.override_version == 5
    assert machine.in_force(55.9) is OPEN
    assert machine.in_force(56.0) is CLOSED


def test_a_clearing_that_nothing_here_needs_is_no_change() -> None:
    machine = make()
    assert machine.adopt_override(told(5, None), 0.0) is None
    assert machine.adopt_override(told(4, FORCED), 0.0) is None


def written(version: int, remaining: float | None = 99.0) -> OverrideNews:
    """What the register says of the override that ``override()`` has set here."""
    return OverrideNews(version, "me", OverrideView(FORCED, "ann", "a migration", remaining))


def test_an_override_of_ones_own_ends_when_the_register_says_that_it_is_over() -> None:
    """It went on where the clock of this host was behind that of the server."""
    machine = make()
    machine.put(override(), "ann", 0.0)
    machine.adopt_override(written(5), 1.0)
    change = machine.adopt_override(OverrideNews(5, "me", None), 50.0)
    assert change is not None
    assert (change.cause, machine.in_force(50.0)) == ("override_ended", CLOSED)


def test_the_end_of_an_override_before_does_not_end_one_that_was_set_since() -> None:
    machine = make()
    machine.put(override(), "ann", 0.0)
    machine.adopt_override(written(5), 1.0)
    machine.put(override(DISABLED), "bob", 2.0)  # and the register does not know yet
    assert machine.adopt_override(OverrideNews(5, "me", None), 3.0) is None
    assert machine.override.kind is DISABLED


@pytest.mark.parametrize(
    ("version", "writer", "is_heard"),
    [(5, "me", False), (5, "a", False), (5, "z", True), (6, "a", True), (4, "z", False)],
)
def test_of_two_clearings_the_one_that_comes_after_counts(
    version: int, writer: str, is_heard: bool
) -> None:
    machine = make()
    machine.adopt_override(written(5), 1.0)
    machine.put(override(DISABLED), "bob", 2.0)
    machine.adopt_override(OverrideNews(version, writer, None), 3.0)
    assert (machine.override is None) is is_heard


def test_an_override_as_it_is_received_ends_after_the_seconds_that_it_has_left() -> None:
    view = OverrideView(FORCED, "bob", "other", 5.0)
    assert view.since(100.0) == Override(FORCED, "bob", "other", 105.0)
    assert view.since(100.0).view(101.0).remaining == 4.0
    unlimited = OverrideView(DISABLED, "bob", "other", None)
    assert unlimited.since(100.0) == Override(DISABLED, "bob", "other", None)
    assert unlimited.since(100.0).view(101.0) == unlimited


def test_in_its_last_second_an_override_shows_what_is_left_of_it_and_then_nothing() -> None:
    machine = make()
    machine.put(override(seconds=5.0), "ann", 0.0)
    assert machine.retry_after(4.75) == 0.25
    assert [machine.override.remaining(now) for now in (4.75, 5.0, 6.0)] == [0.25, 0.0, 0.0]


# -- what can be ordered ---------------------------------------------------------------------------

GOOD = {"kind": "forced_open", "by": "ann", "reason": "x", "seconds": 5.0, "now": 0.0}


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("kind", "on_fire", ValueError),
        ("kind", [], ValueError),
        ("kind", None, ValueError),
        ("by", "", ValueError),
        ("by", "x" * 201, ValueError),
        ("by", "a\nb", ValueError),
        ("by", None, TypeError),
        ("reason", "", ValueError),
        ("reason", 5, TypeError),
        ("seconds", 0, ValueError),
        ("seconds", -1, ValueError),
        ("seconds", float("nan"), ValueError),
        ("seconds", 366 * 86_400 + 1, ValueError),
        ("seconds", True, TypeError),
        ("seconds", "5", TypeError),
    ],
)
def test_a_bad_order_names_the_field_and_the_value(
    field: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=field) as refusal:
        make_override(**(GOOD | {field: value}))
    assert repr(value)[:50] in str(refusal.value)


def test_a_run_goes_on_counting_after_it() -> None:
    machine = make(failure_threshold=3)
    for _ in range(2):
        run(machine, FAILURE)
    machine.put(override(DISABLED), "ann", 0.0)
    machine.put(None, "ann", 1.0)
    assert run(machine, FAILURE, 2.0) is not None
