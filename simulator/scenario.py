"""What happens in a simulation: plain objects, made by hand or out of a seed (``seeds.py``)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final, Literal

from fastapi_hybrid_breaker import CircuitConfig

Kind = Literal[
    "sick",  # the upstream of `key` fails, with probability `value`, for calls of `instances`
    "down",  # the server is gone, and comes back empty
    "hang",  # the server takes everything and answers nothing
    "flush",  # the server forgets all data
    "failover",  # a replica that is `value` seconds behind takes over
    "clock",  # the server's clock is set by `value` seconds
    "other clock",  # a replica takes over whose clock differs by `value` seconds
    "wall",  # the wall clocks of `instances` are set by `value` seconds
    "cut",  # `instances` cannot reach the server
    "drops",  # `instances` miss a share `value` of the messages
    "repeats",  # ... get them twice
    "shuffles",  # ... get them late and in another order
    "loses answers",  # ... do not get a share `value` of the answers
    "slow",  # ... are `value` seconds away from the server, one way
    "pause",  # `instances` stand still
    "crash",  # `instances` are killed, and started again
    "reset",  # an operator at the first of `instances` resets `key`
    "forced_open",  # ... sets an override for `value` seconds, 0: until it is cleared
    "disabled",
    "clear",
]

INSTANT: Final[frozenset[Kind]] = frozenset(
    {"flush", "clock", "wall", "reset", "forced_open", "disabled", "clear"}
)
"""What takes no time; the others last ``length`` seconds."""

ABOUT_KEY: Final[frozenset[Kind]] = frozenset({"sick", "reset", "forced_open", "disabled", "clear"})
ABOUT_SERVER: Final[frozenset[Kind]] = frozenset(
    {"down", "hang", "flush", "failover", "clock", "other clock"}
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens.

    Args:
        at: when, in seconds.
        kind: what.
        instances: to whom, by number; none: to all. Behind the instances come the plain
            speakers, which differ only below a sick upstream.
        key: of which circuit.
        value: how much; see ``Kind``.
        length: how long, in seconds.
    """

    at: float
    kind: Kind
    instances: tuple[int, ...] = ()
    key: str = ""
    value: float = 0.0
    length: float = 0.0

    def __str__(self) -> str:
        about = [f"{self.at:7.2f} s  {self.kind}"]
        if self.kind in ABOUT_KEY:
            about.append(self.key)
        if self.instances and self.kind not in ABOUT_SERVER:
            word = "for" if self.kind == "sick" else "at"
            about.append(f"{word} instance {', '.join(str(one) for one in self.instances)}")
        if self.value:
            about.append(f"{self.value:g}")
        if self.length:
            about.append(f"for {self.length:g} s")
        return "  ".join(about)


DEFAULT: Final = CircuitConfig(
    failure_threshold=3, success_threshold=2, recovery_timeout=5.0, half_open_timeout=3.0
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet, its circuits, its traffic, and the events of its history.

    Args:
        seed: of all that is left to chance while it runs.
        instances: how many; 1 to 1,000 are reasonable.
        speakers: how many services beside them speak the basic format only.
        keys: the circuits.
        configs: of all circuits; where there are several, instances take them in turn, as
            during a rolling deploy.
        rate: calls per second of each instance on each circuit.
        duration: seconds that a call takes; up to half as much again, by chance. 0: none, which
            saves most of the work.
        noise: the share of the calls that fail although the upstream is well.
        drops: the share of the messages that get lost all the time.
        skew: seconds by which instances' wall clocks are wrong at most.
        speaker_skew: the same of basic-format clients, which send times by their own clocks.
        lull: see ``wire.Link``.
        faults_until: seconds; every fault is over then.
        heals_until: seconds; until then there is traffic, and everything must recover.
        events: what happens.
    """

    seed: int
    instances: int
    speakers: int = 0
    keys: tuple[str, ...] = ("inventory-api", "{tag}/price", "a}b")
    configs: tuple[CircuitConfig, ...] = (DEFAULT,)
    rate: float = 2.0
    duration: float = 0.01
    noise: float = 0.0
    drops: float = 0.0
    skew: float = 300.0
    speaker_skew: float = 1.0
    lull: float = 0.0
    faults_until: float = 40.0
    heals_until: float = 75.0
    events: tuple[Event, ...] = field(default=())

    def __str__(self) -> str:
        fleet = f"{self.instances} instances, {self.speakers} basic-format clients"
        calls = f"{self.rate:g} calls per second and circuit, of {self.duration:g} s each"
        configs = "\n".join(f"configured with {_differences(config)}" for config in self.configs)
        return f"{fleet}\ncircuits {', '.join(self.keys)}\n{calls}\n{configs}"

    def config_of(self, instance: int) -> CircuitConfig:
        """Return the configuration at an instance."""
        return self.configs[instance % len(self.configs)]


def _differences(config: CircuitConfig) -> str:
    """Return what of a configuration is not the default."""
    default = CircuitConfig()
    names = [one.name for one in fields(config) if one.init and one.name != "failure_threshold"]
    parts = [
        f"{name}={getattr(config, name)!r}"
        for name in names
        if name != "trip" and getattr(config, name) != getattr(default, name)
    ]
    return ", ".join([" or ".join(str(rule) for rule in config.rules), *parts])
