"""What happens in a simulation: plain objects, made by hand or out of a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal

from fastapi_hybrid_breaker import CircuitConfig

Kind = Literal[
    "sick",  # the dependency `key` fails, with probability `value`, for `length` seconds
    "down",  # the server is gone, and comes back empty
    "hang",  # the server takes everything and answers nothing
    "flush",  # the server forgets all data
    "failover",  # a replica that is `value` seconds behind takes over
    "clock",  # the server's clock is set by `value` seconds
    "cut",  # `instance` cannot reach the server
    "drops",  # `instance` misses a share `value` of the messages
    "repeats",  # ... gets them twice
    "shuffles",  # ... gets them late and in another order
    "loses answers",  # ... does not get a share `value` of the answers
    "pause",  # `instance` stands still
    "crash",  # `instance` is killed, and started again
    "reset",  # an operator at `instance` resets `key`
    "forced_open",  # ... sets an override for `value` seconds, 0: until it is cleared
    "disabled",
    "clear",
]

INSTANT: frozenset[Kind] = frozenset(
    {"flush", "clock", "reset", "forced_open", "disabled", "clear"}
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens at a time, in seconds, and what it has happen to whom."""

    at: float
    kind: Kind
    instance: int = 0
    key: str = ""
    value: float = 0.0
    length: float = 0.0

    def __str__(self) -> str:
        about = [f"{self.at:7.2f} s  {self.kind}"]
        if self.kind in {"sick", "reset", "forced_open", "disabled", "clear"}:
            about.append(self.key)
        if self.kind not in {"sick", "down", "hang", "flush", "failover", "clock"}:
            about.append(f"at instance {self.instance}")
        if self.value:
            about.append(f"{self.value:.2f}")
        if self.length:
            about.append(f"for {self.length:.2f} s")
        return "  ".join(about)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet, its circuits, its traffic, and the events of its history.

    Args:
        seed: of all that is left to chance while it runs.
        instances: how many.
        keys: the circuits.
        config: of all circuits.
        rate: calls per second of each instance on each circuit.
        faults_until: seconds; every fault is over then.
        heals_until: seconds of traffic after it, in which everything must recover.
        events: what happens.
    """

    seed: int
    instances: int
    keys: tuple[str, ...] = ("inventory-api", "{tag}/price", "a}b")
    config: CircuitConfig = field(
        default_factory=lambda: CircuitConfig(
            failure_threshold=3, success_threshold=2, recovery_timeout=5.0, half_open_timeout=3.0
        )
    )
    rate: float = 2.0
    faults_until: float = 40.0
    heals_until: float = 75.0
    events: tuple[Event, ...] = ()


_FAULTS: tuple[tuple[Kind, float], ...] = (
    ("sick", 6),
    ("down", 1),
    ("hang", 1),
    ("flush", 1),
    ("failover", 1),
    ("clock", 1),
    ("cut", 2),
    ("drops", 2),
    ("repeats", 2),
    ("shuffles", 2),
    ("loses answers", 2),
    ("pause", 2),
    ("crash", 2),
    ("reset", 2),
    ("forced_open", 1),
    ("disabled", 1),
    ("clear", 1),
)


def make_scenario(seed: int) -> Scenario:
    """Make a scenario of mixed faults out of a seed: the same one each time."""
    random = Random(seed)
    scenario = Scenario(seed, instances=random.randint(1, 5))
    kinds, weights = zip(*_FAULTS, strict=True)
    events = []
    for _ in range(random.randint(1, 12)):
        kind = random.choices(kinds, weights)[0]
        at = random.uniform(1.0, scenario.faults_until - 5.0)
        length = 0.0
        if kind not in INSTANT:
            length = min(random.expovariate(1 / 4), scenario.faults_until - at - 0.1)
        values = {
            "sick": random.choice([0.5, 1.0, 1.0]),
            "failover": random.uniform(0.1, 2.0),
            "clock": random.choice([-300.0, -1.0, 1.0, 300.0]),
            "forced_open": random.choice([0.0, 3.0, 15.0]),
            "disabled": random.choice([0.0, 3.0, 15.0]),
        }
        value = values.get(kind, 0.0)
        if kind in {"drops", "repeats", "shuffles", "loses answers"}:
            value = random.choice([0.2, 0.5, 1.0])
        events.append(
            Event(
                round(at, 2),
                kind,
                instance=random.randrange(scenario.instances),
                key=random.choice(scenario.keys),
                value=round(value, 2),
                length=round(length, 2),
            )
        )
    events.sort(key=lambda event: event.at)
    return Scenario(seed, scenario.instances, events=tuple(events))
