"""Plain speakers, upstreams, calm days and costs."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from fastapi_hybrid_breaker import CircuitConfig
from simulator import calm, cost, workers
from simulator.run import simulate
from simulator.scenario import Event, Scenario
from simulator.upstream import Probing, SickError, Sickness, Upstream
from simulator.workers import failing
from tests.lengths import slowly

SICK = Event(5.0, "sick", key="inventory-api", value=1.0, length=8.0)


def test_an_upstream_counts_calls_and_probes_at_once() -> None:
    upstream = Upstream("k", Random(1))
    first, second, third = (Probing(caller, 0.0, has_lease=True) for caller in (1, 2, 3))
    upstream.begin(first)
    upstream.begin(second)
    upstream.begin()
    for probe in (second, None):
        upstream.end(probe)
    upstream.begin(third)
    figures = upstream.figures()
    assert (figures.calls, figures.probes) == (4, 3)
    assert (figures.most_at_once, figures.most_probes_at_once) == (3, 2)


def test_an_upstream_is_sick_for_some_callers() -> None:
    upstream = Upstream("k", Random(1), sicknesses=[Sickness(1.0, (2,))])
    upstream.answer(1)
    with pytest.raises(SickError):
        upstream.answer(2)


def test_a_plain_speakers_trip_reaches_instances_and_theirs_reach_it() -> None:
    scenario = Scenario(
        5, instances=2, speakers=2, keys=("inventory-api",), rate=8.0, events=(SICK,)
    )
    # Only the speakers' calls fail: what opens at the instances came from them.
    theirs = replace(scenario, events=(replace(SICK, instances=(2, 3)),))
    for played in (scenario, theirs):
        result = simulate(played)
        assert result.violations == ()
        assert "instance 0: inventory-api CLOSED -> OPEN" in "\n".join(result.history)


def test_one_sick_instance_of_three_opens_for_all() -> None:
    scenario = Scenario(5, 3, keys=("inventory-api",), events=(replace(SICK, instances=(1,)),))
    history = "\n".join(simulate(scenario).history)
    assert "instance 1: inventory-api CLOSED -> OPEN (failures)" in history
    assert "instance 0: inventory-api CLOSED -> OPEN (fleet)" in history


def test_instances_take_configurations_in_turn() -> None:
    first, second = CircuitConfig(failure_threshold=1), CircuitConfig(failure_threshold=2)
    scenario = Scenario(1, 3, configs=(first, second))
    assert [scenario.config_of(number) for number in range(3)] == [first, second, first]


@pytest.mark.parametrize("instances", [10, *slowly(20)])
def test_calm_minutes_open_nothing_and_noisy_ones_do(instances: int) -> None:
    quiet = calm.calm_scenario(
        instances, 0.01 * instances, rate=1.0, noise=0.01, loss=0.2, rule="run"
    )
    result = calm.play(quiet)
    assert result.openings == ()
    assert result.calls == pytest.approx(instances * 36 * instances, rel=0.05)
    assert result.failures == pytest.approx(result.calls * 0.01, rel=0.5)
    assert calm.play(replace(quiet, noise=0.5)).openings


def test_the_cost_of_a_fleet() -> None:
    small, large = cost.measure((1, 1)), cost.measure((10, 1))
    # A tick now and then, and heartbeats; nothing for a call.
    assert small.calm_deliveries < large.calm_deliveries < 10 * 0.5
    assert 0.0 < small.calm_commands < 2.0
    assert large.incident_deliveries > small.incident_deliveries > 0.0
    assert large.row().startswith("| 10 | 1 |")


def test_seeds_are_the_same_on_one_core_and_on_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_CHUNK", 1)  # so that few seeds are enough for two processes
    seeds = (10_000, 10_002)
    assert list(failing(seeds, 1, print)) == list(failing(seeds, 2, print)) == []
