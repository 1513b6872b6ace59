"""The simulator: that it repeats itself, and that it finds what is broken on purpose."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.fleet import evidence_merger, inbox, leases, quorum_votes
from fastapi_hybrid_breaker.fleet.exchange import Exchange
from fastapi_hybrid_breaker.fleet.overrides import Overrides
from fastapi_hybrid_breaker.fleet.rereading import Rereading
from simulator.__main__ import main
from simulator.run import simulate
from simulator.scenario import Event, Scenario
from simulator.seeds import make_scenario
from simulator.shrink import shorten
from tests.lengths import slowly

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "seed",
    [
        *range(10_000, 10_008),
        900_163,  # a reset below an override forgets calls, and shows no change
        *slowly(*range(10_008, 10_020)),
    ],
)
def test_a_fleet_agrees_and_recovers_whatever_happened(seed: int) -> None:
    result = simulate(make_scenario(seed))
    assert result.violations == ()


def test_the_same_seed_gives_the_same_history() -> None:
    first, second = (simulate(make_scenario(10_003)) for _ in range(2))
    assert first.history
    assert first == second
    assert simulate(make_scenario(10_000)).history != first.history


def trip_and_lose(*more: Event) -> Scenario:
    """Make a fleet whose dependency fails and recovers, with more that happens meanwhile."""
    sick = Event(5.0, "sick", key="inventory-api", value=1.0, length=10.0)
    return Scenario(7, instances=3, events=(sick, *more))


def test_a_trip_reaches_all_instances() -> None:
    history = simulate(trip_and_lose()).history
    for number in range(3):
        assert any(f"instance {number}: inventory-api CLOSED -> OPEN" in line for line in history)


# -- broken on purpose ---------------------------------------------------------------------------


def nothing_is_written_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (inbox, evidence_merger, leases, quorum_votes):
        monkeypatch.setattr(module, "write_back", lambda *_, **__: None)


def nothing_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exchange, "read_all", lambda *_: None)
    monkeypatch.setattr(Rereading, "repair", lambda *_: None)


def what_got_no_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exchange, "put_back", lambda *_: None)


def overrides_are_not_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Overrides, "look_at", lambda *_, **__: None)
    monkeypatch.setattr(Overrides, "read_all", lambda *_: None)


BREAKS: list[tuple[Callable[[pytest.MonkeyPatch], None], int]] = [
    (nothing_is_written_back, 57),
    (nothing_is_read_again, 37),
    (what_got_no_answer_is_given_up, 170),
    (overrides_are_not_repaired, 37),
]
"""Each with a seed that found it: tried first."""


@pytest.mark.parametrize(("break_it", "known"), BREAKS, ids=[one[0].__name__ for one in BREAKS])
def test_it_finds_what_is_broken_on_purpose(
    monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None], known: int
) -> None:
    break_it(monkeypatch)
    for seed in (known, *range(1, 200)):
        if simulate(make_scenario(seed)).violations:
            return
    raise AssertionError("200 seeds found nothing")


@pytest.mark.slow
def test_a_failing_history_is_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_is_written_back(monkeypatch)
    flush = Event(35.4, "flush")
    noise = [Event(at, "repeats", value=0.5, length=1.0) for at in (3.0, 8.0, 20.0)]
    scenario = trip_and_lose(*noise, flush)

    def fails(shorter: Scenario) -> bool:
        return bool(simulate(shorter).violations)

    assert fails(scenario)
    short = shorten(scenario, fails)
    assert [event.kind for event in short.events] == ["sick", "flush"]
    assert short.events[0].length <= 5.0
    assert short.events[1].at == 35.0
    assert (short.instances, short.keys) == (1, ("inventory-api",))


def test_what_a_failure_does_not_need_is_left_out() -> None:
    noise = [Event(at, "repeats", value=0.5, length=1.0) for at in (3.0, 8.0, 20.0)]
    scenario = trip_and_lose(*noise, Event(35.4, "flush"))

    def fails(shorter: Scenario) -> bool:
        return {"sick", "flush"} <= {event.kind for event in shorter.events}

    short = shorten(scenario, fails)
    assert [event.kind for event in short.events] == ["sick", "flush"]
    assert short.events[0].length <= 5.0
    assert short.events[1].at == 35.0
    assert (short.instances, short.keys) == (1, ("inventory-api",))


def test_instances_that_are_left_out_are_left_out_of_events() -> None:
    event = Event(1.0, "pause", instances=(1, 2), length=1.0)
    scenario = Scenario(1, 3, speakers=1, keys=("a", "b"), events=(event,))
    tried: list[Scenario] = []
    shorten(scenario, lambda one: bool(tried.append(one)))
    fewer = next(one for one in tried if one.instances == 2)
    assert fewer.events[0].instances == (1,)
    assert any(one.speakers == 0 for one in tried)
    assert any(one.keys == ("b",) for one in tried)


def test_a_failing_seed_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing_is_read_again(monkeypatch)
    known = dict(BREAKS)[nothing_is_read_again]
    tried = (known, *range(1, 200))
    seed = next(seed for seed in tried if simulate(make_scenario(seed)).violations)
    monkeypatch.setattr("simulator.__main__.shorten", partial(shorten, most=5))
    monkeypatch.setattr(sys, "argv", ["simulator", "1", "--first", str(seed), "--jobs", "1"])
    assert main() == 1
    printed = capsys.readouterr().out
    assert f"again: python -m simulator 1 --first {seed}" in printed
    assert "circuits" in printed


def test_what_is_logged_as_an_error_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exchange, "take", lambda *_: 1 / 0)
    violations = simulate(trip_and_lose()).violations
    assert any("ZeroDivisionError" in one for one in violations)
