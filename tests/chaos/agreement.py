"""Whether all agree, once all is well again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from tests.patience import PATIENCE
from tests.web.servers import request

from .upstreams import SHAKY, STEADY

if TYPE_CHECKING:
    from .world import World

OPERATOR = {"kind": "forced_open", "by": "chaos", "reason": "the end", "seconds": None}


def disagreement(world: World, wanted: str) -> str | None:
    """Return what is not yet as it must be: both workers connected and with one mind, as Redis."""
    views = world.views()
    for pid, view in views.items():
        if view["sync"] != "connected" or view["queued"]:
            return f"worker {pid} is {view['sync']}, {view['queued']} queued"
        for key, state in ((SHAKY, wanted), (STEADY, "CLOSED")):
            if view["circuits"][key][0] != state:
                return f"worker {pid} has {key} {view['circuits'][key]}, not {state}"
    first, *others = (view["circuits"][SHAKY] for view in views.values())
    if any(other != first for other in others):
        return f"the workers have {SHAKY} as {first} and {others}"
    stored: Any = world.redis.hash(SHAKY)
    if wanted == "CLOSED" and stored.get("version", "0") != first[1]:
        return f"Redis has {SHAKY} as {stored}, the workers as {first}"
    return None


async def agreed(world: World, wanted: str) -> str | None:
    """Wait until all agree; return what they do not agree on after all patience."""
    end = time.monotonic() + PATIENCE
    while True:
        found = await asyncio.to_thread(disagreement, world, wanted)
        if found is None or time.monotonic() > end:
            return found
        await asyncio.sleep(0.1)


async def all_agree(world: World) -> str | None:
    """Look at what the faults have left, then at an opening for all and at its end."""
    url = f"{world.service.url}/circuits/{SHAKY}/-/override"
    if (found := await agreed(world, "CLOSED")) is not None:
        return f"after the last fault: {found}"
    (await asyncio.to_thread(request, "PUT", url, json=OPERATOR)).raise_for_status()
    if (found := await agreed(world, "OPEN")) is not None:
        return f"forced open: {found}"
    (await asyncio.to_thread(request, "DELETE", url)).raise_for_status()
    if (found := await agreed(world, "CLOSED")) is not None:
        return f"after the override: {found}"
    return None
