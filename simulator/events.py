"""Has events happen to a fleet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from .scenario import ABOUT_SERVER, INSTANT
from .upstream import Sickness

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fleet import Fleet
    from .instance import Instance
    from .scenario import Event

_ON_LINKS: Final = {
    "cut": "is_cut",
    "drops": "drops",
    "repeats": "repeats",
    "shuffles": "shuffles",
    "loses answers": "loses_answers",
    "slow": "latency",
}


_REPLICA_BEHIND: Final = 0.2
"""Seconds by which a replica with another clock is behind."""


async def happen(fleet: Fleet, event: Event) -> None:
    """Begin an event, let it last and end it."""
    snapshot = None
    if event.kind in {"failover", "other clock"}:
        behind = event.value if event.kind == "failover" else _REPLICA_BEHIND
        await asyncio.sleep(max(0.0, event.at - behind - fleet.now()))
        snapshot = fleet.server.store.snapshot()
    await asyncio.sleep(event.at - fleet.now())
    fleet.history.append(str(event))
    instances = [fleet.instances[one] for one in event.instances if one < len(fleet.instances)]
    instances = instances or fleet.instances
    if event.kind == "sick":
        sickness = Sickness(event.value, event.instances)
        sicknesses = fleet.upstreams[event.key].sicknesses
        sicknesses.append(sickness)
        await asyncio.sleep(event.length)
        sicknesses.remove(sickness)
    elif event.kind in _ORDERS:
        if (operator := instances[0]).works:
            await asyncio.wait([operator.process.start(_ORDERS[event.kind](operator, event))])
    else:
        about_server = event.kind in ABOUT_SERVER
        whom = frozenset(() if about_server else (one.number for one in instances))
        disturbance = fleet.disturbances.begin(event, whom)
        await _disturb(fleet, event, instances, snapshot)
        disturbance.ended = fleet.now()
        if event.kind not in INSTANT:
            fleet.note(f"{event.kind} ends")


async def _disturb(
    fleet: Fleet, event: Event, instances: list[Instance], snapshot: Any | None
) -> None:
    server = fleet.server
    if event.kind == "flush":
        server.store.flush()
    elif event.kind == "clock":
        server.store.offset += event.value
    elif event.kind == "wall":
        for instance in instances:
            instance.set_wall(event.value)
    elif event.kind in {"failover", "down", "other clock"}:
        server.go_down()
        await asyncio.sleep(event.length)
        server.come_up(snapshot)
        if event.kind == "other clock":
            server.store.offset += event.value
    elif event.kind == "hang":
        server.hang()
        await asyncio.sleep(event.length)
        server.resume()
    elif event.kind == "pause":
        await _pause(event, instances)
    elif event.kind == "crash":
        await _crash(event, instances)
    else:
        await _spoil_links(event, instances)


async def _spoil_links(event: Event, instances: list[Instance]) -> None:
    name = _ON_LINKS[event.kind]
    for instance in instances:
        setattr(instance.link, name, event.value or True)
    await asyncio.sleep(event.length)
    for instance in instances:
        setattr(instance.link, name, getattr(instance.new_link(), name))


async def _pause(event: Event, instances: list[Instance]) -> None:
    processes = [instance.process for instance in instances if instance.works]
    for process in processes:
        process.pause()
    await asyncio.sleep(event.length)
    for process in processes:
        process.resume()


async def _crash(event: Event, instances: list[Instance]) -> None:
    crashed = [instance for instance in instances if instance.is_running]
    for instance in crashed:
        instance.crash()
    await asyncio.sleep(event.length)
    for instance in crashed:
        await asyncio.wait([instance.start()])  # it may be killed at once


async def _reset(instance: Instance, event: Event) -> None:
    await instance.breaker.reset(event.key)


async def _override(instance: Instance, event: Event) -> None:
    seconds = event.value or None
    await instance.breaker.override(
        event.key, event.kind, by="operator", reason=str(event.at), seconds=seconds
    )


async def _clear(instance: Instance, event: Event) -> None:
    await instance.breaker.clear_override(event.key, by="operator")


_ORDERS: Final[dict[str, Callable[[Instance, Event], Any]]] = {
    "reset": _reset,
    "forced_open": _override,
    "disabled": _override,
    "clear": _clear,
}
