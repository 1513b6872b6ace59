"""What is measured; each gives its figures under the names they have in the JSON.

Times come from the monotonic clock, which all processes of one machine share.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .worker import PROBES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .instances import Fleet
    from .upstream import Upstream
    from .valkey import Valkey

TRAFFIC = 0.02
"""Seconds between two calls of an instance."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What the measurements have at hand."""

    valkey: Valkey
    upstream: Upstream
    fleet: Fleet


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the 99th percentile (nearest rank) and the greatest, to 3 places."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)

    return {"p50": at(0.5), "p99": at(0.99), "max": at(1.0)}


async def trips(bench: Bench, rounds: int) -> dict[str, Any]:
    """From the failing call that trips one instance to the first rejection on the last one."""
    instances = bench.fleet.instances
    delays = []
    for number in range(rounds):
        bench.fleet.forget()
        begun = await instances[number % len(instances)].do("trip", key="trips")
        rejected = await bench.fleet.all_in("trips", "rejected")
        delays.append((max(rejected) - begun) / 1e6)
        await _reset(bench, "trips", by=number + 1)
    return {"trips": rounds, "milliseconds_to_the_last": spread(delays)}


async def recoveries(bench: Bench, rounds: int) -> dict[str, Any]:
    """Probes that the upstream sees per recovery, and how long the fleet takes to close."""
    instances, upstream = bench.fleet.instances, bench.upstream
    probes, most, delays = [], [], []
    await bench.fleet.all_do("traffic", key="recoveries", every=TRAFFIC)
    for number in range(rounds):
        bench.fleet.forget()
        upstream.count_anew()
        one = instances[number % len(instances)]
        await one.do("trip", key="recoveries")
        await bench.fleet.all_in("recoveries", "OPEN")
        open_until = (await one.do("look", key="recoveries"))["open_until"]
        closed = await bench.fleet.all_in("recoveries", "CLOSED")
        delays.append((max(closed) - open_until) / 1e6)
        probes.append(upstream.probes)
        most.append(upstream.most_probes)
    await bench.fleet.all_do("traffic", key="", every=0)
    return {
        "recoveries": rounds,
        "budget": PROBES,
        "probes_per_recovery": spread(probes),
        "probes_at_once": spread(most),
        "milliseconds_from_the_end_of_the_open_time": spread(delays),
    }


async def commands(bench: Bench, seconds: float) -> dict[str, Any]:
    """Commands that Redis runs per second in calm and in trouble."""
    fleet, upstream = bench.fleet, bench.upstream
    found = {"calm": await _load(bench, "calm", seconds)}
    upstream.failing = 0.1
    found["a tenth of the calls fails"] = await _load(bench, "flaky", seconds)
    upstream.failing = 1.0
    found["all fails, opened again and again"] = await _load(bench, "failing", seconds)
    upstream.failing = 0.0
    fleet.forget()
    await fleet.instances[0].do("trip", key="trips")
    await fleet.all_in("trips", "OPEN")
    found["open, all rejected"] = await _load(bench, "trips", seconds)
    await _reset(bench, "trips", by=0)
    return found


async def hang(bench: Bench, seconds: float) -> dict[str, Any]:
    """Let the server hang, trip one instance meanwhile: when do all agree after its return?"""
    fleet, valkey = bench.fleet, bench.valkey
    fleet.forget()
    valkey.hang()
    try:
        await asyncio.sleep(seconds / 2)
        await fleet.instances[0].do("trip", key="hang")
        await asyncio.sleep(seconds / 2)
        looks = await fleet.all_do("look", key="hang")
    finally:
        resumed = time.monotonic_ns()
        valkey.resume()
    agreed = await fleet.all_in("hang", "OPEN")
    await _reset(bench, "hang", by=1)
    return {
        "seconds": seconds,
        "isolated_at_its_end": sum(look["sync"] == "isolated" for look in looks),
        "open_at_its_end": sum(look["state"] == "OPEN" for look in looks),
        "milliseconds_to_agree": round((max(agreed) - resumed) / 1e6, 3),
    }


async def _reset(bench: Bench, key: str, *, by: int) -> None:
    instances = bench.fleet.instances
    bench.fleet.forget()
    await instances[by % len(instances)].do("reset", key=key)
    await bench.fleet.all_in(key, "CLOSED")


async def _load(bench: Bench, key: str, seconds: float) -> dict[str, Any]:
    """Make all call steadily, and count what that costs once it has become usual."""
    fleet, valkey = bench.fleet, bench.valkey
    await fleet.all_do("traffic", key=key, every=TRAFFIC)
    await asyncio.sleep(min(1.0, seconds))
    # Looking at a fleet takes time itself, so the rates have a clock each.
    looked, before = time.monotonic(), await fleet.all_do("look", key=key)
    counted, had = time.monotonic(), valkey.commands()
    await asyncio.sleep(seconds)
    has = valkey.commands()
    per_second = 1 / (time.monotonic() - counted)
    after = await fleet.all_do("look", key=key)
    looks_per_second = 1 / (time.monotonic() - looked)
    await fleet.all_do("traffic", key="", every=0)

    def rate(name: str) -> float:
        more: int = sum(one[name] for one in after) - sum(one[name] for one in before)
        return round(more * looks_per_second, 1)

    spent = Counter(has) - Counter(had)
    return {
        "commands_per_second": round(spent.total() * per_second, 1),
        "of_these_pings": round(spent["ping"] * per_second, 1),
        "by_command": {name: round(n * per_second, 2) for name, n in sorted(spent.items())},
        "sent_by_instances_per_second": rate("sent"),
        "calls_per_second": rate("made"),
        "rejected_per_second": rate("rejected"),
    }
