"""Scenarios of mixed faults out of a seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.core.backoff import Backoff
from fastapi_hybrid_breaker.core.rules import ConsecutiveFailures, FailureRate
from fastapi_hybrid_breaker.core.windows import CountWindow, TimeWindow

from .scenario import ABOUT_SERVER, DEFAULT, INSTANT, Event, Kind, Scenario

_FAULTS: Final[tuple[tuple[Kind, float], ...]] = (
    ("sick", 6),
    ("down", 1),
    ("hang", 1),
    ("flush", 1),
    ("failover", 1),
    ("clock", 1),
    ("wall", 1),
    ("cut", 2),
    ("drops", 2),
    ("repeats", 2),
    ("shuffles", 2),
    ("loses answers", 2),
    ("slow", 1),
    ("pause", 2),
    ("crash", 2),
    ("reset", 2),
    ("forced_open", 1),
    ("disabled", 1),
    ("clear", 1),
)
_REACHABLE: Final = frozenset({"sick", "drops", "repeats", "shuffles", "wall", "reset"})
"""What leaves the way to the server open: then the fleet acts as one, whatever it misses."""

_LONG: Final = 0.1
"""The share of the scenarios in which faults can last for a minute and longer."""

_WIDE: Final = 0.2
"""The share of the scenarios with many instances that have few calls each."""

_BUSY: Final = 0.08
"""The share of the scenarios with so many calls that no probe begins without a lease."""

_STEERED: Final = 0.1
"""The share of the scenarios in which operators act again and again while circuits trip."""

_FAR: Final = 3 * 86_400.0
"""Seconds by which the server's clock is far off: versions lie more than a day beyond it then."""

_FAR_OFF: Final = 0.15
"""The share of the scenarios in which it is so; never with basic-format clients, whose times would
be as far off."""

_LASTS: Final = (0.0, 3.0, 15.0)
"""Seconds that an override lasts; 0: until it is cleared."""

_SHARES: Final = (0.2, 0.5, 1.0)

BY_RATE: Final = CircuitConfig(
    trip=FailureRate(0.5, window=TimeWindow(10.0), minimum_calls=6), recovery_timeout=5.0
)

TOGETHER: Final = CircuitConfig(
    trip=FailureRate(0.5, window=TimeWindow(10.0), minimum_calls=12), recovery_timeout=5.0
)
"""Asks for more calls than one of many instances with few calls has."""

CONFIGS: Final = (
    DEFAULT,
    DEFAULT,
    CircuitConfig(failure_threshold=5, recovery_timeout=4.0, half_open_max_calls=1),
    CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=2.0),
    BY_RATE,
    CircuitConfig(
        trip=[ConsecutiveFailures(4), FailureRate(0.6, window=CountWindow(10), minimum_calls=5)],
        recovery_timeout=3.0,
        ramp_seconds=4.0,
    ),
    CircuitConfig(failure_threshold=3, recovery_timeout=4.0, quorum=2),
    CircuitConfig(failure_threshold=3, recovery_timeout=4.0, scope="instance"),
    CircuitConfig(
        failure_threshold=3,
        recovery_timeout=2.0,
        backoff=Backoff(multiplier=2.0, maximum=10.0, jitter=0.1, reset_after=5.0),
    ),
)
"""What circuits are set to; all recover within the time that a scenario leaves them."""


def make_scenario(seed: int) -> Scenario:
    """Make a scenario of mixed faults out of a seed: the same one each time."""
    random = Random(seed)
    instances = random.choice((1, 2, 2, 3, 3, 4, 5, 6))
    configs: tuple[CircuitConfig, ...] = (random.choice(CONFIGS),)
    if random.random() < 0.2:
        configs += (random.choice(CONFIGS),)
    scenario = Scenario(
        seed,
        instances,
        speakers=random.choice((0, 0, 0, 1, 2)),
        configs=configs,
        rate=random.choice((1.0, 2.0, 2.0, 4.0)),
        duration=random.choice((0.0, 0.01, 0.01, 0.1, 0.5)),
    )
    if random.random() < _WIDE:
        # Each alone sees too little to decide by: what they see together counts.
        together = (random.choice((DEFAULT, TOGETHER, TOGETHER)),)
        many = random.randint(6, 12)
        scenario = replace(scenario, instances=many, configs=together, rate=0.4, heals_until=100.0)
    # By a generator of its own, as operators have one.
    if Random(f"busy {seed}").random() < _BUSY:
        scenario = replace(scenario, rate=100.0, duration=0.01, keys=("inventory-api",))
    if random.random() < _LONG:
        scenario = replace(scenario, faults_until=100.0, heals_until=135.0)
    is_reachable = random.random() < 0.25
    faults = [fault for fault in _FAULTS if not is_reachable or fault[0] in _REACHABLE]
    events = [_make_event(scenario, faults, random) for _ in range(random.randint(1, 12))]
    # By a generator of their own, so that whatever else a seed makes does not depend on them.
    events += _operators(scenario, Random(f"operators {seed}"))
    events += _far_clocks(scenario, Random(f"far clocks {seed}"))
    return replace(scenario, events=tuple(sorted(events, key=lambda event: event.at)))


def _operators(scenario: Scenario, random: Random) -> list[Event]:
    """Return what the operators of a steered scenario do, and what gives that something to meet.

    Trips, and answers that are late enough for other updates to come first. Half of these scenarios
    have resets alone, which would else have little to end.
    """
    if random.random() >= _STEERED:
        return []
    until = scenario.faults_until - 5.0
    kinds: tuple[Kind, ...] = ("reset",)
    if random.random() < 0.5:
        kinds += ("forced_open", "disabled", "clear", "clear")
    far = tuple(one for one in range(scenario.instances) if random.random() < 0.5)
    events = (
        [Event(1.0, "slow", far, value=random.choice([0.05, 0.2]), length=until)] if far else []
    )
    for key in scenario.keys:
        events.append(Event(2.0, "sick", key=key, value=0.5, length=until - 2.0))
        for _ in range(random.randint(5, 20)):
            at, who = round(random.uniform(2.0, until), 2), random.randrange(scenario.instances)
            kind = random.choice(kinds)
            lasts = random.choice(_LASTS) if kind in {"forced_open", "disabled"} else 0.0
            events.append(Event(at, kind, (who,), key=key, value=lasts))
    return events


def _far_clocks(scenario: Scenario, random: Random) -> list[Event]:
    """Return what sets the server's clock by days: forth and back, or for good by a failover.

    Circuits trip and operators act all the while, so that versions are made under each clock.
    """
    if scenario.speakers or random.random() >= _FAR_OFF:
        return []
    until = scenario.faults_until - 5.0
    first, second = sorted(round(random.uniform(2.0, until), 2) for _ in range(2))
    by = random.choice([-_FAR, _FAR])
    events = [Event(first, "clock", value=by)]
    if random.random() < 0.5:
        events.append(Event(second, "clock", value=-by))
    else:
        events.append(Event(second, "other clock", value=-_FAR, length=random.choice([0.1, 3.0])))
    for key in scenario.keys:
        events.append(Event(first, "sick", key=key, value=0.7, length=until - first))
        for _ in range(random.randint(0, 4)):
            at, who = round(random.uniform(2.0, until), 2), random.randrange(scenario.instances)
            kind: Kind = random.choice(("reset", "forced_open", "clear"))
            events.append(Event(at, kind, (who,), key=key))
    return events


def _make_event(scenario: Scenario, faults: list[tuple[Kind, float]], random: Random) -> Event:
    kinds, weights = zip(*faults, strict=True)
    kind: Kind = random.choices(kinds, weights)[0]
    at = random.uniform(1.0, scenario.faults_until - 5.0)
    length = 0.0
    if kind not in INSTANT:
        typical = scenario.faults_until / 3 if random.random() < 0.2 else 4.0
        length = min(random.expovariate(1 / typical), scenario.faults_until - at - 0.1)
    values = {
        "sick": random.choice([0.5, 1.0, 1.0]),
        "failover": random.uniform(0.1, 2.0),
        # The times of basic-format clients are only as good as their clocks and the server's.
        "clock": random.choice([-1.0, 1.0] if scenario.speakers else [-300.0, -1.0, 1.0, 300.0]),
        "wall": random.choice([-300.0, 300.0]),
        "slow": random.choice([0.02, 0.2, 0.4]),
        "forced_open": random.choice(_LASTS),
        "disabled": random.choice(_LASTS),
    }
    value = values.get(kind, 0.0)
    if kind in {"drops", "repeats", "shuffles", "loses answers"}:
        value = random.choice(_SHARES)
    return Event(
        round(at, 2),
        kind,
        instances=_choose(kind, scenario, random),
        key=random.choice(scenario.keys),
        value=round(value, 2),
        length=round(length, 2),
    )


def _choose(kind: Kind, scenario: Scenario, random: Random) -> tuple[int, ...]:
    """Choose whom it happens to: mostly one, sometimes a group that is parted from the rest."""
    everybody = range(scenario.instances)
    if kind in ABOUT_SERVER:
        return ()
    if kind == "sick" and random.random() < 0.7:
        return ()
    if kind in INSTANT or random.random() < 0.8:
        return (random.choice(everybody),)
    return tuple(one for one in everybody if random.random() < 0.5)
