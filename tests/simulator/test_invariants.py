"""Each invariant finds a violation made by hand, and nothing where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitState
from fastapi_hybrid_breaker.core.rules import FailureRate
from fastapi_hybrid_breaker.core.windows import TimeWindow
from simulator import invariants, loop
from simulator.events import happen
from simulator.fleet import Fleet
from simulator.invariants.invariant import Invariant
from simulator.run import Defects, prepare
from simulator.scenario import Event, Scenario
from simulator.upstream import Probing, Sickness
from tests import inside
from tests.fleet.sessions import session_of

KEY = "inventory-api"
QUIET = Scenario(3, instances=3, keys=(KEY,), rate=1.0, duration=0.0)

Violate = Callable[[Fleet], AsyncIterator[None]]


def find(
    invariant: type[Invariant], violate: Violate, scenario: Scenario = QUIET, *, look: bool = True
) -> list[str]:
    """Let a fleet go wrong in steps, look after each, and return what was found at last."""

    async def play() -> list[str]:
        prepare(defects)
        fleet = Fleet(scenario)
        check = invariant(fleet)
        await fleet.start()
        await asyncio.sleep(20.0)
        assert [*check.look(), *check.found, *check.recovered(), *check.at_rest()] == []
        found: list[str] = []
        async for _ in violate(fleet):
            found += [*(check.look() if look else ()), *check.found]
            check.found.clear()
        found += [*check.recovered(), *check.at_rest()]
        await fleet.stop()
        return found

    with Defects() as defects:
        return loop.run(play())


async def nothing(fleet: Fleet) -> AsyncIterator[None]:
    for _ in range(20):
        await asyncio.sleep(1.0)
        yield


@pytest.mark.parametrize(
    "invariant", [*invariants.SWITCHED_ON, *invariants.NOT_YET], ids=lambda one: one.__name__
)
def test_nothing_is_found_where_all_is_well(invariant: type[Invariant]) -> None:
    assert find(invariant, nothing) == []


def test_every_invariant_is_documented_and_in_one_list() -> None:
    every = [*invariants.SWITCHED_ON, *invariants.NOT_YET]
    assert len(set(every)) == len(every)
    assert all(one.__doc__ for one in every)


def test_a_version_that_goes_back() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        core = inside.of(fleet.instances[1].breaker.circuit(KEY))
        for version in (7, 7, 6):
            core.version = version
            yield

    assert "instance 1 went back" in "".join(find(invariants.VersionsNeverGoBack, violate))


def test_two_states_of_one_version() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        await fleet.instances[0].breaker.reset(KEY)
        await asyncio.sleep(1.0)
        yield
        core = inside.of(fleet.instances[2].breaker.circuit(KEY))
        core.open_for(60.0, 0.0)
        core.unsynced = True  # a change of its own, not told yet
        yield
        core.unsynced = False
        yield

    (found,) = find(invariants.OneStateForEachVersion, violate)
    assert found.startswith(KEY)
    assert found.endswith("is CLOSED for instance 0 and OPEN for 2")


def test_an_instance_that_disagrees_with_the_server() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        pairs = ("state", "OPEN", "failures", 3, "successes", 0, "nextAttempt", 1_790_000_100_000)
        fleet.server.store.execute(("HSET", f"circuit:{KEY}", *pairs))
        yield

    assert len(find(invariants.AllAgree, violate)) == 3


def test_an_instance_that_has_missed_an_override_or_is_cut_off() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        fleet.instances[2].link.is_cut = True
        await asyncio.sleep(5.0)
        await fleet.instances[0].breaker.override(
            KEY, "forced_open", by="me", reason="a test", seconds=60.0
        )
        await asyncio.sleep(0.1)  # who can hear of it has heard
        yield

    found = "\n".join(find(invariants.AllAgree, violate))
    assert "instance 2 has inventory-api overridden as None" in found
    assert "instance 2 is isolated" in found
    assert "instance 1" not in found


def test_a_circuit_that_stays_open() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        inside.open_here(fleet.instances[0].breaker.circuit(KEY), 3600.0)
        yield

    found = find(invariants.NothingRejectsForEver, violate)
    assert [line.partition(" after")[0] for line in found] == [
        "instance 0 still has inventory-api OPEN"
    ]


@pytest.mark.parametrize("kind", ["forced_open", "disabled"])
def test_an_override_that_is_not_obeyed(kind: str) -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        instance = fleet.instances[0]
        await instance.breaker.override(KEY, kind, by="me", reason="a test", seconds=60.0)
        notice = fleet.admitted if kind == "forced_open" else fleet.rejected
        notice(instance, instance.breaker.circuit(KEY))
        yield

    assert len(find(invariants.OverridesHold, violate)) == 1


def test_an_override_that_is_lost() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        instance = fleet.instances[0]
        await instance.breaker.override(KEY, "disabled", by="me", reason="a test", seconds=60.0)
        await asyncio.sleep(1.0)
        yield
        inside.of(instance.breaker.circuit(KEY)).override = None
        yield

    assert find(invariants.OverridesHold, violate) == ["instance 0 lost the override of " + KEY]


def test_memory_that_grows() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        fleet.instances[1].breaker.circuit("another")
        for number in range(1_000):
            fleet.server.store.execute(("HSET", f"circuit:{KEY}", f"field{number}", 1))
        yield

    found = "\n".join(find(invariants.MemoryIsBounded, violate))
    assert "instance 1 has 2 circuits of 1" in found
    assert "the server keeps" in found


def test_a_queue_that_grows() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        session = session_of(fleet.instances[1].breaker)
        for number in range(5):
            session.own.work.edit(f"key{number}", lambda one: setattr(one, "read", True))
        yield

    assert find(invariants.MemoryIsBounded, violate) == ["the queue of instance 1 grows"]


def test_a_command_with_every_call() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        fleet.on_admitted.append(lambda *_: fleet.server.execute(("TIME",)))
        for _ in range(60):
            await asyncio.sleep(1.0)
            yield

    busy = replace(QUIET, rate=3.0)
    found = find(invariants.HealthyCallsSendNothing, violate, busy)
    assert "s of healthy calls" in found[0]


async def fail_for_the_first(fleet: Fleet) -> AsyncIterator[None]:
    fleet.instances[2].link.drops = 1.0
    fleet.upstreams[KEY].sicknesses.append(Sickness(1.0, (0,)))
    for _ in range(12):
        await asyncio.sleep(0.5)
        yield


def test_an_opening_that_does_not_reach_all() -> None:
    found = find(invariants.QuorumOpensEverywhere, fail_for_the_first)
    assert found[0] == "instance 2 did not open inventory-api with the others"


@pytest.mark.parametrize("is_reset", [False, True])
def test_an_opening_that_is_reset_at_once_need_not_reach_all(is_reset: bool) -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        fleet.instances[2].link.drops = 1.0
        sickness = Sickness(1.0, (0,))
        fleet.upstreams[KEY].sicknesses.append(sickness)
        while fleet.instances[0].breaker.state(KEY) is CircuitState.CLOSED:
            await asyncio.sleep(0.05)
        fleet.upstreams[KEY].sicknesses.remove(sickness)
        if is_reset:
            await fleet.instances[0].breaker.reset(KEY)
        for _ in range(4):
            await asyncio.sleep(0.5)
            yield

    assert (find(invariants.QuorumOpensEverywhere, violate) == []) is is_reset


def test_an_override_that_does_not_reach_all() -> None:
    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        fleet.instances[2].link.drops = 1.0
        await fleet.instances[0].breaker.override(
            KEY, "forced_open", by="me", reason="a test", seconds=60.0
        )
        await asyncio.sleep(1.5)
        yield

    assert len(find(invariants.OverridesReachAll, violate)) == 1


async def fail_for_all_alone(fleet: Fleet) -> AsyncIterator[None]:
    """Let all calls fail where no instance receives anything."""
    for instance in fleet.instances:
        instance.link.is_cut = True
    fleet.upstreams[KEY].sicknesses.append(Sickness(1.0))
    for _ in range(30):
        await asyncio.sleep(0.5)
        yield


def test_failures_of_several_instances_that_do_not_count_together() -> None:
    config = CircuitConfig(failure_threshold=8)
    alone = replace(QUIET, instances=10, configs=(config,))
    found = find(invariants.MergedFailuresOpen, fail_for_all_alone, alone)
    assert "failures in the fleet" in found[0]
    # Here each has enough to open by itself.
    enough = replace(alone, rate=100.0)
    assert find(invariants.MergedFailuresOpen, fail_for_all_alone, enough) == []


def test_calls_of_several_instances_that_do_not_count_together() -> None:
    rule = FailureRate(0.5, window=TimeWindow(8.0), minimum_calls=30)
    alone = replace(QUIET, instances=10, configs=(CircuitConfig(trip=rule),))
    found = find(invariants.MergedRatesOpen, fail_for_all_alone, alone)
    assert "CLOSED at a rate of 1" in found[0]
    enough = replace(alone, rate=20.0)
    assert find(invariants.MergedRatesOpen, fail_for_all_alone, enough) == []


def _probes(*begun: tuple[int, float, bool], drops: float = 0.0) -> Violate:
    """Begin probes that do not end: instance, seconds, whether under a lease."""

    async def violate(fleet: Fleet) -> AsyncIterator[None]:
        if drops:
            await happen(fleet, Event(fleet.now(), "drops", (2,), value=drops, length=0.1))
        for number, at, has_lease in begun:
            instance, probe = fleet.instances[number], Probing(number, at, has_lease)
            circuit = instance.breaker.circuit(KEY)
            fleet.probed(instance, circuit, probe)
            fleet.upstreams[KEY].begin(probe)
        yield

    return violate


TOO_MANY = ["3 probes of inventory-api at once, 2 at most: the last by instance 2"]


@pytest.mark.parametrize(
    ("third", "is_found"),
    [
        pytest.param((2, 1.0, True), True, id="under a lease"),
        pytest.param((2, 1.0, False), True, id="without one, long after the others"),
        pytest.param((2, 0.505, False), False, id="without one, before it can have heard"),
    ],
)
def test_too_many_probes(third: tuple[int, float, bool], is_found: bool) -> None:
    violate = _probes((0, 0.0, True), (1, 0.5, False), third)
    found = find(invariants.ProbesStayWithinBudget, violate, look=False)
    assert found == (TOO_MANY if is_found else [])


@pytest.mark.parametrize("has_lease", [True, False])
def test_too_many_probes_where_messages_got_lost(has_lease: bool) -> None:
    violate = _probes((0, 0.0, True), (1, 0.5, True), (2, 1.0, has_lease), drops=1.0)
    found = find(invariants.ProbesStayWithinBudget, violate, look=False)
    assert found == (TOO_MANY if has_lease else [])
