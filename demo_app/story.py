"""The story, step by step; each step says what was seen, or raises ``NotSeenError``."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from .processes import answers
from .stage import NotSeenError, Stage
from .traffic import Answer
from .views import KEY
from .waves import describe_followers

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable

    from .waves import Arrival

Step = tuple[str, "Callable[[Stage], Awaitable[str]]"]

_BOOT = 30.0
"""Seconds in which a process starts, on a busy machine too: mostly Python's imports."""


async def start(stage: Stage) -> str:
    """Start everything and wait until the fleet has met."""
    cast = stage.cast
    if cast.valkey is not None:
        cast.valkey.start()
        await stage.until(lambda: answers(cast.valkey_port), "Valkey answers", at_least=_BOOT)
    cast.upstream.start()
    for shop in cast.shops.values():
        shop.start()
    await stage.until(lambda: stage.upstream.answers, "the upstream answers", at_least=_BOOT)
    await stage.until(stage.all_answer, "every shop answers", at_least=_BOOT)
    await stage.until(lambda: stage.all_sync("connected"), "every shop is connected to Redis")
    stage.doors.set()
    return f"{len(stage.shops)} shops, one upstream, one Redis, all connected"


async def healthy(stage: Stage) -> str:
    """Serve real traffic and nothing but 200."""
    started, sent, calls = time.monotonic(), _sent(stage), await stage.upstream.look()
    answered = await _all_well(stage, 300)
    seconds = time.monotonic() - started
    count, sent = answered[Answer.OK], _sent(stage) - sent
    asked = await stage.upstream.look() - calls
    stage.note("healthy: answers", f"{count} x 200, {count / seconds:.0f} per second")
    stage.note("healthy: upstream calls", str(asked))
    stage.note("healthy: commands to Redis meanwhile", str(sent))
    return f"{count} x 200, {asked} upstream calls"


async def trips(stage: Stage) -> str:
    """Break the upstream: one instance trips, the others follow."""
    arrivals = await _trip(stage, "one shop trips and the others follow")
    stage.note("the trip reached the others", describe_followers(arrivals))
    return f"{arrivals[0].shop} tripped; {describe_followers(arrivals)}"


async def shields(stage: Stage) -> str:
    """Reject while open: the upstream sees no more calls."""
    while True:
        # A probe is a call too: look only at a time in which no shop's circuit moves.
        await stage.until(
            lambda: all(shop.state == "OPEN" and shop.retry_after > 1.0 for shop in stage.shops),
            "all circuits are open",
        )
        changes = _change_counts(stage)
        calls = await _calls_at_rest(stage)
        before, end = stage.answers(), time.monotonic() + 1.0
        while time.monotonic() < end and _change_counts(stage) == changes:
            stage.check_alive()
            await asyncio.sleep(0.02)
        answered = _since(stage, before)
        asked = await stage.upstream.look() - calls
        await asyncio.gather(*(shop.look(stage.client) for shop in stage.shops))
        if _change_counts(stage) == changes:
            break
    rejected, fallbacks = answered[Answer.REJECTED], answered[Answer.FALLBACK]
    if asked or not rejected or not fallbacks:
        raise NotSeenError(f"{asked} upstream calls while open; answers: {_listed(answered)}")
    stage.note("open: answers in a second", f"{rejected} x 503, {fallbacks} x fallback")
    stage.note("open: upstream calls", str(asked))
    return f"{rejected} x 503, {fallbacks} x 200 from the fallback, {asked} upstream calls"


async def recovers(stage: Stage) -> str:
    """Heal the upstream: probes find out, the circuits close."""
    healed = time.monotonic_ns()
    await stage.upstream.heal()
    arrivals = await stage.whole_wave("CLOSED", healed, "probes succeed and all circuits close")
    probed = [one.shop for one in arrivals if one.cause == "probes_succeeded"]
    if not probed:
        raise NotSeenError(f"no shop closed its circuit by probes: {arrivals}")
    await _run_of_200(stage, 60)
    # More than one may probe; whoever closes first, the others follow.
    by, last = " and ".join(probed), arrivals[-1].delay
    stage.note("recovered by probes of", by)
    stage.note("the last circuit closed after the first", f"{last:.1f} ms")
    return f"closed by probes of {by}; the last circuit {last:.1f} ms after the first"


async def loses_valkey(stage: Stage) -> str:
    """Kill Valkey: no request fails."""
    before, killed = stage.answers(), time.time()
    stage.kill_valkey()
    await stage.until(lambda: stage.all_sync("isolated"), "every shop notices the loss")
    noticed = max(shop.sync_since for shop in stage.shops) - killed
    await _all_well(stage, 250, before)
    count = _since(stage, before)[Answer.OK]
    stage.note("Valkey killed: noticed by all after", f"{noticed * 1000:.0f} ms")
    stage.note("Valkey killed: answers since", f"{count} x 200, nothing else")
    return f"all shops are on their own; {count} x 200 since, nothing else"


async def trips_alone(stage: Stage) -> str:
    """Break the upstream while Valkey is away: each shop protects itself."""
    arrivals = await _trip(stage, "each shop trips by itself")
    if any(one.heard for one in arrivals):
        raise NotSeenError(f"updates came without Valkey: {arrivals}")
    healed = time.monotonic_ns()
    await stage.upstream.heal()
    await stage.whole_wave("CLOSED", healed, "each shop recovers by itself")
    await _run_of_200(stage, 60)
    stage.note("Valkey away: shops that tripped and recovered alone", str(len(arrivals)))
    return f"{len(arrivals)} of {len(arrivals)} tripped on their own failures, and recovered"


async def finds_valkey(stage: Stage) -> str:
    """Start Valkey again, empty, on the same port."""
    before, restarted = stage.answers(), time.time()
    stage.restart_valkey()
    await stage.until(lambda: stage.all_sync("connected"), "every shop is connected again")
    after = max(shop.sync_since for shop in stage.shops) - restarted
    await _all_well(stage, 60, before)
    stage.note("Valkey back: all connected after", f"{after * 1000:.0f} ms")
    return f"all connected again after {after * 1000:.0f} ms"


async def agrees(stage: Stage) -> str:
    """Trip once more, then reset at one shop: the fleet follows both."""
    tripped = await _trip(stage, "one shop trips and the others follow")
    await stage.upstream.heal()
    asked = time.monotonic_ns()
    # Not the shop that tripped: any of them can be asked.
    desk = stage.shops[-1]
    (await stage.client.delete(f"{desk.url}/circuits/{KEY}")).raise_for_status()
    closed = await stage.whole_wave("CLOSED", asked, f"a reset at {desk.name} closes all")
    if (closed[0].shop, closed[0].cause) != (desk.name, "reset") or not closed[1].heard:
        raise NotSeenError(f"the others did not follow the reset: {closed}")
    await _run_of_200(stage, 60)
    stage.note("second trip reached the others", describe_followers(tripped))
    stage.note(f"reset at {desk.name} reached the others", describe_followers(closed))
    return f"trip: {describe_followers(tripped)}; reset: {describe_followers(closed)}"


WITH_OWN_VALKEY: list[Step] = [
    ("Valkey is killed", loses_valkey),
    ("the upstream breaks while Valkey is away", trips_alone),
    ("Valkey returns", finds_valkey),
]


def steps(*, valkey_is_ours: bool) -> list[Step]:
    """Return the story; a Redis that is not the demo's own is not killed."""
    return [
        ("the services start", start),
        ("all is healthy", healthy),
        ("the upstream breaks", trips),
        ("the upstream is left alone", shields),
        ("the upstream heals", recovers),
        *(WITH_OWN_VALKEY if valkey_is_ours else []),
        ("the fleet agrees", agrees),
    ]


async def _trip(stage: Stage, promise: str) -> list[Arrival]:
    broken = time.monotonic_ns()
    await stage.upstream.break_down()
    arrivals = await stage.whole_wave("OPEN", broken, promise)
    if stage.all_sync("connected") and not any(one.heard for one in arrivals):
        raise NotSeenError(f"{promise}: each tripped by itself: {arrivals}")
    return arrivals


async def _all_well(
    stage: Stage, count: int, before: Counter[Answer] | None = None
) -> Counter[Answer]:
    """Wait for ``count`` answers of 200 and check that there was nothing else."""
    before = stage.answers() if before is None else before
    promise = f"{count} x 200 and nothing else"
    await stage.until(lambda: _since(stage, before)[Answer.OK] >= count, promise)
    answered = _since(stage, before)
    if answered.total() != answered[Answer.OK]:
        raise NotSeenError(f"{promise}: got {_listed(answered)}")
    return answered


async def _run_of_200(stage: Stage, count: int) -> None:
    """Wait for ``count`` answers of 200 in a row.

    Right after a circuit closes, answers of before are still on their way.
    """
    before = stage.answers()

    def is_long() -> bool:
        nonlocal before
        answered = _since(stage, before)
        if answered.total() != answered[Answer.OK]:
            before = stage.answers()
            return False
        return answered.total() >= count

    await stage.until(is_long, f"{count} x 200 in a row")


async def _calls_at_rest(stage: Stage) -> int:
    """Return the upstream's calls once those under way at the trip have arrived."""
    calls, settled = -1, False
    while not settled:
        calls, earlier = await stage.upstream.look(), calls
        settled = calls == earlier
        await asyncio.sleep(0.1)
    return calls


def _since(stage: Stage, before: Counter[Answer]) -> Counter[Answer]:
    return stage.answers() - before


def _listed(answered: Counter[Answer]) -> str:
    return ", ".join(f"{count} x {answer}" for answer, count in answered.items()) or "none"


def _sent(stage: Stage) -> int:
    return sum(shop.sent for shop in stage.shops)


def _change_counts(stage: Stage) -> list[int]:
    return [len(shop.changes) for shop in stage.shops]
