"""``python -m simulator.calm``: a healthy fleet for a day, with a few random failures.

Nothing may open: failures that have nothing to do with each other are no outage, however many
instances report them, and however many of the messages between them get lost.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.core.rules import FailureRate
from fastapi_hybrid_breaker.core.windows import TimeWindow

from . import loop
from .fleet import Fleet
from .process import wall_clocks
from .run import Defects, prepare
from .scenario import Scenario
from .workers import processors

if TYPE_CHECKING:
    from collections.abc import Callable

RULES: Final = {
    "run": CircuitConfig(),
    "rate": CircuitConfig(trip=FailureRate(0.5, window=TimeWindow(60.0), minimum_calls=20)),
}
"""The default, 5 failures in a row, and half of the calls of a minute."""

_PARTS: Final = 1_000
"""Of the time, after each of which progress may be shown."""

_SHOW_EVERY: Final = 15.0


@dataclass(frozen=True, slots=True)
class Calm:
    """What came of it.

    Args:
        calls: how many there were.
        failures: how many of them failed.
        openings: what opened: the lines of history.
        commands: that the server ran.
        deliveries: messages that it sent out.
        defects: what was logged as an error.
    """

    calls: int
    failures: int
    openings: tuple[str, ...]
    commands: int
    deliveries: int
    defects: tuple[str, ...]


def play(scenario: Scenario, show: Callable[[float, int], object] | None = None) -> Calm:
    """Run a scenario without events until its ``heals_until``.

    Args:
        scenario: the fleet, its rate of calls, noise and loss.
        show: receives the share of the time that has gone by, and the calls so far.
    """
    with Defects() as defects, wall_clocks():
        return loop.run(_play(scenario, show or (lambda _share, _calls: None), defects))


async def _play(scenario: Scenario, show: Callable[[float, int], object], defects: Defects) -> Calm:
    prepare(defects)
    fleet = Fleet(scenario)
    await fleet.start()
    begun = fleet.now()
    for part in range(1, _PARTS + 1):
        await asyncio.sleep(begun + scenario.heals_until * part / _PARTS - fleet.now())
        show(part / _PARTS, fleet.traffic.calls)
    await fleet.stop()
    server = fleet.server
    return Calm(
        calls=fleet.traffic.calls,
        failures=sum(upstream.failures for upstream in fleet.upstreams.values()),
        openings=tuple(fleet.history),
        commands=sum(server.commands.values()),
        deliveries=server.published["deliveries"],
        defects=tuple(defects.texts),
    )


def calm_scenario(
    instances: int, hours: float, *, rate: float, noise: float, loss: float, rule: str
) -> Scenario:
    """Make a scenario of nothing but random failures and lost messages."""
    return Scenario(
        seed=1,
        instances=instances,
        keys=("inventory-api",),
        configs=(RULES[rule],),
        rate=rate,
        duration=0.0,
        noise=noise,
        drops=loss,
        lull=2.4,
        faults_until=0.0,
        heals_until=hours * 3600,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator.calm", description=__doc__)
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=1.0, help="calls per second each")
    parser.add_argument("--noise", type=float, default=0.01, help="share that fails (0.01)")
    parser.add_argument("--loss", type=float, nargs="*", default=[0.0, 0.2], help="of messages")
    parser.add_argument("--rules", nargs="*", choices=RULES, default=list(RULES))
    parser.add_argument("--jobs", type=int, default=processors())
    options = parser.parse_args()
    cases = [
        (rule, options.instances, options.hours, options.rate, options.noise, loss)
        for rule in options.rules
        for loss in options.loss
    ]
    with multiprocessing.get_context("spawn").Pool(min(options.jobs, len(cases))) as pool:
        held = list(pool.imap_unordered(_report, cases))
    return 0 if all(held) else 1


def _report(case: tuple[str, int, float, float, float, float]) -> bool:
    """Play one case and print what came of it; return whether nothing opened."""
    rule, instances, hours, rate, noise, loss = case
    name = f"{rule} rule, {loss:.0%} of the messages lost"
    begun = shown = time.monotonic()

    def show(share: float, calls: int) -> None:
        nonlocal shown
        if time.monotonic() - shown > _SHOW_EVERY:
            shown = time.monotonic()
            print(f"{name}: {share:.0%}, {calls / (shown - begun):,.0f} calls a second", flush=True)

    scenario = calm_scenario(instances, hours, rate=rate, noise=noise, loss=loss, rule=rule)
    calm = play(scenario, show)
    took, seconds = time.monotonic() - begun, scenario.heals_until
    lines = [
        f"{name}: {calm.calls:,} calls in {took:.0f} s, {calm.failures:,} failed",
        f"  {calm.commands / seconds:.1f} commands, {calm.deliveries / seconds:.1f} messages/s",
        *(f"  {line}" for line in [*calm.openings[:20], *calm.defects[:20]]),
    ]
    is_calm = not calm.openings and not calm.defects
    print("\n".join([*lines, "  none opened"] if is_calm else lines), flush=True)
    return is_calm


if __name__ == "__main__":
    sys.exit(main())
