"""What happens below a manual override: nobody is told of states that were never in force."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
    StateChange,
)
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideNews, OverrideView
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import FleetSide

from .parts import CONFIG, ONE_PROBE, OPEN_TIME, fail, fine_sync, let_probe, trip

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN

Told = list[tuple[str, str]]


@pytest.fixture
def told(breaker: HybridBreaker) -> Told:
    heard: Told = []
    breaker.on_change(lambda change: heard.append((change.old, change.new)))
    return heard


def put(circuit: Circuit, kind: str, seconds: float | None = 60.0, by: str = "ann") -> None:
    asyncio.run(circuit.override(kind, by=by, reason="a migration", seconds=seconds))


def clear(circuit: Circuit) -> None:
    asyncio.run(circuit.clear_override(by="bob"))


def remembered(circuit: Circuit) -> Told:
    return [(change.old, change.new) for change in circuit.history()]


def logged(caplog: pytest.LogCaptureFixture) -> Told:
    return [
        (record.circuit_old, record.circuit_new)  # type: ignore[attr-defined]
        for record in caplog.records
        if hasattr(record, "circuit_old")
    ]


@pytest.fixture
def probing(circuit: Circuit, clock: ManualClock, told: Told) -> Any:
    """A probe that still runs when the override comes."""
    let_probe(circuit, clock)
    permit = inside.admit(circuit)
    assert told == [(CLOSED, OPEN), (OPEN, HALF_OPEN)]
    told.clear()
    return permit


@pytest.mark.parametrize("outcome", list(Outcome))
def test_late_probe_under_forced_open_is_no_change_for_anybody(
    circuit: Circuit,
    probing: Any,
    told: Told,
    caplog: pytest.LogCaptureFixture,
    outcome: Outcome,
) -> None:
    put(circuit, "forced_open")
    before = remembered(circuit)
    caplog.set_level(logging.INFO)
    caplog.clear()
    told.clear()
    inside.settle(circuit, probing, outcome)
    assert (circuit.state, told, logged(caplog)) == (OPEN, [], [])
    assert remembered(circuit) == before
    with pytest.raises(CircuitOpenError):
        inside.admit(circuit)


def test_enough_late_probes_under_forced_open_are_told_as_its_end(
    breaker: HybridBreaker, clock: ManualClock, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    circuit = breaker.circuit("one-probe", ONE_PROBE)
    let_probe(circuit, clock)
    with circuit.guard():
        told.clear()
        put(circuit, "forced_open")
        caplog.set_level(logging.INFO)
    caplog.clear()
    assert told == [(HALF_OPEN, OPEN)]  # the override's, not the probe's
    clear(circuit)
    assert told[1:] == [(OPEN, CLOSED)]
    assert remembered(circuit)[-2:] == told
    assert logged(caplog) == told[1:]


def test_call_that_was_running_when_it_was_disabled_is_not_counted(
    circuit: Circuit, told: Told, clock: ManualClock
) -> None:
    fail(circuit)  # one more, and it opens
    permit = inside.admit(circuit)
    put(circuit, "disabled")
    inside.settle(circuit, permit, Outcome.FAILURE)
    assert (circuit.state, circuit.stats().failures, told) == (CLOSED, 1, [(CLOSED, CLOSED)])
    clock.advance(60.0)
    assert (circuit.state, circuit.stats().failures) == (CLOSED, 1)


@pytest.mark.parametrize("outcome", [Outcome.SUCCESS, Outcome.FAILURE])
def test_probe_that_was_running_when_it_was_disabled_is_not_counted_and_gives_its_place_back(
    circuit: Circuit, probing: Any, clock: ManualClock, told: Told, outcome: Outcome
) -> None:
    put(circuit, "disabled")
    inside.settle(circuit, probing, outcome)
    assert told == [(HALF_OPEN, CLOSED)]
    clear(circuit)
    assert told[1:] == [(CLOSED, HALF_OPEN)]
    assert (circuit.stats().successes, inside.of(circuit).probes) == (0, [])


def test_reset_below_disabled_is_no_opening_for_anybody(
    circuit: Circuit, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    trip(circuit)
    put(circuit, "disabled")
    told.clear()
    caplog.set_level(logging.INFO)
    caplog.clear()
    asyncio.run(circuit.reset(by="ann"))
    assert (told, logged(caplog)) == ([], [])
    clear(circuit)
    assert told == [(CLOSED, CLOSED)]


@pytest.mark.parametrize("kind", ["forced_open", "disabled"])
def test_what_the_fleet_decides_below_it_is_told_when_it_ends(
    circuit: Circuit, clock: ManualClock, told: Told, kind: str
) -> None:
    put(circuit, kind, seconds=5.0)
    told.clear()
    FleetSide(circuit).adopt(News(1, "b", OPEN, failures=2, successes=0, remaining=60.0))
    FleetSide(circuit).adopt(News(2, "b", HALF_OPEN, failures=2, successes=0, remaining=0.0))
    FleetSide(circuit).adopt(News(3, "b", OPEN, failures=2, successes=0, remaining=60.0))
    FleetSide(circuit).adopt(News(4, "b", HALF_OPEN, failures=2, successes=0, remaining=0.0))
    assert told == []
    clock.advance(5.0)
    assert circuit.state is HALF_OPEN  # in force, as nobody asked yet: told by the next change
    FleetSide(circuit).adopt(News(5, "b", CLOSED, failures=0, successes=0, remaining=0.0))
    shown = OPEN if kind == "forced_open" else CLOSED
    assert told == [(shown, HALF_OPEN), (HALF_OPEN, CLOSED)]


def test_one_override_after_another_is_one_chain(circuit: Circuit, told: Told) -> None:
    put(circuit, "forced_open")
    put(circuit, "disabled", by="bob")
    trip_below(circuit)
    put(circuit, "forced_open", by="cid")
    clear(circuit)
    assert told == [(CLOSED, OPEN), (OPEN, CLOSED), (CLOSED, OPEN), (OPEN, OPEN)]
    assert remembered(circuit) == told


def trip_below(circuit: Circuit) -> None:
    FleetSide(circuit).adopt(News(1, "b", OPEN, failures=2, successes=0, remaining=60.0))


def override_news(version: int, kind: OverrideKind | None, remaining: float | None) -> OverrideNews:
    view = None if kind is None else OverrideView(kind, "ann", "x", remaining)
    return OverrideNews(version, "b", view)


def test_override_heard_from_the_fleet_hides_what_happens_below_it(
    circuit: Circuit, probing: Any, told: Told
) -> None:
    FleetSide(circuit).adopt_override(override_news(7, OverrideKind.FORCED_OPEN, None))
    inside.settle(circuit, probing, Outcome.FAILURE)
    assert told == [(HALF_OPEN, OPEN)]
    FleetSide(circuit).adopt_override(override_news(8, OverrideKind.DISABLED, None))
    assert told[1:] == [(OPEN, CLOSED)]
    FleetSide(circuit).adopt_override(override_news(9, None, None))
    assert told[2:] == [(CLOSED, OPEN)]


async def test_clearing_without_an_override_is_no_change(
    circuit: Circuit, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    trip(circuit)
    told.clear()
    before = circuit.history()
    caplog.set_level(logging.INFO)
    caplog.clear()
    assert await circuit.clear_override(by="ann", reason="to be sure") == "local"
    assert (told, caplog.records, circuit.history()) == ([], [], before)


async def test_clearing_what_has_expired_tells_its_end_once(
    circuit: Circuit, clock: ManualClock, told: Told
) -> None:
    await circuit.override("forced_open", by="ann", reason="x", seconds=5)
    clock.advance(5.0)
    await circuit.clear_override(by="bob")
    await circuit.clear_override(by="bob")
    assert told == [(CLOSED, OPEN), (OPEN, CLOSED)]
    assert circuit.history()[-1].evidence.reason == "override by ann expired"


# -- whatever happens ----------------------------------------------------------------------------

FIXING = {"forced_open", "disabled"}
"""The kinds of override that set the state itself."""

STEPS = st.sampled_from(
    [
        *(f"put {kind} {seconds}" for kind in OverrideKind for seconds in (5.0, None)),
        *(f"hear {kind} {seconds}" for kind in OverrideKind for seconds in (5.0, None)),
        *(f"news {state}" for state in CircuitState),
        "hear clear",
        "clear",
        "reset",
        "admit",
        "admit",
        "SUCCESS",
        "FAILURE",
        "FAILURE",
        "NOT_COUNTED",
        "wait",
        "wait",
        "look",
    ]
)


class Story:
    """Two circuits that go through all of it."""

    def __init__(self, config: CircuitConfig) -> None:
        self.clock = ManualClock()
        self.breaker = HybridBreaker(redis=None, defaults=config, clock=self.clock)
        self.changes: list[StateChange] = []
        self.breaker.on_change(self.changes.append)
        self.circuits = [self.breaker.circuit(key) for key in ("a", "b")]
        self.permits: dict[Circuit, list[Any]] = {circuit: [] for circuit in self.circuits}
        self.version = 0

    def run(self, circuit: Circuit, step: str) -> None:
        self.version += 1
        name, *more = step.split()
        act: dict[str, Callable[[], object]] = {
            "put": lambda: put(circuit, more[0], read(more[1])),
            "hear": lambda: FleetSide(circuit).adopt_override(self.heard(*more)),
            "news": lambda: FleetSide(circuit).adopt(
                News(self.version, "b", CircuitState(more[0]), 1, 0, remaining=3.0)
            ),
            "clear": lambda: clear(circuit),
            "reset": lambda: asyncio.run(circuit.reset()),
            "admit": lambda: self.permits[circuit].append(inside.admit(circuit)),
            "wait": lambda: self.clock.advance(4.0),
            "look": circuit.stats,
        }
        with suppress(CircuitOpenError):
            if name in act:
                act[name]()
            elif self.permits[circuit]:
                inside.settle(circuit, self.permits[circuit].pop(0), Outcome[name])

    def heard(self, kind: str, seconds: str = "") -> OverrideNews:
        if kind == "clear":
            return override_news(self.version, None, None)
        return override_news(self.version, OverrideKind(kind), read(seconds))


def read(seconds: str) -> float | None:
    return None if seconds == "None" else float(seconds)


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
@given(steps=st.lists(st.tuples(st.booleans(), STEPS), max_size=40))
def test_each_change_begins_where_the_last_one_ended(
    mode: Any, steps: list[tuple[bool, str]]
) -> None:
    config = CircuitConfig(
        failure_threshold=2, success_threshold=1, recovery_timeout=3.0, mode=mode
    )
    story = Story(config)
    for is_second, step in steps:
        story.run(story.circuits[is_second], step)
    for circuit in story.circuits:
        changes = [change for change in story.changes if change.key == circuit.key]
        assert tuple(changes) == circuit.history()
        before, is_fixed = CLOSED, False
        for change in changes:
            assert change.old is before
            before = change.new
            is_override = change.cause in {"override", "override_ended"}
            assert change.old is not change.new or is_override
            assert is_override or not is_fixed  # what happens below it is nobody's business
            is_fixed = change.cause == "override" and change.evidence.rule in FIXING
        FleetSide(circuit).lift()
        assert (circuit.history()[-1].new if changes else CLOSED) is circuit.state


def test_a_call_after_all_of_it_is_decided_as_told(circuit: Circuit, told: Told) -> None:
    put(circuit, "forced_open")
    clear(circuit)
    assert circuit.call_sync(fine_sync) == 1
    assert (told[-1][1], circuit.config, OPEN_TIME) == (CLOSED, CONFIG, 10.0)
