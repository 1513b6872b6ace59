"""Which circuits make room for others, and which never do."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker import (
    Backoff,
    CircuitConfig,
    CircuitOpenError,
    CountWindow,
    FailureRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.circuits import eviction, held_overrides
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideNews, OverrideView
from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside
from tests.inside import FleetSide

from .bounded import Breaker


def test_thousand_dead_hosts_leave_room_for_a_new_one_that_fails() -> None:
    breaker = Breaker(1_000)
    for number in range(1_000):
        breaker.trip(f"dead-{number}")
    breaker.time.advance(10.0)
    breaker.trip("new")
    with pytest.raises(CircuitOpenError):
        inside.admit(breaker.circuit("new"))
    assert len(breaker.keys) == 1_000


def test_the_least_recently_used_goes_first() -> None:
    breaker = Breaker(10)
    breaker.use(*"abcdefghij")
    breaker.use(*"jihgfedcba")
    for new, gone in zip("0123456789", "jihgfedcba", strict=True):
        breaker.use(new)
        assert gone not in breaker.keys


def test_what_is_lost_decides_before_when_it_was_used() -> None:
    """Each new key pushes out the next of them, though they were used in the opposite order."""
    breaker = Breaker(8)
    breaker.fail("counts")
    breaker.settle("half-open", Outcome.SUCCESS)
    breaker.trip("ready", "half-open")
    breaker.hears("heard, open", "OPEN", 3600.0)
    breaker.use("idle")
    breaker.time.advance(10.0)
    breaker.hears("heard, closed", "OPEN")
    breaker.hears("heard, closed", "CLOSED", version=8)  # a moment ago
    probe = inside.admit(breaker.circuit("half-open"))
    inside.settle(breaker.circuit("half-open"), probe, Outcome.NOT_COUNTED)
    breaker.trip("running", "running too")
    held = []
    for gone in ("heard, closed", "idle", "ready", "half-open", "heard, open", "counts"):
        assert gone in breaker.keys
        held.append(breaker.circuit(f"instead of {gone}"))
        assert gone not in breaker.keys
    assert breaker.circuit("one more").key == "overflow"
    assert {"running", "running too"} <= breaker.keys


def test_an_opening_heard_of_that_is_over_goes_before_anything_used_here() -> None:
    breaker = Breaker(2)
    breaker.use("idle")
    breaker.hears("heard", "OPEN", 5.0)
    breaker.time.advance(5.0)
    breaker.use("new")
    assert breaker.keys == {"idle", "new"}


def test_one_failing_call_between_120_other_keys_opens() -> None:
    breaker = Breaker(100)
    for round_ in range(3):
        breaker.fail("failing")
        breaker.churn(120, f"round-{round_}")
    assert breaker.state("failing") == "OPEN"


@pytest.mark.parametrize("window", [CountWindow(10), TimeWindow(60.0)], ids=str)
def test_so_does_one_among_healthy_keys_with_windows(window: Any) -> None:
    rate = FailureRate(0.5, window=window, minimum_calls=3)
    breaker = Breaker(100, CircuitConfig(trip=rate))
    for round_ in range(3):
        breaker.fail("failing")
        for number in range(120):
            breaker.settle(f"{round_}-{number}", Outcome.SUCCESS)
    assert breaker.state("failing") == "OPEN"


def test_a_window_that_has_passed_counts_nothing() -> None:
    breaker = Breaker(2, CircuitConfig(trip=FailureRate(0.9, window=TimeWindow(10.0))))
    breaker.fail("once")
    breaker.use("idle")
    breaker.time.advance(21.0)
    breaker.use("new")
    assert breaker.keys == {"idle", "new"}


def test_back_off_goes_on_for_a_circuit_that_recovered_of_late() -> None:
    config = CircuitConfig(
        failure_threshold=3, success_threshold=1, recovery_timeout=10.0,
        backoff=Backoff(jitter=0.0, reset_after=100.0),
    )  # fmt: skip
    breaker = Breaker(20, config)
    breaker.trip("flapping")
    breaker.time.advance(10.0)
    breaker.settle("flapping", Outcome.SUCCESS)
    breaker.churn(100)
    breaker.trip("flapping")
    assert breaker.stats("flapping").retry_after == 20.0
    breaker.time.advance(20.0)
    breaker.settle("flapping", Outcome.SUCCESS)
    breaker.time.advance(100.0)
    breaker.churn(100, "later")
    assert "flapping" not in breaker.keys


def test_failures_last_among_many_circuits_too() -> None:
    """The new keys push out one another, and not those that have failed."""
    breaker = Breaker(100)
    for number in range(100):
        breaker.fail(f"failed-{number}")
    breaker.churn(50)
    assert sum(key.startswith("failed") for key in breaker.keys) == 99


def test_what_was_used_a_moment_ago_stays_among_many_circuits_too() -> None:
    breaker = Breaker(100)
    breaker.churn(100, "old")
    breaker.use("first")
    assert "old-0" not in breaker.keys
    breaker.use("old-1", "second")
    assert "old-1" in breaker.keys
    assert "old-2" not in breaker.keys


def test_a_change_that_the_fleet_has_not_heard_of_is_kept() -> None:
    breaker = Breaker(1)
    breaker.use("shared")
    breaker.hears("shared", "OPEN", 1.0)
    breaker.time.advance(1.0)
    breaker.settle("shared", Outcome.SUCCESS)
    breaker.time.advance(3600.0)
    assert breaker.circuit("surplus").key == "overflow"
    proposal = FleetSide(inside.registry_of(breaker).by_key["shared"]).propose()
    assert proposal is not None
    breaker.hears("shared", "CLOSED", version=8)
    breaker.time.advance(3600.0)
    breaker.use("surplus")


def test_a_ramp_goes_on() -> None:
    config = CircuitConfig(
        failure_threshold=3, success_threshold=1, recovery_timeout=10.0, ramp_seconds=60.0
    )
    breaker = Breaker(10, config)
    breaker.trip("ramping")
    breaker.time.advance(10.0)
    breaker.settle("ramping", Outcome.SUCCESS)
    breaker.time.advance(1.0)
    held = [breaker.circuit(f"held-{number}") for number in range(9)]
    assert breaker.circuit("surplus").key == "overflow"
    assert "ramping" in breaker.keys
    del held


def test_a_probe_that_runs_keeps_its_circuit() -> None:
    breaker = Breaker(1)
    breaker.trip("probing")
    breaker.time.advance(10.0)
    permit = inside.admit(breaker.circuit("probing"))
    assert breaker.circuit("surplus").key == "overflow"
    inside.settle(breaker.circuit("probing"), permit, Outcome.SUCCESS)
    assert breaker.state("probing") == "CLOSED"


async def test_an_override_keeps_its_circuit_as_long_as_it_lasts() -> None:
    breaker = Breaker(2)
    await breaker.override("off", "disabled", by="ann", reason="a test", seconds=60)
    breaker.churn(50)
    assert breaker.stats("off").override is not None
    breaker.time.advance(60.0)
    breaker.churn(50, "later")
    assert "off" not in breaker.keys


def test_an_override_heard_of_takes_no_room_from_a_key_in_use() -> None:
    breaker = Breaker(1)
    circuit = inside.registry_of(breaker).hear_of("off")
    assert circuit is not None
    view = OverrideView(OverrideKind.FORCED_OPEN, "ann", "a test", None)
    FleetSide(circuit).adopt_override(OverrideNews(7, "b", view))
    del circuit
    breaker.use("own")
    assert breaker.keys == {"own"}
    assert breaker.stats("off").override == view
    breaker.use("off")
    assert breaker.state("off") == "OPEN"


def test_where_one_override_more_cannot_be_held_its_circuit_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_overrides, "_MOST", 0)
    breaker = Breaker(1)
    circuit = inside.registry_of(breaker).hear_of("off")
    assert circuit is not None
    view = OverrideView(OverrideKind.FORCED_OPEN, "ann", "a test", None)
    FleetSide(circuit).adopt_override(OverrideNews(7, "b", view))
    del circuit
    assert breaker.circuit("surplus").key == "overflow"
    assert breaker.keys == {"off"}


def test_an_overridden_circuit_that_somebody_holds_has_its_override_by_itself() -> None:
    breaker = Breaker(1)
    circuit = inside.registry_of(breaker).hear_of("off")
    assert circuit is not None
    view = OverrideView(OverrideKind.FORCED_OPEN, "ann", "a test", None)
    FleetSide(circuit).adopt_override(OverrideNews(7, "b", view))
    assert breaker.circuit("surplus").key == "overflow"
    assert (breaker.keys, len(inside.registry_of(breaker).held)) == ({"off"}, 0)


def test_a_circuit_that_was_held_when_it_was_to_go_counts_as_used_then() -> None:
    breaker = Breaker(3)
    held = [breaker.circuit("held")]
    breaker.use("first", "second", "third")
    assert breaker.keys == {"held", "second", "third"}
    held.clear()
    breaker.use("fourth")
    assert breaker.keys == {"held", "third", "fourth"}


def test_new_keys_get_circuits_where_those_that_were_held_are_free_again() -> None:
    """For a second there was no room: the list was used up, and the next one not begun."""
    breaker = Breaker(100)
    held = [breaker.circuit(f"held-{number}") for number in range(50)]
    free = [breaker.circuit(f"free-{number}") for number in range(50)]
    assert breaker.circuit("surplus").key == "overflow"
    free.clear()
    breaker.time.advance(1.0)
    new = [breaker.circuit("new-0")]  # looks at all, and passes over those that are held
    held.clear()
    new.extend(breaker.circuit(f"new-{number}") for number in range(1, 90))
    assert [one.key for one in new] == [f"new-{number}" for number in range(90)]


def test_an_open_circuit_that_calls_are_rejected_by_is_kept() -> None:
    """The open time is over, and other instances have the right to probe."""
    breaker = Breaker(1)
    inside.registry_of(breaker).peers.is_connected, inside.registry_of(breaker).peers.live = True, 2
    breaker.trip("k")
    breaker.time.advance(10.0)
    with pytest.raises(CircuitOpenError):
        inside.admit(breaker.circuit("k"))
    assert breaker.circuit("surplus").key == "overflow"
    breaker.time.advance(5.0)
    breaker.use("surplus")


# -- what it costs --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["busy", "held", "open"])
def test_room_among_10000_circuits_takes_a_constant_number_of_looks(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = Breaker(10_000)
    breaker.churn(10_000, "old")
    held = list(breaker.circuits()) if kind == "held" else []
    for number in range(10_000 if kind == "open" else 0):
        breaker.trip(f"old-{number}")
    looks = 0
    loss_of = eviction.loss_of

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        return loss_of(*args, **options)

    monkeypatch.setattr(eviction, "loss_of", counting)
    for number in range(2_000):
        if kind == "busy":
            for old in range(number, number + 20):
                breaker.circuit(f"old-{old * 7919 % 10_000}")
        breaker.circuit(f"new-{number}")
    assert looks <= 200 * 2_000
    assert len(breaker.keys) == 10_000
    del held


def test_a_search_among_thousands_that_are_held_ends_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaker = Breaker(4_000)
    held = [breaker.circuit(f"held-{number}") for number in range(3_990)]
    breaker.use(*(f"free-{number}" for number in range(10)))
    tried: list[str] = []
    inside.record_evictions(monkeypatch, tried)
    searches = 0
    while "new" not in breaker.keys:
        before = len(tried)
        breaker.circuit("new")
        searches += 1
        assert len(tried) - before <= 1_500
        assert searches < 10
    assert {one.key for one in held} <= breaker.keys


def test_circuits_make_room_while_somebody_walks_over_all_of_them() -> None:
    breaker = Breaker(100)
    breaker.use(*(f"old-{number}" for number in range(100)))
    seen = set()
    for walked in breaker.circuits():
        seen.add(walked.key)
        if len(seen) == 10:
            breaker.use(*(f"new-{number}" for number in range(50)))
    assert inside.registry_of(breaker).overflow is None
    assert {f"new-{number}" for number in range(50)} <= breaker.keys
    assert len(seen) < 100  # what has gone is not met any more
